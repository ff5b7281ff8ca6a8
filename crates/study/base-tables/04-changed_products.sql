-- Endpoints that were recognised as more than one product, with the last of them. Version, posture, activity and models of an earlier product
-- are not carried over to the last one.
SELECT l.address, l.port, l.transport, l.name, max(s.product) AS product
FROM observation_groups AS l
JOIN state_facts AS s ON s.state = l.state
JOIN (
  SELECT l.address, l.port, l.transport, l.name, max(l.last_seen) AS product_at
  FROM observation_groups AS l JOIN state_facts AS s ON s.state = l.state
  WHERE s.product IS NOT NULL
  GROUP BY l.address, l.port, l.transport, l.name
  HAVING min(s.product) <> max(s.product)
) AS m ON m.address = l.address AND m.port = l.port AND m.transport = l.transport AND m.name = l.name AND m.product_at = l.last_seen
WHERE s.product IS NOT NULL
GROUP BY l.address, l.port, l.transport, l.name
