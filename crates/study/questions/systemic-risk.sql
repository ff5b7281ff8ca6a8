-- title: Reach of a single flaw
-- title.fr: Portée d'une seule faille
-- unit: hosts
-- definition: For each component (family, quantisation, file format, product with version): the share of the hosts that have it, of the hosts for which this is known, and the share of the networks and countries in which it occurs, of those of the same hosts. cover: the components taken one by one, each time the one that reaches the most hosts not yet reached, until half of the hosts with any component are reached; if fewer of the largest components cannot reach half, the number is proved minimal.
-- definition.fr: Pour chaque composant (famille, quantification, format de fichier, produit et version) : la part des hôtes qui l'ont, parmi ceux pour lesquels c'est connu, et la part des réseaux et des pays où il se trouve, parmi ceux de ces mêmes hôtes. cover : les composants pris un par un, chaque fois celui qui atteint le plus d'hôtes pas encore atteints, jusqu'à la moitié des hôtes ayant au moins un composant ; si les plus grands composants, en nombre inférieur, ne peuvent atteindre la moitié, ce nombre est prouvé minimal.
-- why: Hundreds of thousands of servers run the same few components: one flaw could bring them down together.
-- why.fr: Des centaines de milliers de serveurs utilisent les mêmes composants : une seule faille pourrait les faire tomber ensemble.
-- statistic: systemic
-- share: share = hosts / known
-- chart: bars component share

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT c.kind, c.component, c.host, h.asn, h.country
FROM (
  SELECT kind, component, host FROM components WHERE kind IN ('family', 'quantisation', 'format')
  UNION ALL SELECT DISTINCT 'version' AS kind, product || ' ' || version AS component, host FROM endpoints WHERE version IS NOT NULL
  -- Rows without a component: hosts whose components of this kind are all known, so they have no others.
  UNION ALL SELECT 'family' AS kind, CAST(NULL AS VARCHAR) AS component, h.host FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host WHERE h.models <= coalesce(l.family, 0)
  UNION ALL SELECT 'quantisation' AS kind, CAST(NULL AS VARCHAR) AS component, h.host FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host WHERE h.models <= coalesce(l.quantisation, 0)
  UNION ALL SELECT 'format' AS kind, CAST(NULL AS VARCHAR) AS component, h.host FROM hosts AS h LEFT JOIN model_counts AS l ON l.host = h.host WHERE h.models <= coalesce(l.format, 0)
  UNION ALL SELECT 'version' AS kind, CAST(NULL AS VARCHAR) AS component, host FROM endpoints GROUP BY host HAVING count(version) = count(*)
) AS c
JOIN hosts AS h ON h.host = c.host
