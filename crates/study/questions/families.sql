-- title: Model families
-- title.fr: Familles de modèles
-- unit: hosts
-- definition: The architecture family as reported by the server, by three weights. hosts: a host has a family if a model in its last list has it; it is unknown if no model has it and the family of one is not reported. observations: those whose list reported the family of every model, with one of that family. host_days: host and day of such lists, counted once.
-- definition.fr: La famille d'architecture indiquée par le serveur, selon trois pondérations. hosts : un hôte a une famille si un modèle de sa dernière liste en fait partie ; c'est inconnu si aucun n'en fait partie et que la famille de l'un d'eux n'est pas indiquée. observations : celles dont la liste indiquait la famille de chaque modèle, avec un modèle de cette famille. host_days : couples hôte et jour de ces listes, comptés une fois.
-- why: One flaw in the code that loads a family affects all of its hosts at once. In the published study, the ranks were the same by all three weights.
-- why.fr: Une faille dans le code qui charge une famille touche tous ses hôtes d'un coup. Dans l'étude publiée, les rangs étaient les mêmes selon les trois pondérations.
-- share: share = hosts / known
-- ratio: observations_share = observations / observations_known (_oyy _oxy _oxx _n)
-- ratio: host_days_share = host_days / host_days_known (_dyy _dxy _dxx _n)
-- chart: bars family share observations_share host_days_share

SELECT count(models) AS denominator, count(*) - count(models) AS unknown FROM hosts;

WITH counts AS (
  SELECT component AS family, count(*) AS hosts, count(*) FILTER (WHERE doubted) AS doubted, CAST(sum(models) AS BIGINT) AS models
  FROM components WHERE kind = 'family' GROUP BY component
),
whole AS (
  SELECT count(h.models) AS listed, count(*) - count(h.models) AS silent, count(*) FILTER (WHERE coalesce(l.family, 0) < h.models) AS doubts
  FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host
),
of_state AS (SELECT DISTINCT state, family FROM models WHERE family IS NOT NULL),
told AS (
  SELECT p.host, p.block, p.state, p.observations, p.days
  FROM endpoint_observations AS p LEFT JOIN (SELECT DISTINCT state FROM models WHERE family IS NULL) AS d ON d.state = p.state
  WHERE p.listed AND d.state IS NULL
),
x AS (
  SELECT host, CAST(sum(observations) AS BIGINT) AS o, CAST(sum(bit_count(days)) AS BIGINT) AS d
  FROM (SELECT host, block, sum(observations) AS observations, bit_or(days) AS days FROM told GROUP BY host, block) AS b
  GROUP BY host
),
xs AS (SELECT CAST(sum(o) AS BIGINT) AS o, CAST(sum(d) AS BIGINT) AS d, CAST(sum(o * o) AS DOUBLE) AS oo, CAST(sum(d * d) AS DOUBLE) AS dd, count(*) AS n FROM x),
y AS (
  SELECT family, host, CAST(sum(observations) AS BIGINT) AS o, CAST(sum(bit_count(days)) AS BIGINT) AS d
  FROM (
    SELECT f.family, p.host, p.block, sum(p.observations) AS observations, bit_or(p.days) AS days
    FROM told AS p JOIN of_state AS f ON f.state = p.state GROUP BY f.family, p.host, p.block
  ) AS b
  GROUP BY family, host
),
ys AS (
  SELECT y.family, CAST(sum(y.o) AS BIGINT) AS o, CAST(sum(y.d) AS BIGINT) AS d, CAST(sum(y.o * y.o) AS DOUBLE) AS oyy, CAST(sum(y.o * x.o) AS DOUBLE) AS oxy,
    CAST(sum(y.d * y.d) AS DOUBLE) AS dyy, CAST(sum(y.d * x.d) AS DOUBLE) AS dxy
  FROM y JOIN x ON x.host = y.host GROUP BY y.family
)
SELECT c.family, c.hosts, w.listed - w.doubts + c.doubted AS known, w.silent + w.doubts - c.doubted AS unknown, c.models,
  coalesce(ys.o, 0) AS observations, xs.o AS observations_known, coalesce(ys.d, 0) AS host_days, xs.d AS host_days_known,
  rank() OVER (ORDER BY c.hosts DESC) AS rank_by_hosts, rank() OVER (ORDER BY coalesce(ys.o, 0) DESC) AS rank_by_observations, rank() OVER (ORDER BY coalesce(ys.d, 0) DESC) AS rank_by_host_days,
  ys.oyy AS _oyy, ys.oxy AS _oxy, xs.oo AS _oxx, ys.dyy AS _dyy, ys.dxy AS _dxy, xs.dd AS _dxx, xs.n AS _n
FROM counts AS c LEFT JOIN ys ON ys.family = c.family CROSS JOIN whole AS w CROSS JOIN xs
ORDER BY hosts DESC, family
