-- title: Model families
-- title.fr: Familles de modèles
-- unit: hosts
-- definition: The architecture family as the server says it, by three weights. hosts: a host has it if a model that it last listed has; unknown where none has and one does not say. observations: those that listed models, with one of that family. host_days: host and day, counted once.
-- definition.fr: La famille d'architecture telle que le serveur la dit, selon trois pondérations. hosts : un hôte l'a si un modèle qu'il a listé en dernier l'a ; inconnu si aucun ne l'a et que l'un ne le dit pas. observations : celles qui listaient des modèles, dont un de cette famille. host_days : hôte et jour, comptés une fois.
-- why: One flaw in what loads a family touches all of its hosts at once. The published ranks were the same by all three weights.
-- why.fr: Une faille dans le chargement d'une famille touche tous ses hôtes d'un coup. Les rangs publiés étaient les mêmes selon les trois pondérations.
-- share: share = hosts / known
-- ratio: observations_share = observations / observations_known (_oyy _oxy _oxx _n)
-- ratio: host_days_share = host_days / host_days_known (_dyy _dxy _dxx _n)
-- chart: bars family share observations_share host_days_share

SELECT count(models) AS denominator, count(*) - count(models) AS unknown FROM hosts;

WITH shelf AS (SELECT host, family AS family, count(*) AS models FROM shelves GROUP BY host, family),
doubt AS (SELECT DISTINCT host FROM shelf WHERE family IS NULL),
told AS (SELECT host, CAST(sum(models) AS BIGINT) AS models FROM shelf WHERE family IS NOT NULL GROUP BY host),
counts AS (
  SELECT s.family, count(*) AS hosts, count(d.host) AS doubted, CAST(sum(s.models) AS BIGINT) AS models,
    CAST(sum(s.models * s.models) AS DOUBLE) AS yy, CAST(sum(s.models * t.models) AS DOUBLE) AS xy
  FROM shelf AS s JOIN told AS t ON t.host = s.host LEFT JOIN doubt AS d ON d.host = s.host
  WHERE s.family IS NOT NULL GROUP BY s.family
),
whole AS (
  SELECT count(models) AS listed, count(*) - count(models) AS silent, (SELECT count(*) FROM doubt) AS doubts,
    (SELECT CAST(coalesce(sum(models), 0) AS BIGINT) FROM told) AS models, (SELECT CAST(sum(models * models) AS DOUBLE) FROM told) AS xx, (SELECT count(*) FROM told) AS n
  FROM hosts
),
of_state AS (SELECT DISTINCT state, family FROM models WHERE family IS NOT NULL),
listing AS (SELECT p.host, p.block, p.state, p.days, p.observations FROM presence AS p JOIN said AS s ON s.state = p.state WHERE s.models IS NOT NULL),
x AS (
  SELECT o.host, o.observations AS o, d.days AS d
  FROM (SELECT host, CAST(sum(observations) AS BIGINT) AS observations FROM listing GROUP BY host) AS o
  JOIN (SELECT host, CAST(sum(bit_count(days)) AS BIGINT) AS days FROM (SELECT host, block, bit_or(days) AS days FROM listing GROUP BY host, block) AS b GROUP BY host) AS d ON d.host = o.host
),
xs AS (SELECT CAST(sum(o) AS BIGINT) AS o, CAST(sum(d) AS BIGINT) AS d, CAST(sum(o * o) AS DOUBLE) AS oo, CAST(sum(d * d) AS DOUBLE) AS dd, count(*) AS n FROM x),
y AS (
  SELECT family, host, CAST(sum(observations) AS BIGINT) AS o, CAST(sum(bit_count(days)) AS BIGINT) AS d
  FROM (
    SELECT f.family, l.host, l.block, sum(l.observations) AS observations, bit_or(l.days) AS days
    FROM listing AS l JOIN of_state AS f ON f.state = l.state GROUP BY f.family, l.host, l.block
  ) AS b
  GROUP BY family, host
),
ys AS (
  SELECT y.family, CAST(sum(y.o) AS BIGINT) AS o, CAST(sum(y.d) AS BIGINT) AS d, CAST(sum(y.o * y.o) AS DOUBLE) AS oyy, CAST(sum(y.o * x.o) AS DOUBLE) AS oxy,
    CAST(sum(y.d * y.d) AS DOUBLE) AS dyy, CAST(sum(y.d * x.d) AS DOUBLE) AS dxy
  FROM y JOIN x ON x.host = y.host GROUP BY y.family
)
SELECT c.family, c.hosts, w.listed - w.doubts + c.doubted AS known, w.silent + w.doubts - c.doubted AS unknown, c.models,
  ys.o AS observations, xs.o AS observations_known, ys.d AS host_days, xs.d AS host_days_known,
  rank() OVER (ORDER BY c.hosts DESC) AS rank_by_hosts, rank() OVER (ORDER BY ys.o DESC) AS rank_by_observations, rank() OVER (ORDER BY ys.d DESC) AS rank_by_host_days,
  ys.oyy AS _oyy, ys.oxy AS _oxy, xs.oo AS _oxx, ys.dyy AS _dyy, ys.dxy AS _dxy, xs.dd AS _dxx, xs.n AS _n
FROM counts AS c JOIN ys ON ys.family = c.family CROSS JOIN whole AS w CROSS JOIN xs
ORDER BY hosts DESC, family
