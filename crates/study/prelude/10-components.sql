-- What the models of a host are made of: a row per host, kind of component and component, with how many models have it. `told` are the models
-- of the host that tell this kind; `doubted`: another one does not.
SELECT c.kind, c.component, c.host, c.models, c.told, c.told < c.listed AS doubted
FROM (
  SELECT 'family' AS kind, s.family AS component, s.host, count(*) AS models, max(l.family) AS told, max(l.models) AS listed
  FROM shelves AS s JOIN lists AS l ON l.host = s.host WHERE s.family IS NOT NULL GROUP BY s.family, s.host
  UNION ALL
  SELECT 'quantisation' AS kind, s.quantisation AS component, s.host, count(*) AS models, max(l.quantisation) AS told, max(l.models) AS listed
  FROM shelves AS s JOIN lists AS l ON l.host = s.host WHERE s.quantisation IS NOT NULL GROUP BY s.quantisation, s.host
  UNION ALL
  SELECT 'bits' AS kind, s.bits AS component, s.host, count(*) AS models, max(l.quantisation) AS told, max(l.models) AS listed
  FROM shelves AS s JOIN lists AS l ON l.host = s.host WHERE s.bits IS NOT NULL GROUP BY s.bits, s.host
  UNION ALL
  SELECT 'size' AS kind, s.size AS component, s.host, count(*) AS models, max(l.size) AS told, max(l.models) AS listed
  FROM shelves AS s JOIN lists AS l ON l.host = s.host WHERE s.size IS NOT NULL GROUP BY s.size, s.host
  UNION ALL
  SELECT 'format' AS kind, s.format AS component, s.host, count(*) AS models, max(l.format) AS told, max(l.models) AS listed
  FROM shelves AS s JOIN lists AS l ON l.host = s.host WHERE s.format IS NOT NULL GROUP BY s.format, s.host
) AS c
