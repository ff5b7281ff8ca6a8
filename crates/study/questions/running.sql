-- title: Models in memory
-- title.fr: Modèles en mémoire
-- unit: hosts
-- definition: any: hosts that had a model in memory at least once in the window. The observations are those that told whether one was; the mean is of models in memory per observation that told.
-- definition.fr: any : hôtes ayant eu au moins une fois dans la fenêtre un modèle en mémoire. Les observations sont celles qui le disaient ; la moyenne est celle des modèles en mémoire par observation qui le disait.
-- why: A model in memory is a server in use, or one that is being used.
-- why.fr: Un modèle en mémoire est un serveur dont on se sert, ou dont on abuse.
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
