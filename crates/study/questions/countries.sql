-- title: Countries
-- title.fr: Pays
-- unit: hosts
-- definition: The country of the address, from the geography files in use when it was recorded. It is where the address is registered, not a measurement: a cloud's range may count in the country of its owner.
-- definition.fr: Le pays de l'adresse, d'après les fichiers de géolocalisation utilisés à l'enregistrement. C'est le pays d'enregistrement de l'adresse, et non une mesure : la plage d'un fournisseur cloud peut être comptée dans le pays de son propriétaire.
-- why: Each country has its own authority to notify.
-- why.fr: Chaque pays a sa propre autorité à prévenir.
-- share: share = hosts / known
-- ratio: observations_share = observations / observations_known (_yy _xy _xx _n)
-- chart: map country hosts

SELECT count(country) AS denominator, count(*) - count(country) AS unknown FROM hosts;

SELECT h.country, count(*) AS hosts, max(w.n) AS known, max(w.unknown) AS unknown,
  CAST(sum(h.observations) AS BIGINT) AS observations, max(w.x) AS observations_known, count(DISTINCT h.asn) AS networks,
  CAST(sum(h.observations * h.observations) AS DOUBLE) AS _yy, CAST(sum(h.observations * h.observations) AS DOUBLE) AS _xy, max(w.xx) AS _xx, max(w.n) AS _n
FROM hosts AS h
CROSS JOIN (
  SELECT count(country) AS n, count(*) - count(country) AS unknown, CAST(sum(CASE WHEN country IS NOT NULL THEN observations END) AS BIGINT) AS x,
    CAST(sum(CASE WHEN country IS NOT NULL THEN observations * observations END) AS DOUBLE) AS xx FROM hosts
) AS w
WHERE h.country IS NOT NULL
GROUP BY h.country
ORDER BY hosts DESC, country
