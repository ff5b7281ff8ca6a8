-- The observation groups of recognised endpoints, by endpoint number. `listed`: the state lists its models.
SELECT
  e.endpoint, e.host, l.state, l.source_kind, l.source_name, l.block, l.days, l.observations, l.first_seen, l.last_seen,
  l.running_told, l.serving, l.running_models, s.models IS NOT NULL AS listed
FROM observation_groups AS l
JOIN endpoints AS e ON e.address = l.address AND e.port = l.port AND e.transport = l.transport AND e.name = l.name
LEFT JOIN state_facts AS s ON s.state = l.state
