-- title: What one flaw would touch
-- title.fr: Ce qu'une faille toucherait
-- unit: hosts
-- definition: For each component (family, quantisation, file format, product with version): the share that has it, of the hosts of which that is known, and of the networks and countries that those stand in. cover: the components taken one after the other, each time the one that reaches most hosts not reached yet, until half of the hosts with any component are reached; where the largest ones cannot do it in fewer, the number is proved the smallest.
-- definition.fr: Pour chaque composant (famille, quantification, format de fichier, product et version) : la part de ceux qui l'ont, parmi les hôtes dont on le sait, et parmi leurs réseaux et pays. cover : les composants pris l'un après l'autre, chaque fois celui qui atteint le plus d'hôtes nouveaux, jusqu'à la moitié des hôtes ; quand les plus grands ne peuvent faire moins, le nombre est prouvé minimal.
-- why: Hundreds of thousands of servers run the same few parts: one flaw away from falling together.
-- why.fr: Des centaines de milliers de serveurs tournent avec les mêmes pièces : une faille les ferait tomber ensemble.
-- statistic: systemic
-- share: share = hosts / known
-- chart: bars component share

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT c.kind, c.component, c.host, h.asn, h.country
FROM (
  SELECT kind, component, host FROM components WHERE kind IN ('family', 'quantisation', 'format')
  UNION ALL SELECT DISTINCT 'version' AS kind, product || ' ' || version AS component, host FROM endpoints WHERE version IS NOT NULL
  -- Without a component: hosts that told all of theirs, and so are known to have no other.
  UNION ALL SELECT 'family' AS kind, CAST(NULL AS VARCHAR) AS component, h.host FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host WHERE h.models <= coalesce(l.family, 0)
  UNION ALL SELECT 'quantisation' AS kind, CAST(NULL AS VARCHAR) AS component, h.host FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host WHERE h.models <= coalesce(l.quantisation, 0)
  UNION ALL SELECT 'format' AS kind, CAST(NULL AS VARCHAR) AS component, h.host FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host WHERE h.models <= coalesce(l.format, 0)
  UNION ALL SELECT 'version' AS kind, CAST(NULL AS VARCHAR) AS component, host FROM endpoints GROUP BY host HAVING count(version) = count(*)
) AS c
JOIN hosts AS h ON h.host = c.host
