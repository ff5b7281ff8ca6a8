-- title: Size of models
-- title.fr: Taille des modèles
-- unit: hosts
-- definition: Parameters as the server says them, in billions, by whole numbers: 1-3B is from 1 up to 4. By host: a host has it if a model that it last listed has; unknown where none has and one does not say.
-- definition.fr: Paramètres tels que le serveur les dit, en milliards, par entiers : 1-3B va de 1 à moins de 4. Par hôte : un hôte l'a si un modèle qu'il a listé en dernier l'a ; inconnu si aucun ne l'a et que l'un ne le dit pas.
-- why: The size says what the machine behind can do.
-- why.fr: La taille dit ce que peut la machine derrière.
-- share: share = hosts / known
-- ratio: models_share = models / models_known (_yy _xy _xx _n)
-- chart: bars parameters share

SELECT count(models) AS denominator, count(*) - count(models) AS unknown FROM hosts;

WITH counts AS (
  SELECT component, count(*) AS hosts, count(*) FILTER (WHERE doubted) AS doubted, CAST(sum(models) AS BIGINT) AS models,
    CAST(sum(models * models) AS DOUBLE) AS yy, CAST(sum(models * told) AS DOUBLE) AS xy
  FROM components WHERE kind = 'size' GROUP BY component
),
whole AS (
  SELECT count(h.models) AS listed, count(*) - count(h.models) AS silent, count(*) FILTER (WHERE coalesce(l.size, 0) < h.models) AS doubts,
    CAST(coalesce(sum(l.size), 0) AS BIGINT) AS models, CAST(sum(l.size * l.size) AS DOUBLE) AS xx, count(*) FILTER (WHERE l.size > 0) AS n
  FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host
)
SELECT c.component AS parameters, c.hosts, w.listed - w.doubts + c.doubted AS known, w.silent + w.doubts - c.doubted AS unknown, c.models, w.models AS models_known,
  c.yy AS _yy, c.xy AS _xy, w.xx AS _xx, w.n AS _n
FROM counts AS c CROSS JOIN whole AS w
ORDER BY hosts DESC, parameters
