-- The first and the last day on which anything was seen, recognised or not, suspect or not: the window. A host that is not seen on its last
-- days was looked for there.
SELECT
  CAST(floor(date_part('epoch', min(first_seen)) / 86400) AS BIGINT) AS first_day,
  CAST(floor(date_part('epoch', max(last_seen)) / 86400) AS BIGINT) AS last_day
FROM looks
