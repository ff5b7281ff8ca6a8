-- title: Published vulnerabilities
-- title.fr: Vulnérabilités publiées
-- unit: hosts
-- definition: The verdict of each advisory for the last reported version of each endpoint of its product, with the current catalogue. affected, not-affected and unknown are counted separately; an endpoint with no version, or with one that cannot be ordered, is unknown. The share is of the product's hosts with a known verdict. any: hosts affected by at least one advisory. not covered: hosts of a product for which vigie has no advisories; whether any applies is unknown.
-- definition.fr: Le verdict de chaque avis pour la dernière version connue de chaque point de terminaison de son produit, avec le catalogue actuel. affected, not-affected et unknown sont comptés séparément ; sans version, ou si elle ne peut pas être ordonnée, le verdict est inconnu. La part porte sur les hôtes du produit dont le verdict est connu. any : hôtes touchés par au moins un avis. not covered : hôtes d'un produit pour lequel vigie n'a aucun avis ; on ignore si l'un d'eux s'applique.
-- why: It shows which patch would protect the most hosts.
-- why.fr: On y lit quel correctif protégerait le plus d'hôtes.
-- statistic: advisories
-- share: share = hosts / known
-- chart: bars advisory share

SELECT count(*) FILTER (WHERE versions > 0) AS denominator, count(*) FILTER (WHERE versions = 0) AS unknown
FROM (SELECT host, count(version) AS versions FROM endpoints GROUP BY host) AS h;

SELECT DISTINCT host, product, version FROM endpoints
