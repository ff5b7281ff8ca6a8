-- title: Products
-- title.fr: Produits
-- unit: hosts
-- definition: The last known product of each endpoint. A host may have several. Observations are those of the product's endpoints.
-- definition.fr: Le dernier produit connu de chaque point de terminaison. Un hôte peut en avoir plusieurs. Les observations sont celles des points de terminaison du produit.
-- why: It shows what to look for, and which makers to notify.
-- why.fr: On y lit ce qu'il faut chercher, et quels éditeurs prévenir.
-- share: share = hosts / known
-- chart: bars product share

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT e.product, count(DISTINCT e.host) AS hosts, max(w.n) AS known, CAST(0 AS BIGINT) AS unknown, count(*) AS endpoints, CAST(sum(e.observations) AS BIGINT) AS observations
FROM endpoints AS e CROSS JOIN (SELECT count(*) AS n FROM hosts) AS w
GROUP BY e.product
ORDER BY hosts DESC, product
