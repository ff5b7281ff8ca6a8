-- title: Model names
-- title.fr: Noms de modèles
-- unit: hosts
-- definition: The hundred names on most hosts, as last listed.
-- definition.fr: Les cent noms présents sur le plus d'hôtes, listés en dernier.
-- why: Names are what an attacker asks for.
-- why.fr: Les noms sont ce qu'un attaquant demande.
-- share: share = hosts / known
-- chart: none

SELECT count(models) AS denominator, count(*) - count(models) AS unknown FROM hosts;

SELECT s.name, count(DISTINCT s.host) AS hosts, max(w.known) AS known, max(w.unknown) AS unknown, count(DISTINCT s.digest) AS digests
FROM shelves AS s CROSS JOIN (SELECT count(models) AS known, count(*) - count(models) AS unknown FROM hosts) AS w
GROUP BY s.name
ORDER BY hosts DESC, name LIMIT 100
