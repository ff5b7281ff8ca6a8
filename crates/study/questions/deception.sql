-- title: Suspected honeypots and decoys
-- title.fr: Leurres présumés
-- unit: hosts
-- definition: Hosts with an endpoint whose last known deception score is at least 0.5; unknown if no source checked for signs of deception. These hosts are included in every other question, and every answer is also given without them.
-- definition.fr: Hôtes ayant un point de terminaison dont le dernier score de leurre connu est d'au moins 0,5 ; inconnu si aucune source n'a cherché d'indices de leurre. Ces hôtes sont inclus dans toutes les autres questions, et chaque réponse est aussi donnée sans eux.
-- why: In earlier studies, raw counts were halved once decoys were removed.
-- why.fr: Dans des études antérieures, les comptes bruts ont été divisés par deux une fois les leurres retirés.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(suspect) AS denominator, count(*) - count(suspect) AS unknown FROM hosts;

SELECT 'suspect' AS what, {hosts where suspect} FROM hosts
UNION ALL
SELECT 'not suspect' AS what, {hosts where NOT suspect} FROM hosts
ORDER BY what
