-- title: How often hosts were seen
-- title.fr: Combien de fois les hôtes ont été vus
-- unit: hosts
-- definition: Hosts by the number of their observations, in the published buckets.
-- definition.fr: Hôtes selon le nombre de leurs observations, dans les classes publiées.
-- why: A few hosts make most of the observations: a share of observations and a share of hosts are different things.
-- why.fr: Peu d'hôtes font la plupart des observations : une part d'observations et une part d'hôtes sont deux choses.
-- share: share = hosts / known
-- ratio: observations_share = observations / observations_known (_yy _xy _xx _n)
-- chart: bars bucket share observations_share

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

WITH b AS (
  SELECT observations,
    CASE WHEN observations = 1 THEN '1' WHEN observations <= 10 THEN '2-10' WHEN observations <= 100 THEN '11-100' ELSE '>100' END AS bucket
  FROM hosts
)
SELECT b.bucket, count(*) AS hosts, max(w.n) AS known, CAST(0 AS BIGINT) AS unknown,
  CAST(sum(b.observations) AS BIGINT) AS observations, max(w.x) AS observations_known,
  CAST(sum(b.observations * b.observations) AS DOUBLE) AS _yy, CAST(sum(b.observations * b.observations) AS DOUBLE) AS _xy, max(w.xx) AS _xx, max(w.n) AS _n
FROM b CROSS JOIN (SELECT count(*) AS n, CAST(sum(observations) AS BIGINT) AS x, CAST(sum(observations * observations) AS DOUBLE) AS xx FROM hosts) AS w
GROUP BY b.bucket
ORDER BY min(b.observations)
