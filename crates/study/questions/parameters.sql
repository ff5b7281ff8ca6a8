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

WITH shelf AS (SELECT host, CASE WHEN billions < 1 THEN '<1B' WHEN billions < 4 THEN '1-3B' WHEN billions < 8 THEN '4-7B' WHEN billions < 15 THEN '8-14B' WHEN billions < 36 THEN '15-35B' WHEN billions < 80 THEN '36-79B' WHEN billions >= 80 THEN '>=80B' END AS parameters, count(*) AS models FROM shelves GROUP BY host, CASE WHEN billions < 1 THEN '<1B' WHEN billions < 4 THEN '1-3B' WHEN billions < 8 THEN '4-7B' WHEN billions < 15 THEN '8-14B' WHEN billions < 36 THEN '15-35B' WHEN billions < 80 THEN '36-79B' WHEN billions >= 80 THEN '>=80B' END),
doubt AS (SELECT DISTINCT host FROM shelf WHERE parameters IS NULL),
told AS (SELECT host, CAST(sum(models) AS BIGINT) AS models FROM shelf WHERE parameters IS NOT NULL GROUP BY host),
counts AS (
  SELECT s.parameters, count(*) AS hosts, count(d.host) AS doubted, CAST(sum(s.models) AS BIGINT) AS models,
    CAST(sum(s.models * s.models) AS DOUBLE) AS yy, CAST(sum(s.models * t.models) AS DOUBLE) AS xy
  FROM shelf AS s JOIN told AS t ON t.host = s.host LEFT JOIN doubt AS d ON d.host = s.host
  WHERE s.parameters IS NOT NULL GROUP BY s.parameters
),
whole AS (
  SELECT count(models) AS listed, count(*) - count(models) AS silent, (SELECT count(*) FROM doubt) AS doubts,
    (SELECT CAST(coalesce(sum(models), 0) AS BIGINT) FROM told) AS models, (SELECT CAST(sum(models * models) AS DOUBLE) FROM told) AS xx, (SELECT count(*) FROM told) AS n
  FROM hosts
)
SELECT c.parameters, c.hosts, w.listed - w.doubts + c.doubted AS known, w.silent + w.doubts - c.doubted AS unknown, c.models, w.models AS models_known,
  c.yy AS _yy, c.xy AS _xy, w.xx AS _xx, w.n AS _n
FROM counts AS c CROSS JOIN whole AS w
ORDER BY hosts DESC, parameters
