-- Endpoints that were more than one product, with the last of them: of what they were before, nothing that hangs on the product is said of
-- what they are now.
SELECT l.address, l.port, l.transport, l.name, max(s.product) AS product
FROM looks AS l
JOIN said AS s ON s.state = l.state
JOIN (
  SELECT l.address, l.port, l.transport, l.name, max(l.last_seen) AS product_at
  FROM looks AS l JOIN said AS s ON s.state = l.state
  WHERE s.product IS NOT NULL
  GROUP BY l.address, l.port, l.transport, l.name
  HAVING min(s.product) <> max(s.product)
) AS m ON m.address = l.address AND m.port = l.port AND m.transport = l.transport AND m.name = l.name AND m.product_at = l.last_seen
WHERE s.product IS NOT NULL
GROUP BY l.address, l.port, l.transport, l.name
