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

SELECT e.posture, count(DISTINCT e.host) AS hosts, max(w.known) AS known, max(w.unknown) AS unknown, count(*) AS endpoints
FROM endpoints AS e CROSS JOIN (SELECT count(open) AS known, count(*) - count(open) AS unknown FROM hosts) AS w
WHERE e.posture IS NOT NULL
GROUP BY e.posture
ORDER BY hosts DESC, posture
