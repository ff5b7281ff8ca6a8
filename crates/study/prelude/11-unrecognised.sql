-- Endpoints that answered, and that nothing identified: they count in no question but the totals.
SELECT l.address, l.port, l.transport, l.name
FROM looks AS l LEFT JOIN said AS s ON s.state = l.state
GROUP BY l.address, l.port, l.transport, l.name
HAVING count(s.product) = 0
