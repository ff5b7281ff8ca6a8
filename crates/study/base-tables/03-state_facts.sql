-- A row per state: its attributes, and what its models can do. An empty list of models is known: every capability is FALSE.
SELECT
  s.state, s.product, s.version, s.posture, s.activity, s.models, s.tools_listed, s.deception, s.tls, s.certificate, s.instance,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.completion END AS completion,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.embedding END AS embedding,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.insertion END AS insertion,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.thinking END AS thinking,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.tools END AS tools,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.vision END AS vision,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.remote END AS remote,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.uncensored_by_name END AS uncensored_by_name,
  CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.shows_prompt END AS shows_prompt,
  i.uncensored_by_prompt
FROM (
  SELECT state, max(product) AS product, max(version) AS version, max(posture) AS posture, max(activity) AS activity, max(models) AS models,
    max(tools) AS tools_listed, max(deception) AS deception, bool_or(tls) AS tls, max(cert_sha256) AS certificate, max(instance) AS instance
  FROM states GROUP BY state
) AS s
LEFT JOIN inventories AS i ON i.state = s.state
