-- title: Models per host
-- title.fr: Modèles par hôte
-- unit: hosts
-- definition: The number of models that a host last listed. A list of none counts as 0.
-- definition.fr: Le nombre de modèles que l'hôte a listés en dernier. Une liste vide compte pour 0.
-- why: A host with twenty models and more is a public library.
-- why.fr: Un hôte de vingt modèles et plus est une bibliothèque publique.
-- share: share = hosts / known
-- chart: bars models share

SELECT count(models) AS denominator, count(*) - count(models) AS unknown FROM hosts;

WITH b AS (
  SELECT models AS n, CASE WHEN models = 0 THEN '0' WHEN models = 1 THEN '1' WHEN models <= 3 THEN '2-3' WHEN models <= 9 THEN '4-9' WHEN models <= 19 THEN '10-19' ELSE '>=20' END AS models
  FROM hosts WHERE models IS NOT NULL
)
SELECT b.models, count(*) AS hosts, max(w.known) AS known, max(w.unknown) AS unknown, CAST(sum(b.n) AS BIGINT) AS listed
FROM b CROSS JOIN (SELECT count(models) AS known, count(*) - count(models) AS unknown FROM hosts) AS w
GROUP BY b.models
ORDER BY min(b.n)
