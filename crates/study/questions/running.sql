-- title: Models in memory
-- title.fr: Modèles en mémoire
-- unit: hosts
-- definition: any: hosts that had a model in memory at least once in the window. The observations are those that reported whether a model was in memory; the mean is the number of models in memory per such observation.
-- definition.fr: any : hôtes ayant eu un modèle en mémoire au moins une fois dans la fenêtre. Les observations sont celles qui indiquent si un modèle était en mémoire ; la moyenne est le nombre de modèles en mémoire par observation de ce type.
-- why: A model in memory shows that the server is in use, or is being abused.
-- why.fr: Un modèle en mémoire montre qu'on utilise le serveur, ou qu'on en abuse.
-- share: share = hosts / known
-- ratio: observations_share = observations / observations_known (_yy _xy _xx _n)
-- chart: bars what share observations_share

SELECT count(*) FILTER (WHERE running_told > 0) AS denominator, count(*) - count(*) FILTER (WHERE running_told > 0) AS unknown FROM hosts;

SELECT 'any' AS what, count(*) FILTER (WHERE serving > 0) AS hosts, count(*) FILTER (WHERE running_told > 0) AS known,
  count(*) - count(*) FILTER (WHERE running_told > 0) AS unknown,
  CAST(sum(serving) AS BIGINT) AS observations, CAST(sum(running_told) AS BIGINT) AS observations_known,
  CAST(sum(running_models) AS DOUBLE) / sum(running_told) AS mean_running,
  CAST(sum(running_models) AS DOUBLE) / sum(serving) AS mean_running_where_any,
  CAST(sum(serving * serving) AS DOUBLE) AS _yy, CAST(sum(serving * running_told) AS DOUBLE) AS _xy, CAST(sum(running_told * running_told) AS DOUBLE) AS _xx,
  count(*) FILTER (WHERE running_told > 0) AS _n
FROM hosts
