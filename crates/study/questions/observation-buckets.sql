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
  SELECT observations, CASE WHEN observations = 1 THEN 1 WHEN observations <= 10 THEN 2 WHEN observations <= 100 THEN 3 ELSE 4 END AS nth FROM hosts
),
counts AS (
  SELECT nth, count(*) AS hosts, sum(observations) AS observations, sum(observations * observations) AS squares FROM b GROUP BY nth
)
SELECT CASE nth WHEN 1 THEN '1' WHEN 2 THEN '2-10' WHEN 3 THEN '11-100' ELSE '>100' END AS bucket, hosts,
  CAST(sum(hosts) OVER () AS BIGINT) AS known, CAST(0 AS BIGINT) AS unknown,
  CAST(observations AS BIGINT) AS observations, CAST(sum(observations) OVER () AS BIGINT) AS observations_known,
  CAST(squares AS DOUBLE) AS _yy, CAST(squares AS DOUBLE) AS _xy, CAST(sum(squares) OVER () AS DOUBLE) AS _xx, CAST(sum(hosts) OVER () AS BIGINT) AS _n
FROM counts
ORDER BY nth
