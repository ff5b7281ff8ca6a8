-- title: Reliability of listings
-- title.fr: Fiabilité des données importées
-- unit: endpoints
-- definition: Endpoints that an import listed as a product, compared with the last scan after the listing. confirmed: the scan found that product. refuted: it found another product, or none that is known. unknown: no scan got an answer after the listing.
-- definition.fr: Points d'accès qu'un import attribuait à un produit, comparés au dernier scan postérieur à cet import. confirmed : le scan a trouvé ce produit. refuted : il en a trouvé un autre, ou aucun produit connu. unknown : aucun scan postérieur n'a obtenu de réponse.
-- why: In another study, half of a search engine's listings were not the listed product.
-- why.fr: Dans une autre étude, la moitié des serveurs référencés par un moteur de recherche n'étaient pas le produit annoncé.
-- share: share = confirmed / checked
-- chart: bars source share

SELECT count(*) FILTER (WHERE scanned) AS denominator, count(CASE WHEN scanned THEN NULL ELSE 1 END) AS unknown
FROM (
  SELECT l.endpoint, bool_or(p.last_seen > l.listed) AS scanned
  FROM (
    SELECT i.endpoint, min(i.first_seen) AS listed FROM endpoint_observations AS i JOIN state_facts AS s ON s.state = i.state
    WHERE i.source_kind = 'import' AND s.product IS NOT NULL GROUP BY i.endpoint
  ) AS l
  LEFT JOIN endpoint_observations AS p ON p.endpoint = l.endpoint AND p.source_kind = 'scan' GROUP BY l.endpoint
) AS c;

WITH listed AS (
  SELECT p.endpoint, p.source_name AS source, s.product, min(p.first_seen) AS listed
  FROM endpoint_observations AS p JOIN state_facts AS s ON s.state = p.state
  WHERE p.source_kind = 'import' AND s.product IS NOT NULL
  GROUP BY p.endpoint, p.source_name, s.product
),
scans AS (
  SELECT p.endpoint, p.last_seen, max(s.product) AS product
  FROM endpoint_observations AS p JOIN state_facts AS s ON s.state = p.state
  WHERE p.source_kind = 'scan' GROUP BY p.endpoint, p.last_seen
),
last_scan AS (
  SELECT l.endpoint, l.source, l.product, max(c.last_seen) AS at
  FROM listed AS l JOIN scans AS c ON c.endpoint = l.endpoint AND c.last_seen > l.listed
  GROUP BY l.endpoint, l.source, l.product
)
SELECT l.source, l.product,
  count(*) FILTER (WHERE c.product = l.product) AS confirmed,
  count(a.at) - count(*) FILTER (WHERE c.product = l.product) AS refuted,
  count(a.at) AS checked,
  count(*) - count(a.at) AS unknown
FROM listed AS l
LEFT JOIN last_scan AS a ON a.endpoint = l.endpoint AND a.source = l.source AND a.product = l.product
LEFT JOIN scans AS c ON c.endpoint = a.endpoint AND c.last_seen = a.at
GROUP BY l.source, l.product
ORDER BY l.source, l.product
