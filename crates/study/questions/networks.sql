-- title: Networks, in two views
-- title.fr: Réseaux, en deux vues
-- unit: hosts
-- definition: as-type: what the autonomous system's operator does; tier: what kind of machine an address there is. The mapping is a file with reasons. What nothing maps is unattributed, a class of its own; where no geography file was named it is unknown. mean_uptime: days seen of the days from first to last; running_share: observations with a model in memory of those that told.
-- definition.fr: as-type : le métier de l'opérateur du système autonome ; tier : quelle sorte de machine est une adresse de ce réseau. La table est un fichier motivé. Ce que rien n'attribue est unattributed, une classe à part ; sans fichier de géographie, c'est inconnu. mean_uptime : jours vus parmi ceux du premier au dernier ; running_share : observations avec un modèle en mémoire, parmi celles qui le disent.
-- why: The two published views of the same hosts differ by 24 points for telecoms: both are shown.
-- why.fr: Les deux vues publiées des mêmes hôtes diffèrent de 24 points pour les télécoms : on montre les deux.
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
