-- The first and the last day on which anything was seen, recognised or not, suspect or not. A host that was not seen on the last days of the
-- window was looked for on those days.
SELECT
  CAST(floor(date_part('epoch', min(first_seen)) / 86400) AS BIGINT) AS first_day,
  CAST(floor(date_part('epoch', max(last_seen)) / 86400) AS BIGINT) AS last_day
FROM observation_groups
