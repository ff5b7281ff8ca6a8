-- title: Quantisation
-- title.fr: Quantification
-- unit: hosts
-- definition: The quantisation as reported by the server. By host: a host has a quantisation if a model in its last list has it; it is unknown if no model has it and that of one is not reported. By model: of the listed models whose quantisation is reported. view: the name itself, its bits, and the name within each tier of networks.
-- definition.fr: La quantification indiquée par le serveur. Par hôte : un hôte a une quantification si un modèle de sa dernière liste l'a ; c'est inconnu si aucun ne l'a et que celle de l'un d'eux n'est pas indiquée. Par modèle : parmi les modèles listés dont la quantification est indiquée. view : le nom lui-même, son nombre de bits, et le nom dans chaque catégorie d'infrastructure.
-- why: The same few quantised files run everywhere: the monoculture of the published study.
-- why.fr: Les mêmes fichiers quantifiés tournent partout : c'est la monoculture décrite par l'étude publiée.
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
