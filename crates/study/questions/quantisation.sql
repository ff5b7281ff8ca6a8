-- title: Quantisation
-- title.fr: Quantification
-- unit: hosts
-- definition: The quantisation as the server says it. By host: a host has it if a model that it last listed has; unknown where none has and one does not say. By model: of the models listed whose quantisation is told. view: the word itself, its bits, and the word within each tier of networks.
-- definition.fr: La quantification telle que le serveur la dit. Par hôte : un hôte l'a si un modèle qu'il a listé en dernier l'a ; inconnu si aucun ne l'a et que l'un ne le dit pas. Par modèle : parmi les modèles listés dont la quantification est dite. view : le mot, ses bits, et le mot dans chaque catégorie de réseaux.
-- why: The same few quantised files run everywhere: the published monoculture.
-- why.fr: Les mêmes fichiers quantifiés tournent partout : la monoculture publiée.
-- share: share = hosts / known
-- ratio: models_share = models / models_known (_yy _xy _xx _n)
-- chart: bars quantisation share

SELECT count(models) AS denominator, count(*) - count(models) AS unknown FROM hosts;

SELECT * FROM (
  WITH shelf AS (SELECT host, quantisation AS word, count(*) AS models FROM shelves GROUP BY host, quantisation),
  doubt AS (SELECT DISTINCT host FROM shelf WHERE word IS NULL),
  told AS (SELECT host, CAST(sum(models) AS BIGINT) AS models FROM shelf WHERE word IS NOT NULL GROUP BY host),
  counts AS (
    SELECT s.word, count(*) AS hosts, count(d.host) AS doubted, CAST(sum(s.models) AS BIGINT) AS models,
      CAST(sum(s.models * s.models) AS DOUBLE) AS yy, CAST(sum(s.models * t.models) AS DOUBLE) AS xy
    FROM shelf AS s JOIN told AS t ON t.host = s.host LEFT JOIN doubt AS d ON d.host = s.host WHERE s.word IS NOT NULL GROUP BY s.word
  ),
  whole AS (
    SELECT count(models) AS listed, count(*) - count(models) AS silent, (SELECT count(*) FROM doubt) AS doubts,
      (SELECT CAST(coalesce(sum(models), 0) AS BIGINT) FROM told) AS models, (SELECT CAST(sum(models * models) AS DOUBLE) FROM told) AS xx, (SELECT count(*) FROM told) AS n
    FROM hosts
  )
  SELECT 'quantisation' AS view, CAST(NULL AS VARCHAR) AS tier, c.word AS quantisation, c.hosts, w.listed - w.doubts + c.doubted AS known, w.silent + w.doubts - c.doubted AS unknown,
    c.models, w.models AS models_known, c.yy AS _yy, c.xy AS _xy, w.xx AS _xx, w.n AS _n
  FROM counts AS c CROSS JOIN whole AS w
) AS a
UNION ALL
SELECT * FROM (
  WITH shelf AS (SELECT host, bits AS word, count(*) AS models FROM shelves GROUP BY host, bits),
  doubt AS (SELECT DISTINCT host FROM shelf WHERE word IS NULL),
  told AS (SELECT host, CAST(sum(models) AS BIGINT) AS models FROM shelf WHERE word IS NOT NULL GROUP BY host),
  counts AS (
    SELECT s.word, count(*) AS hosts, count(d.host) AS doubted, CAST(sum(s.models) AS BIGINT) AS models,
      CAST(sum(s.models * s.models) AS DOUBLE) AS yy, CAST(sum(s.models * t.models) AS DOUBLE) AS xy
    FROM shelf AS s JOIN told AS t ON t.host = s.host LEFT JOIN doubt AS d ON d.host = s.host WHERE s.word IS NOT NULL GROUP BY s.word
  ),
  whole AS (
    SELECT count(models) AS listed, count(*) - count(models) AS silent, (SELECT count(*) FROM doubt) AS doubts,
      (SELECT CAST(coalesce(sum(models), 0) AS BIGINT) FROM told) AS models, (SELECT CAST(sum(models * models) AS DOUBLE) FROM told) AS xx, (SELECT count(*) FROM told) AS n
    FROM hosts
  )
  SELECT 'bits' AS view, CAST(NULL AS VARCHAR) AS tier, c.word AS quantisation, c.hosts, w.listed - w.doubts + c.doubted AS known, w.silent + w.doubts - c.doubted AS unknown,
    c.models, w.models AS models_known, c.yy AS _yy, c.xy AS _xy, w.xx AS _xx, w.n AS _n
  FROM counts AS c CROSS JOIN whole AS w
) AS b
UNION ALL
SELECT * FROM (
  WITH shelf AS (SELECT h.tier, s.host, s.quantisation AS word, count(*) AS models FROM shelves AS s JOIN hosts AS h ON h.host = s.host WHERE h.tier IS NOT NULL GROUP BY h.tier, s.host, s.quantisation),
  doubt AS (SELECT DISTINCT tier, host FROM shelf WHERE word IS NULL),
  doubts AS (SELECT tier, count(*) AS doubts FROM doubt GROUP BY tier),
  told AS (SELECT tier, host, CAST(sum(models) AS BIGINT) AS models FROM shelf WHERE word IS NOT NULL GROUP BY tier, host),
  counts AS (
    SELECT s.tier, s.word, count(*) AS hosts, count(d.host) AS doubted, CAST(sum(s.models) AS BIGINT) AS models,
      CAST(sum(s.models * s.models) AS DOUBLE) AS yy, CAST(sum(s.models * t.models) AS DOUBLE) AS xy
    FROM shelf AS s JOIN told AS t ON t.host = s.host LEFT JOIN doubt AS d ON d.host = s.host WHERE s.word IS NOT NULL GROUP BY s.tier, s.word
  ),
  whole AS (SELECT tier, count(models) AS listed, count(*) - count(models) AS silent FROM hosts WHERE tier IS NOT NULL GROUP BY tier),
  listed AS (SELECT tier, CAST(sum(models) AS BIGINT) AS models, CAST(sum(models * models) AS DOUBLE) AS xx, count(*) AS n FROM told GROUP BY tier)
  SELECT 'tier' AS view, c.tier, c.word AS quantisation, c.hosts, w.listed - coalesce(d.doubts, 0) + c.doubted AS known, w.silent + coalesce(d.doubts, 0) - c.doubted AS unknown,
    c.models, l.models AS models_known, c.yy AS _yy, c.xy AS _xy, l.xx AS _xx, l.n AS _n
  FROM counts AS c JOIN whole AS w ON w.tier = c.tier JOIN listed AS l ON l.tier = c.tier LEFT JOIN doubts AS d ON d.tier = c.tier
) AS c
ORDER BY view, tier, hosts DESC, quantisation
