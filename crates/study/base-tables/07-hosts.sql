-- A row per host, which is an address. A property is TRUE if any endpoint of the host has it; otherwise it is NULL if no endpoint reported it,
-- or if an endpoint that listed its models may have it; otherwise it is FALSE. Location is the last one known. A condition on two properties,
-- such as `open_tools`, must hold on one endpoint: a model behind a key is not open because another port is.
WITH counted AS (SELECT host, CAST(sum(bit_count(days)) AS BIGINT) AS days FROM host_days GROUP BY host),
stood AS (
  SELECT host, max(country_at) AS country_at, max(asn_at) AS asn_at, max(class_at) AS class_at, max(tier_at) AS tier_at FROM endpoints GROUP BY host
),
-- A port that answers under several names lists its models once.
listed AS (
  SELECT o.host, CAST(sum(s.models) AS BIGINT) AS models
  FROM (SELECT DISTINCT host, port, transport, inventory FROM endpoints WHERE inventory IS NOT NULL) AS o JOIN state_facts AS s ON s.state = o.inventory
  GROUP BY o.host
),
h AS (
SELECT
  e.host,
  max(e.address) AS address,
  CAST(sum(e.observations) AS BIGINT) AS observations,
  max(c.days) AS days,
  min(e.first_seen) AS first_seen,
  max(e.last_seen) AS last_seen,
  CAST(floor(date_part('epoch', min(e.first_seen)) / 86400) AS BIGINT) AS first_day,
  CAST(floor(date_part('epoch', max(e.last_seen)) / 86400) AS BIGINT) AS last_day,
  max(CASE WHEN e.country_at = w.country_at THEN e.country END) AS country,
  max(CASE WHEN e.asn_at = w.asn_at THEN e.asn END) AS asn, max(CASE WHEN e.asn_at = w.asn_at THEN e.organisation END) AS organisation,
  max(CASE WHEN e.class_at = w.class_at THEN e.class END) AS class, max(CASE WHEN e.tier_at = w.tier_at THEN e.tier END) AS tier,
  CASE WHEN bool_or(e.deception >= 0.5) THEN TRUE WHEN count(e.deception) = 0 THEN NULL ELSE FALSE END AS suspect,
  CASE WHEN bool_or(e.posture = 'open') THEN TRUE WHEN count(e.posture) = 0 THEN NULL ELSE FALSE END AS open,
  CASE WHEN bool_or(e.activity = 'active') THEN TRUE WHEN count(e.activity) = 0 THEN NULL ELSE FALSE END AS active,
  max(l.models) AS models,
  CAST(sum(e.running_told) AS BIGINT) AS running_told,
  CAST(sum(e.serving) AS BIGINT) AS serving,
  CAST(sum(e.running_models) AS BIGINT) AS running_models,
  {any endpoint has completion} AS completion,
  {any endpoint has embedding} AS embedding,
  {any endpoint has insertion} AS insertion,
  {any endpoint has thinking} AS thinking,
  {any endpoint has tools} AS tools,
  {any endpoint has vision} AS vision,
  {any endpoint has remote} AS remote,
  {any endpoint has uncensored_by_name} AS uncensored_by_name,
  bool_or(s.shows_prompt) AS shows_prompt,
  bool_or(s.uncensored_by_prompt) AS uncensored_by_prompt,
  coalesce(bool_or(e.posture = 'open' AND e.activity = 'active'), FALSE) AS open_active,
  coalesce(bool_or(e.posture = 'open' AND s.vision), FALSE) AS open_vision,
  coalesce(bool_or(e.posture = 'open' AND s.thinking), FALSE) AS open_thinking,
  coalesce(bool_or(e.posture = 'open' AND s.embedding), FALSE) AS open_embedding,
  coalesce(bool_or(e.posture = 'open' AND e.serving > 0), FALSE) AS open_serving,
  bool_or(e.posture = 'open' AND s.tools) AS some_tools,
  bool_or(e.inventory IS NOT NULL AND (e.posture IS NULL OR e.posture = 'open') AND (e.posture IS NULL OR s.tools IS NULL)) AS maybe_tools,
  bool_or(e.posture = 'open' AND s.remote) AS some_remote,
  bool_or(e.inventory IS NOT NULL AND (e.posture IS NULL OR e.posture = 'open') AND (e.posture IS NULL OR s.remote IS NULL)) AS maybe_remote
FROM endpoints AS e
JOIN counted AS c ON c.host = e.host
JOIN stood AS w ON w.host = e.host
LEFT JOIN listed AS l ON l.host = e.host
LEFT JOIN state_facts AS s ON s.state = e.inventory
GROUP BY e.host
)
SELECT h.*,
  CASE WHEN some_tools THEN TRUE WHEN open AND tools AND NOT maybe_tools THEN FALSE WHEN open AND tools THEN NULL ELSE open AND tools END AS open_tools,
  CASE WHEN some_remote THEN TRUE WHEN open AND remote AND NOT maybe_remote THEN FALSE WHEN open AND remote THEN NULL ELSE open AND remote END AS open_remote
FROM h
