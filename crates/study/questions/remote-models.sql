-- title: Paid quota within reach
-- title.fr: Quota payant à portée
-- unit: hosts
-- definition: Hosts with a model that another service runs on the owner's account (:cloud): any of them, and those that answer anyone.
-- definition.fr: Hôtes ayant un modèle exécuté par un autre service sur le compte du propriétaire (:cloud) : tous, et ceux qui répondent à tous.
-- why: A stranger spends the owner's money.
-- why.fr: Un inconnu dépense l'argent du propriétaire.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(remote) AS denominator, count(*) - count(remote) AS unknown FROM hosts;

SELECT 'any' AS what, count(*) FILTER (WHERE remote) AS hosts, count(remote) AS known, count(*) - count(remote) AS unknown FROM hosts
UNION ALL
SELECT 'open' AS what, count(*) FILTER (WHERE remote AND open) AS hosts, count(remote AND open) AS known, count(*) - count(remote AND open) AS unknown FROM hosts
ORDER BY what
