-- title: Networks, in two views
-- title.fr: Réseaux, en deux vues
-- unit: hosts
-- definition: as-type: what the operator of the autonomous system does; tier: what kind of machine an address there is. The mapping is a file with a reason for each entry. A network that the mapping does not contain is unattributed, a class of its own; without a geography file it is unknown. mean_uptime: days seen, as a share of the days from the first to the last. running_share: observations with a model in memory, as a share of those that reported running models.
-- definition.fr: as-type : l'activité de l'opérateur du système autonome ; tier : le type de machine derrière une adresse de ce réseau. La table de correspondance est un fichier qui justifie chaque entrée. Un réseau qu'elle ne contient pas est unattributed, une classe à part ; sans fichier de géolocalisation, c'est inconnu. mean_uptime : jours où l'hôte a été vu, en part des jours du premier au dernier. running_share : observations avec un modèle en mémoire, en part de celles qui indiquent les modèles en mémoire.
-- why: The two published views of the same hosts differ by 24 points for telecoms, so both are shown.
-- why.fr: Les deux vues publiées des mêmes hôtes diffèrent de 24 points pour les télécoms : les deux sont donc présentées.
-- share: share = hosts / known
-- ratio: observations_share = observations / observations_known (_yy _xy _xx _n)
-- chart: bars class share

SELECT count(class) AS denominator, count(*) - count(class) AS unknown FROM hosts;

WITH viewed AS (
  SELECT 'as-type' AS view, class, observations, asn, days, first_day, last_day, serving, running_told, models FROM hosts
  UNION ALL
  SELECT 'tier' AS view, tier AS class, observations, asn, days, first_day, last_day, serving, running_told, models FROM hosts
),
whole AS (
  SELECT view, count(class) AS n, count(*) - count(class) AS unknown, CAST(sum(CASE WHEN class IS NOT NULL THEN observations END) AS BIGINT) AS x,
    CAST(sum(CASE WHEN class IS NOT NULL THEN observations * observations END) AS DOUBLE) AS xx
  FROM viewed GROUP BY view
)
SELECT h.view, h.class, count(*) AS hosts, max(w.n) AS known, max(w.unknown) AS unknown,
  CAST(sum(h.observations) AS BIGINT) AS observations, max(w.x) AS observations_known, count(DISTINCT h.asn) AS networks,
  avg(CAST(h.days AS DOUBLE) / (h.last_day - h.first_day + 1)) AS mean_uptime,
  CAST(sum(h.serving) AS DOUBLE) / sum(h.running_told) AS running_share,
  avg(CAST(h.models AS DOUBLE)) AS mean_models,
  CAST(sum(h.observations * h.observations) AS DOUBLE) AS _yy, CAST(sum(h.observations * h.observations) AS DOUBLE) AS _xy, max(w.xx) AS _xx, max(w.n) AS _n
FROM viewed AS h JOIN whole AS w ON w.view = h.view
WHERE h.class IS NOT NULL
GROUP BY h.view, h.class
ORDER BY view, hosts DESC, class
