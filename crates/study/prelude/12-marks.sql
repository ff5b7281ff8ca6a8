-- What a machine is known again by under another address: what it lists, to the microsecond; what it shows; what it says of itself.
SELECT host, 'models' AS kind, CAST(count(*) AS VARCHAR) || ' ' || min(digest) || ' ' || max(digest) || ' ' || CAST(sum(CAST(date_part('epoch', modified) * 1000000 AS BIGINT)) AS VARCHAR) AS mark
FROM shelves GROUP BY host HAVING count(modified) = count(*) AND count(digest) = count(*)
UNION ALL
SELECT DISTINCT p.host, k.kind, k.mark
FROM (
  SELECT state, 'certificate' AS kind, certificate AS mark FROM said WHERE certificate IS NOT NULL
  UNION ALL
  SELECT state, 'instance' AS kind, product || ' ' || instance AS mark FROM said WHERE instance IS NOT NULL
) AS k
JOIN presence AS p ON p.state = k.state
