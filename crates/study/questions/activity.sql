-- title: Active and dormant
-- title.fr: Actifs et dormants
-- unit: hosts
-- definition: Active: an endpoint has a model to serve. Dormant: it has none, but may still be made to host one. Unknown: no source reported it.
-- definition.fr: Actif : un point de terminaison a un modèle à servir. Dormant : il n'en a aucun, mais peut encore en recevoir. Inconnu : aucune source ne l'indique.
-- why: Talos found models ready for use on 214 of 1,139 servers.
-- why.fr: Talos a trouvé des modèles prêts à l'emploi sur 214 serveurs parmi 1 139.
-- share: share = hosts / known
-- chart: bars activity share

SELECT count(active) AS denominator, count(*) - count(active) AS unknown FROM hosts;

SELECT 'active' AS activity, {hosts where active} FROM hosts
UNION ALL
SELECT 'dormant' AS activity, {hosts where NOT active} FROM hosts
ORDER BY hosts DESC
