-- title: Totals
-- title.fr: Totaux
-- unit: hosts
-- definition: A host is an address. An endpoint is an address, a port and the name by which it was reached, recognised as one of the catalogue's products; the last source that recognised it decides. The question confirmation shows how many listings a scan confirmed. An observation is one record of an endpoint by one source. A network is an autonomous system. Suspects are hosts whose deception score is at least 0.5.
-- definition.fr: Un hôte est une adresse. Un point de terminaison est une adresse, un port et le nom par lequel il a été atteint, reconnu comme l'un des produits du catalogue ; la dernière source qui l'a reconnu fait foi. La question confirmation indique combien de points de terminaison importés un scan a confirmés. Une observation est un relevé d'un point de terminaison par une source. Un réseau est un système autonome. Les suspects sont les hôtes dont le score de leurre est d'au moins 0,5.
-- why: All other figures are parts of these.
-- why.fr: Tous les autres chiffres sont des parties de ceux-ci.
-- chart: none

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT
  sum(h.observations) AS observations,
  count(*) AS hosts,
  (SELECT count(*) FROM endpoints) AS endpoints,
  count(DISTINCT h.country) AS countries,
  count(DISTINCT h.asn) AS networks,
  (SELECT count(DISTINCT product) FROM endpoints) AS products,
  (SELECT count(DISTINCT source_name) FROM endpoint_observations) AS sources,
  (SELECT CAST(sum(bit_count(days)) AS BIGINT) FROM (SELECT block, bit_or(days) AS days FROM endpoint_observations GROUP BY block) AS b) AS days,
  min(h.first_seen) AS first_seen,
  max(h.last_seen) AS last_seen,
  count(*) FILTER (WHERE h.suspect) AS suspects,
  (SELECT count(*) FROM unrecognised) AS unrecognised_endpoints
FROM hosts AS h
