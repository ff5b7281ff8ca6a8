-- title: Paid quota within reach
-- title.fr: Quota payant à portée
-- unit: hosts
-- definition: Hosts with a model that another service runs on the owner's account (:cloud): any of them, and those where the endpoint that has it answers anyone.
-- definition.fr: Hôtes ayant un modèle exécuté par un autre service sur le compte du propriétaire (:cloud) : tous, et ceux où le point d'accès qui l'a répond à tous.
-- why: A stranger spends the owner's money.
-- why.fr: Un inconnu dépense l'argent du propriétaire.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(remote) AS denominator, count(*) - count(remote) AS unknown FROM hosts;

SELECT 'any' AS what, {hosts where remote} FROM hosts
UNION ALL
SELECT 'open' AS what, {hosts where open_remote} FROM hosts
ORDER BY what
