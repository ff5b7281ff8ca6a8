-- What the models of a host are made of: a row per host, kind of component and component, with the number of its models that have it.
-- `told` is the number of the host's models for which this kind is known; `doubted`: it is not known for all of them.
SELECT kind, component, host, models, told, told < listed AS doubted
FROM (
  SELECT c.kind, c.component, c.host, c.models, l.models AS listed,
    CASE c.kind WHEN 'family' THEN l.family WHEN 'size' THEN l.size WHEN 'format' THEN l.format ELSE l.quantisation END AS told
  FROM (
    SELECT 'family' AS kind, family AS component, host, count(*) AS models FROM host_models GROUP BY family, host
    UNION ALL
    SELECT 'quantisation' AS kind, quantisation AS component, host, count(*) AS models FROM host_models GROUP BY quantisation, host
    UNION ALL
    SELECT 'bits' AS kind, bits AS component, host, count(*) AS models FROM host_models GROUP BY bits, host
    UNION ALL
    SELECT 'size' AS kind, size AS component, host, count(*) AS models FROM host_models GROUP BY size, host
    UNION ALL
    SELECT 'format' AS kind, format AS component, host, count(*) AS models FROM host_models GROUP BY format, host
  ) AS c
  JOIN model_counts AS l ON l.host = c.host
  WHERE c.component IS NOT NULL
) AS c
