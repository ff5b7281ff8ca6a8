-- title: How often hosts were seen
-- title.fr: Nombre d'observations par hôte
-- unit: hosts
-- definition: Hosts by number of observations, in the buckets of the published study.
-- definition.fr: Hôtes par nombre d'observations, dans les classes de l'étude publiée.
-- why: A few hosts account for most observations, so a share of observations is not a share of hosts.
-- why.fr: Quelques hôtes totalisent la plupart des observations : une part d'observations n'est pas une part d'hôtes.
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
