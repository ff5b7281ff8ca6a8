-- title: Pairs of families
-- title.fr: Paires de familles
-- unit: hosts
-- definition: Pairs of families on one host, as a share of the hosts with two families or more.
-- definition.fr: Paires de familles sur un même hôte, en part des hôtes qui en ont au moins deux.
-- why: What is deployed together fails together.
-- why.fr: Ce qui est déployé ensemble est touché ensemble.
-- share: share = hosts / known
-- chart: bars family share

SELECT count(*) AS denominator, (SELECT count(*) - count(models) FROM hosts) AS unknown
FROM (SELECT host FROM components WHERE kind = 'family' GROUP BY host HAVING count(*) > 1) AS m;

WITH pairs AS (SELECT host, component AS family FROM components WHERE kind = 'family'),
several AS (SELECT count(*) AS known FROM (SELECT host FROM pairs GROUP BY host HAVING count(*) > 1) AS m)
SELECT a.family, b.family AS other, count(*) AS hosts, max(w.known) AS known, max(u.unknown) AS unknown
FROM pairs AS a JOIN pairs AS b ON b.host = a.host AND b.family > a.family
CROSS JOIN several AS w CROSS JOIN (SELECT count(*) - count(models) AS unknown FROM hosts) AS u
GROUP BY a.family, b.family
ORDER BY hosts DESC, family, other LIMIT 100
