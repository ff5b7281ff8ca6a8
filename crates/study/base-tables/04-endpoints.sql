-- A row per endpoint. Each attribute is the last known value within the window: a listing with fewer fields does not make known values
-- unknown. `inventory` is the state that last listed the models.
WITH dated AS (
  SELECT l.*, s.product, s.deception,
    CASE WHEN s.product <> c.product THEN NULL ELSE s.version END AS version,
    CASE WHEN s.product <> c.product THEN NULL ELSE s.posture END AS posture,
    CASE WHEN s.product <> c.product THEN NULL ELSE s.activity END AS activity,
    CASE WHEN s.product <> c.product THEN NULL ELSE s.models END AS models
  FROM observation_groups AS l
  LEFT JOIN state_facts AS s ON s.state = l.state
  LEFT JOIN changed_products AS c ON c.address = l.address AND c.port = l.port AND c.transport = l.transport AND c.name = l.name
),
times AS (
  SELECT
    address, port, transport, name,
    sum(observations) AS observations, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
    sum(running_told) AS running_told, sum(serving) AS serving, sum(running_models) AS running_models,
    max(CASE WHEN product IS NOT NULL THEN last_seen END) AS product_at,
    max(CASE WHEN version IS NOT NULL THEN last_seen END) AS version_at,
    max(CASE WHEN posture IS NOT NULL THEN last_seen END) AS posture_at,
    max(CASE WHEN activity IS NOT NULL THEN last_seen END) AS activity_at,
    max(CASE WHEN deception IS NOT NULL THEN last_seen END) AS deception_at,
    max(CASE WHEN models IS NOT NULL THEN last_seen END) AS models_at,
    max(CASE WHEN country IS NOT NULL THEN last_seen END) AS country_at,
    max(CASE WHEN asn IS NOT NULL THEN last_seen END) AS asn_at,
    max(CASE WHEN class IS NOT NULL THEN last_seen END) AS class_at,
    max(CASE WHEN tier IS NOT NULL THEN last_seen END) AS tier_at
  FROM dated GROUP BY address, port, transport, name
),
told AS (
  SELECT
    t.address, t.port, t.transport, t.name,
    max(CASE WHEN d.last_seen = t.product_at THEN d.product END) AS product,
    max(CASE WHEN d.last_seen = t.version_at THEN d.version END) AS version,
    max(CASE WHEN d.last_seen = t.posture_at THEN d.posture END) AS posture,
    max(CASE WHEN d.last_seen = t.activity_at THEN d.activity END) AS activity,
    max(CASE WHEN d.last_seen = t.deception_at THEN d.deception END) AS deception,
    max(CASE WHEN d.last_seen = t.models_at THEN d.state END) AS inventory,
    max(CASE WHEN d.last_seen = t.country_at THEN d.country END) AS country,
    max(CASE WHEN d.last_seen = t.asn_at THEN d.asn END) AS asn,
    max(CASE WHEN d.last_seen = t.asn_at THEN d.organisation END) AS organisation,
    max(CASE WHEN d.last_seen = t.class_at THEN d.class END) AS class,
    max(CASE WHEN d.last_seen = t.tier_at THEN d.tier END) AS tier
  FROM times AS t
  JOIN dated AS d ON d.address = t.address AND d.port = t.port AND d.transport = t.transport AND d.name = t.name
  GROUP BY t.address, t.port, t.transport, t.name
)
SELECT
  CAST(row_number() OVER (ORDER BY t.address, t.port, t.transport, t.name) AS INTEGER) AS endpoint,
  CAST(dense_rank() OVER (ORDER BY t.address) AS INTEGER) AS host,
  t.*, x.observations, x.first_seen, x.last_seen, x.running_told, x.serving, x.running_models,
  x.country_at, x.asn_at, x.class_at, x.tier_at
FROM told AS t
JOIN times AS x ON x.address = t.address AND x.port = t.port AND x.transport = t.transport AND x.name = t.name
WHERE t.product IS NOT NULL{products}
