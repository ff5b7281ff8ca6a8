-- title: Model names
-- title.fr: Noms de modèles
-- unit: hosts
-- definition: The hundred names found on the most hosts, by their last lists.
-- definition.fr: Les cent noms présents sur le plus d'hôtes, d'après leurs dernières listes.
-- why: A name is what an attacker asks for.
-- why.fr: Un attaquant demande un modèle par son nom.
-- share: share = hosts / known
-- chart: none

SELECT count(models) AS denominator, count(*) - count(models) AS unknown FROM hosts;

SELECT h.name, h.hosts, w.known, w.unknown, d.digests
FROM (SELECT name, count(DISTINCT host) AS hosts FROM host_models GROUP BY name) AS h
JOIN (SELECT name, count(DISTINCT digest) AS digests FROM host_models GROUP BY name) AS d ON d.name = h.name
CROSS JOIN (SELECT count(models) AS known, count(*) - count(models) AS unknown FROM hosts) AS w
ORDER BY h.hosts DESC, h.name LIMIT 100
