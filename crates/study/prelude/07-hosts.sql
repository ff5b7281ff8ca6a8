-- A row per host, which is an address. It has what any of its endpoints has; what none of those that told has, it has not; it is
-- unknown where none told, or where one that told may have it.
WITH counted AS (SELECT host, CAST(sum(bit_count(days)) AS BIGINT) AS days FROM blocks GROUP BY host)
SELECT
  e.host,
  max(e.address) AS address,
  CAST(sum(e.observations) AS BIGINT) AS observations,
  max(c.days) AS days,
  min(e.first_seen) AS first_seen,
  max(e.last_seen) AS last_seen,
  CAST(floor(date_part('epoch', min(e.first_seen)) / 86400) AS BIGINT) AS first_day,
  CAST(floor(date_part('epoch', max(e.last_seen)) / 86400) AS BIGINT) AS last_day,
  max(e.country) AS country, max(e.asn) AS asn, max(e.organisation) AS organisation, max(e.class) AS class, max(e.tier) AS tier,
  CASE WHEN bool_or(e.deception >= 0.5) THEN TRUE WHEN count(e.deception) = 0 THEN NULL ELSE FALSE END AS suspect,
  CASE WHEN bool_or(e.posture = 'open') THEN TRUE WHEN count(e.posture) = 0 THEN NULL ELSE FALSE END AS open,
  CASE WHEN bool_or(e.activity = 'active') THEN TRUE WHEN count(e.activity) = 0 THEN NULL ELSE FALSE END AS active,
  CASE WHEN count(e.inventory) > 0 THEN CAST(sum(s.models) AS BIGINT) END AS models,
  CAST(sum(e.running_told) AS BIGINT) AS running_told,
  CAST(sum(e.serving) AS BIGINT) AS serving,
  CAST(sum(e.running_models) AS BIGINT) AS running_models,
  CASE WHEN bool_or(s.completion) THEN TRUE
       WHEN count(e.inventory) = 0 OR count(CASE WHEN e.inventory IS NOT NULL AND s.completion IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END AS completion,
  CASE WHEN bool_or(s.embedding) THEN TRUE
       WHEN count(e.inventory) = 0 OR count(CASE WHEN e.inventory IS NOT NULL AND s.embedding IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END AS embedding,
  CASE WHEN bool_or(s.insertion) THEN TRUE
       WHEN count(e.inventory) = 0 OR count(CASE WHEN e.inventory IS NOT NULL AND s.insertion IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END AS insertion,
  CASE WHEN bool_or(s.thinking) THEN TRUE
       WHEN count(e.inventory) = 0 OR count(CASE WHEN e.inventory IS NOT NULL AND s.thinking IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END AS thinking,
  CASE WHEN bool_or(s.tools) THEN TRUE
       WHEN count(e.inventory) = 0 OR count(CASE WHEN e.inventory IS NOT NULL AND s.tools IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END AS tools,
  CASE WHEN bool_or(s.vision) THEN TRUE
       WHEN count(e.inventory) = 0 OR count(CASE WHEN e.inventory IS NOT NULL AND s.vision IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END AS vision,
  CASE WHEN bool_or(s.remote) THEN TRUE
       WHEN count(e.inventory) = 0 OR count(CASE WHEN e.inventory IS NOT NULL AND s.remote IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END AS remote,
  CASE WHEN bool_or(s.uncensored_by_name) THEN TRUE
       WHEN count(e.inventory) = 0 OR count(CASE WHEN e.inventory IS NOT NULL AND s.uncensored_by_name IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END AS uncensored_by_name,
  bool_or(s.shows_prompt) AS shows_prompt,
  bool_or(s.uncensored_by_prompt) AS uncensored_by_prompt
FROM endpoints AS e
JOIN counted AS c ON c.host = e.host
LEFT JOIN said AS s ON s.state = e.inventory
GROUP BY e.host
