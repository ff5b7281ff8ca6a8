-- A row per state that lists models, with what its models can do. A capability is TRUE if any model has it, and NULL if none does and any
-- may have it. An empty system prompt does not count as a prompt that is shown.
SELECT
  state,
  {any model can completion} AS completion,
  {any model can embedding} AS embedding,
  {any model can insert} AS insertion,
  {any model can thinking} AS thinking,
  {any model can tools} AS tools,
  {any model can vision} AS vision,
  CASE WHEN bool_or(remote) THEN TRUE WHEN bool_or(remote IS NULL) THEN NULL ELSE FALSE END AS remote,
  CASE WHEN bool_or(uncensored_by_name) THEN TRUE WHEN bool_or(uncensored_by_name IS NULL) THEN NULL ELSE FALSE END AS uncensored_by_name,
  bool_or(system_prompt IS NOT NULL AND coalesce(system_prompt_class, '') <> 'empty') AS shows_prompt,
  bool_or(uncensored_by_prompt) AS uncensored_by_prompt
FROM models
GROUP BY state
