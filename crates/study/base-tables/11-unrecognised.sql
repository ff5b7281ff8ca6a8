-- Endpoints that answered and were not recognised as any product. Only `totals` counts them.
SELECT l.address, l.port, l.transport, l.name
FROM observation_groups AS l LEFT JOIN state_facts AS s ON s.state = l.state
GROUP BY l.address, l.port, l.transport, l.name
HAVING count(s.product) = 0
