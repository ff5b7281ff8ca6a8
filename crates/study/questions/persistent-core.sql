-- title: The persistent core
-- title.fr: Le noyau persistant
-- unit: hosts
-- definition: Hosts seen more often than a threshold: by observations, by different days, and by share of the window's days. Uptime is the number of days on which a host was seen, as a share of the days from its first to its last. Running models: mean over the observations that reported them.
-- definition.fr: Hôtes vus plus souvent qu'un seuil : en nombre d'observations, en nombre de jours différents, et en part des jours de la fenêtre. La présence est le nombre de jours où un hôte a été vu, en part des jours du premier au dernier. Modèles en mémoire : moyenne sur les observations qui les indiquent.
-- why: The published core of about 23,000 hosts is almost certainly the hosts with more than 100 observations; no definition was published.
-- why.fr: Le noyau publié d'environ 23 000 hôtes correspond presque certainement aux hôtes de plus de 100 observations ; aucune définition n'a été publiée.
-- share: share = hosts / known
-- ratio: observations_share = observations / observations_known (_yy _xy _xx _n)
-- chart: bars definition share observations_share

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

WITH whole AS (
  SELECT count(*) AS n, CAST(sum(h.observations) AS BIGINT) AS x, CAST(sum(h.observations * h.observations) AS DOUBLE) AS xx,
    max(s.last_day - s.first_day + 1) AS days
  FROM hosts AS h CROSS JOIN study_window AS s
)
SELECT 'observations' AS definition, CAST({core_observations} AS DOUBLE) AS threshold, {core columns}
FROM whole AS w LEFT JOIN hosts AS h ON h.observations > {core_observations}
UNION ALL
SELECT 'days' AS definition, CAST({core_days} AS DOUBLE) AS threshold, {core columns}
FROM whole AS w LEFT JOIN hosts AS h ON h.days > {core_days}
UNION ALL
SELECT 'share-of-window' AS definition, CAST({core_share} AS DOUBLE) AS threshold, {core columns}
FROM whole AS w LEFT JOIN hosts AS h ON h.days >= {core_share} * w.days
ORDER BY definition
