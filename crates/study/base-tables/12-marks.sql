-- What identifies a machine under another address: its list of models with their dates of change to the microsecond, its TLS certificate, or the
-- id of its instance.
SELECT host, 'models' AS kind, CAST(count(*) AS VARCHAR) || ' ' || min(digest) || ' ' || max(digest) || ' ' || CAST(sum(CAST(date_part('epoch', modified) * 1000000 AS BIGINT)) AS VARCHAR) AS mark
FROM host_models GROUP BY host HAVING count(modified) = count(*) AND count(digest) = count(*)
UNION ALL
SELECT DISTINCT p.host, k.kind, k.mark
FROM (
  SELECT state, 'certificate' AS kind, certificate AS mark FROM state_facts WHERE certificate IS NOT NULL
  UNION ALL
  SELECT state, 'instance' AS kind, product || ' ' || instance AS mark FROM state_facts WHERE instance IS NOT NULL
) AS k
JOIN endpoint_observations AS p ON p.state = k.state
