-- title: Size of models
-- title.fr: Taille des modèles
-- unit: hosts
-- definition: Number of parameters as reported by the server, in billions rounded down: 1-3B is from 1 to less than 4 billion. By host: a host has a size if a model in its last list has it; it is unknown if no model has it and the size of one is not reported.
-- definition.fr: Nombre de paramètres indiqué par le serveur, en milliards arrondis à l'entier inférieur : 1-3B va de 1 à moins de 4 milliards. Par hôte : un hôte a une taille si un modèle de sa dernière liste l'a ; c'est inconnu si aucun ne l'a et que la taille de l'un d'eux n'est pas indiquée.
-- why: The size shows what the machine can do.
-- why.fr: La taille indique ce dont la machine est capable.
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
