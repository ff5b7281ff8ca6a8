-- A row per state that lists models, with what its models can do. A capability is TRUE if any model has it, and NULL if none does and any
-- may have it. An empty system prompt does not count as a prompt that is shown.
SELECT
  state,
  CASE WHEN bool_or(capabilities LIKE '%"completion"%') THEN TRUE
       WHEN bool_or(capabilities IS NULL OR capabilities_untold LIKE '%"completion"%') THEN NULL ELSE FALSE END AS completion,
  CASE WHEN bool_or(capabilities LIKE '%"embedding"%') THEN TRUE
       WHEN bool_or(capabilities IS NULL OR capabilities_untold LIKE '%"embedding"%') THEN NULL ELSE FALSE END AS embedding,
  CASE WHEN bool_or(capabilities LIKE '%"insert"%') THEN TRUE
       WHEN bool_or(capabilities IS NULL OR capabilities_untold LIKE '%"insert"%') THEN NULL ELSE FALSE END AS insertion,
  CASE WHEN bool_or(capabilities LIKE '%"thinking"%') THEN TRUE
       WHEN bool_or(capabilities IS NULL OR capabilities_untold LIKE '%"thinking"%') THEN NULL ELSE FALSE END AS thinking,
  CASE WHEN bool_or(capabilities LIKE '%"tools"%') THEN TRUE
       WHEN bool_or(capabilities IS NULL OR capabilities_untold LIKE '%"tools"%') THEN NULL ELSE FALSE END AS tools,
  CASE WHEN bool_or(capabilities LIKE '%"vision"%') THEN TRUE
       WHEN bool_or(capabilities IS NULL OR capabilities_untold LIKE '%"vision"%') THEN NULL ELSE FALSE END AS vision,
  CASE WHEN bool_or(remote) THEN TRUE WHEN bool_or(remote IS NULL) THEN NULL ELSE FALSE END AS remote,
  CASE WHEN bool_or(uncensored_by_name) THEN TRUE WHEN bool_or(uncensored_by_name IS NULL) THEN NULL ELSE FALSE END AS uncensored_by_name,
  bool_or(system_prompt IS NOT NULL AND coalesce(system_prompt_class, '') <> 'empty') AS shows_prompt,
  bool_or(uncensored_by_prompt) AS uncensored_by_prompt
FROM models
GROUP BY state
