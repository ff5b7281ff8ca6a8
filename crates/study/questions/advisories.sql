-- title: Published vulnerabilities
-- title.fr: Vulnérabilités publiées
-- unit: hosts
-- definition: Each advisory held against the last version told of each endpoint of its product, with the catalogue of the day. affected, not-affected and unknown are counted apart: no version, or one that cannot be ordered, is unknown. The share is of the product's hosts for which there is an answer. any: hosts affected by at least one. not covered: hosts of a product of which vigie has no advisories; whether any applies is unknown.
-- definition.fr: Chaque avis confronté à la dernière version dite de chaque point d'accès de son produit, avec le catalogue du jour. affected, not-affected et unknown sont comptés à part : sans version, ou si elle ne s'ordonne pas, c'est inconnu. La part est celle des hôtes du produit ayant une réponse. any : hôtes touchés par au moins un avis. not covered : hôtes d'un produit dont vigie n'a aucun avis ; on ne sait pas si l'un s'applique.
-- why: Which patch would close most doors.
-- why.fr: Quel correctif fermerait le plus de portes.
-- statistic: advisories
-- share: share = hosts / known
-- chart: bars advisory share

SELECT count(*) FILTER (WHERE versions > 0) AS denominator, count(*) FILTER (WHERE versions = 0) AS unknown
FROM (SELECT host, count(version) AS versions FROM endpoints GROUP BY host) AS h;

SELECT DISTINCT host, product, version FROM endpoints
