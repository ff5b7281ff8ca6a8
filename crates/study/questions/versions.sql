-- title: Versions
-- title.fr: Versions
-- unit: endpoints
-- definition: The version of each endpoint as last told. The share is of the endpoints of that product whose version is known.
-- definition.fr: La version de chaque point d'accès, telle que dite en dernier. La part est celle des points d'accès de ce produit dont la version est connue.
-- why: Old versions are what flaws stay open in, and what cannot tell its capabilities.
-- why.fr: Les anciennes versions gardent les failles ouvertes et ne disent pas leurs capacités.
-- share: share = endpoints / known
-- chart: bars version share

SELECT count(version) AS denominator, count(*) - count(version) AS unknown FROM endpoints;

SELECT e.product, e.version, count(*) AS endpoints, max(w.known) AS known, max(w.unknown) AS unknown, count(DISTINCT e.host) AS hosts
FROM endpoints AS e
JOIN (SELECT product, count(version) AS known, count(*) - count(version) AS unknown FROM endpoints GROUP BY product) AS w ON w.product = e.product
WHERE e.version IS NOT NULL
GROUP BY e.product, e.version
ORDER BY e.product, endpoints DESC, e.version
