-- title: What a stranger meets
-- title.fr: Ce que rencontre un inconnu
-- unit: hosts
-- definition: The access posture of each endpoint as last told; a host with several endpoints may count in several rows. Unknown: no endpoint told.
-- definition.fr: La posture d'accès de chaque point d'accès, telle que dite en dernier ; un hôte à plusieurs points d'accès peut compter dans plusieurs lignes. Inconnu : aucun ne l'a dit.
-- why: Open is the first thing to close.
-- why.fr: Ouvert est la première chose à fermer.
-- share: share = hosts / known
-- chart: bars posture share

SELECT count(open) AS denominator, count(*) - count(open) AS unknown FROM hosts;

WITH counts AS (SELECT posture, count(DISTINCT host) AS hosts, count(*) AS endpoints FROM endpoints WHERE posture IS NOT NULL GROUP BY posture)
SELECT c.posture, c.hosts, w.known, w.unknown, c.endpoints
FROM counts AS c CROSS JOIN (SELECT count(open) AS known, count(*) - count(open) AS unknown FROM hosts) AS w
ORDER BY hosts DESC, posture
