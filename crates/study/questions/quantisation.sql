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

WITH counts AS (
  SELECT kind AS view, '' AS tier, component, count(*) AS hosts, count(*) FILTER (WHERE doubted) AS doubted, CAST(sum(models) AS BIGINT) AS models,
    CAST(sum(models * models) AS DOUBLE) AS yy, CAST(sum(models * told) AS DOUBLE) AS xy
  FROM components WHERE kind IN ('quantisation', 'bits') GROUP BY kind, component
  UNION ALL
  SELECT 'tier' AS view, h.tier, c.component, count(*) AS hosts, count(*) FILTER (WHERE c.doubted) AS doubted, CAST(sum(c.models) AS BIGINT) AS models,
    CAST(sum(c.models * c.models) AS DOUBLE) AS yy, CAST(sum(c.models * c.told) AS DOUBLE) AS xy
  FROM components AS c JOIN hosts AS h ON h.host = c.host WHERE c.kind = 'quantisation' AND h.tier IS NOT NULL GROUP BY h.tier, c.component
),
whole AS (
  SELECT '' AS tier, count(h.models) AS listed, count(*) - count(h.models) AS silent, count(*) FILTER (WHERE coalesce(l.quantisation, 0) < h.models) AS doubts,
    CAST(sum(l.quantisation) AS BIGINT) AS models, CAST(sum(l.quantisation * l.quantisation) AS DOUBLE) AS xx, count(*) FILTER (WHERE l.quantisation > 0) AS n
  FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host
  UNION ALL
  SELECT h.tier, count(h.models) AS listed, count(*) - count(h.models) AS silent, count(*) FILTER (WHERE coalesce(l.quantisation, 0) < h.models) AS doubts,
    CAST(sum(l.quantisation) AS BIGINT) AS models, CAST(sum(l.quantisation * l.quantisation) AS DOUBLE) AS xx, count(*) FILTER (WHERE l.quantisation > 0) AS n
  FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host WHERE h.tier IS NOT NULL GROUP BY h.tier
)
SELECT c.view, nullif(c.tier, '') AS tier, c.component AS quantisation, c.hosts, w.listed - w.doubts + c.doubted AS known, w.silent + w.doubts - c.doubted AS unknown,
  c.models, w.models AS models_known, c.yy AS _yy, c.xy AS _xy, w.xx AS _xx, w.n AS _n
FROM counts AS c JOIN whole AS w ON w.tier = c.tier
ORDER BY c.view, tier, c.hosts DESC, quantisation
