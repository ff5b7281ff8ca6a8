-- title: Paid quota open to strangers
-- title.fr: Quota payant accessible à tous
-- unit: hosts
-- definition: Hosts with a model that another service runs on the owner's account (:cloud). any: all such hosts; open: those where the endpoint with the model answers anyone.
-- definition.fr: Hôtes ayant un modèle exécuté par un autre service sur le compte du propriétaire (:cloud). any : tous ces hôtes ; open : ceux où le point de terminaison qui a ce modèle répond à tous.
-- why: A stranger can spend the owner's money.
-- why.fr: Un inconnu peut dépenser l'argent du propriétaire.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(remote) AS denominator, count(*) - count(remote) AS unknown FROM hosts;

SELECT 'any' AS what, {hosts where remote} FROM hosts
UNION ALL
SELECT 'open' AS what, {hosts where open_remote} FROM hosts
ORDER BY what
