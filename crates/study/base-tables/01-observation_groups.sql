-- Observations grouped by endpoint, source, state, location and block of 62 days.
-- A server under a path of an endpoint is an endpoint of its own: the path is appended to the name.
-- `days` has a bit for each day of the block on which the endpoint was seen; days are counted from 1970-01-01.
SELECT
  address, port, transport, coalesce(name, '') || coalesce(prefix, '') AS name, source_kind, source_name, state,
  CAST(floor(day / 62) AS BIGINT) AS block,
  bit_or(CAST(1 AS BIGINT) << (day % 62)) AS days,
  count(*) AS observations,
  min(seen) AS first_seen,
  max(seen) AS last_seen,
  country, asn, class, tier, max(organisation) AS organisation,
  count(running) AS running_told,
  count(CASE WHEN running > 0 THEN 1 END) AS serving,
  sum(running) AS running_models
FROM (SELECT *, CAST(date_part('epoch', date) / 86400 AS BIGINT) AS day FROM selected_observations) AS o
GROUP BY address, port, transport, coalesce(name, '') || coalesce(prefix, ''), source_kind, source_name, state, CAST(floor(day / 62) AS BIGINT), country, asn, class, tier
