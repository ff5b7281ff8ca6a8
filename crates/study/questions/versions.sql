-- title: Versions
-- title.fr: Versions
-- unit: endpoints
-- definition: The last known version of each endpoint. The share is of the endpoints of that product whose version is known.
-- definition.fr: La dernière version connue de chaque point de terminaison. La part porte sur les points de terminaison de ce produit dont la version est connue.
-- why: Flaws stay open in old versions, and some old versions do not report their capabilities.
-- why.fr: Les failles restent ouvertes dans les anciennes versions, et certaines de ces versions n'indiquent pas leurs capacités.
-- share: share = endpoints / known
-- chart: bars version share

SELECT count(version) AS denominator, count(*) - count(version) AS unknown FROM endpoints;

SELECT e.product, e.version, count(*) AS endpoints, max(w.known) AS known, max(w.unknown) AS unknown, count(DISTINCT e.host) AS hosts
FROM endpoints AS e
JOIN (SELECT product, count(version) AS known, count(*) - count(version) AS unknown FROM endpoints GROUP BY product) AS w ON w.product = e.product
WHERE e.version IS NOT NULL
GROUP BY e.product, e.version
ORDER BY e.product, endpoints DESC, e.version
