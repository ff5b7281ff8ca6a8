-- title: What was seen
-- title.fr: Ce qui a été vu
-- unit: hosts
-- definition: A host is an address; an endpoint is an address, a port and the name it was reached by, recognised as one of the catalogue's products, by whichever source did last: of listings, confirmation says how many a scan bore out. An observation is one endpoint seen once by one source. A network is an autonomous system. Suspects are hosts whose deception score is at least 0.5.
-- definition.fr: Un hôte est une adresse ; un point d'accès est une adresse, un port et le nom par lequel il a été atteint, reconnu comme l'un des produits du catalogue, par la dernière source qui l'a fait : des listages, confirmation dit combien un scan a confirmé. Une observation est un point d'accès vu une fois par une source. Un réseau est un système autonome. Les suspects sont les hôtes dont le score de leurre atteint 0,5.
-- why: Every other figure is a part of these.
-- why.fr: Tout autre chiffre est une partie de ceux-ci.
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
