-- title: Suspected honeypots and decoys
-- title.fr: Leurres présumés
-- unit: hosts
-- definition: Hosts with an endpoint whose deception score is at least 0.5, as last told; unknown where no source looked for tells. They are counted in every other question, and each is answered a second time without them.
-- definition.fr: Hôtes ayant un point d'accès dont le score de leurre atteint 0,5, tel que dit en dernier ; inconnu si aucune source n'a cherché d'indices. Ils comptent dans toutes les autres questions, et chacune est répondue une seconde fois sans eux.
-- why: Raw counts of earlier studies were halved once decoys were taken out.
-- why.fr: Les comptes bruts d'études passées ont été divisés par deux une fois les leurres ôtés.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(suspect) AS denominator, count(*) - count(suspect) AS unknown FROM hosts;

SELECT 'suspect' AS what, {hosts where suspect} FROM hosts
UNION ALL
SELECT 'not suspect' AS what, {hosts where NOT suspect} FROM hosts
ORDER BY what
