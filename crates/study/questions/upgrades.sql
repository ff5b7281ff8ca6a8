-- title: Upgrades in place
-- title.fr: Mises à jour sur place
-- unit: endpoints
-- definition: The change from the first to the last version that an endpoint reported for the same product, in the product's own version order. there and back: the same version first and last, with others in between. The denominator is the endpoints that reported a version on two different days.
-- definition.fr: Le changement de la première à la dernière version indiquée par un point de terminaison pour un même produit, dans l'ordre des versions de ce produit. there and back : même version au début et à la fin, avec d'autres entre-temps. Le dénominateur est le nombre de points de terminaison qui ont indiqué une version deux jours différents.
-- why: Another study found that 0.43 to 2.90 % of exposed hosts upgrade in place over a year.
-- why.fr: Une autre étude a trouvé que 0,43 à 2,90 % des hôtes exposés se mettent à jour sur place en un an.
-- statistic: upgrades
-- chart: bars change share

SELECT count(*) FILTER (WHERE told > 1) AS denominator, count(*) FILTER (WHERE told <= 1) AS unknown
FROM (
  SELECT e.endpoint, coalesce(sum(d.days), 0) AS told FROM endpoints AS e
  LEFT JOIN (
    SELECT p.endpoint, bit_count(bit_or(p.days)) AS days FROM endpoint_observations AS p JOIN state_facts AS s ON s.state = p.state AND s.version IS NOT NULL GROUP BY p.endpoint, p.block
  ) AS d ON d.endpoint = e.endpoint
  GROUP BY e.endpoint
) AS t;

WITH told AS (
  SELECT p.endpoint, s.product, s.version, min(p.first_seen) AS first_seen, max(p.last_seen) AS last_seen
  FROM endpoint_observations AS p JOIN state_facts AS s ON s.state = p.state
  WHERE s.version IS NOT NULL AND s.product IS NOT NULL
  GROUP BY p.endpoint, s.product, s.version
),
-- Versions reported on at least two days, as in the denominator.
changed AS (
  SELECT endpoint FROM told GROUP BY endpoint
  HAVING count(*) > 1 AND floor(date_part('epoch', min(first_seen)) / 86400) < floor(date_part('epoch', max(last_seen)) / 86400)
)
SELECT t.endpoint, t.product, t.version, t.first_seen, t.last_seen
FROM told AS t JOIN changed AS c ON c.endpoint = t.endpoint
ORDER BY t.endpoint, t.first_seen, t.version
