-- title: Access for a stranger
-- title.fr: Accès pour un inconnu
-- unit: hosts
-- definition: The last known access posture of each endpoint; a host with several endpoints may count in several rows. Unknown: no endpoint reported it.
-- definition.fr: La dernière posture d'accès connue de chaque point de terminaison ; un hôte à plusieurs points de terminaison peut compter dans plusieurs lignes. Inconnu : aucun point de terminaison ne l'indique.
-- why: Open servers should be secured first.
-- why.fr: Les serveurs ouverts sont à sécuriser en premier.
-- share: share = hosts / known
-- chart: bars posture share

SELECT count(open) AS denominator, count(*) - count(open) AS unknown FROM hosts;

WITH counts AS (SELECT posture, count(DISTINCT host) AS hosts, count(*) AS endpoints FROM endpoints WHERE posture IS NOT NULL GROUP BY posture)
SELECT c.posture, c.hosts, w.known, w.unknown, c.endpoints
FROM counts AS c CROSS JOIN (SELECT count(open) AS known, count(*) - count(open) AS unknown FROM hosts) AS w
ORDER BY hosts DESC, posture
