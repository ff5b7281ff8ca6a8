-- The looks at those endpoints, by number.
SELECT
  e.endpoint, e.host, l.state, l.source_kind, l.source_name, l.block, l.days, l.observations, l.first_seen, l.last_seen,
  l.running_told, l.serving, l.running_models
FROM looks AS l
JOIN endpoints AS e ON e.address = l.address AND e.port = l.port AND e.transport = l.transport AND e.name = l.name
