-- A row per state: its attributes, and what its models can do. An empty list of models is known: every capability is FALSE.
SELECT
  s.state, s.product, s.version, s.posture, s.activity, s.models, s.tools_listed, s.deception, s.tls, s.certificate, s.instance,
  {of models completion} AS completion,
  {of models embedding} AS embedding,
  {of models insertion} AS insertion,
  {of models thinking} AS thinking,
  {of models tools} AS tools,
  {of models vision} AS vision,
  {of models remote} AS remote,
  {of models uncensored_by_name} AS uncensored_by_name,
  {of models shows_prompt} AS shows_prompt,
  i.uncensored_by_prompt
FROM (
  SELECT state, max(product) AS product, max(version) AS version, max(posture) AS posture, max(activity) AS activity, max(models) AS models,
    max(tools) AS tools_listed, max(deception) AS deception, bool_or(tls) AS tls, max(cert_sha256) AS certificate, max(instance) AS instance
  FROM states GROUP BY state
) AS s
LEFT JOIN inventories AS i ON i.state = s.state
