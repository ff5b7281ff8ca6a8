-- The days on which each host was seen: a row per host and block of 62 days, with a bit for each day.
SELECT host, block, bit_or(days) AS days FROM endpoint_observations GROUP BY host, block
