-- title: Open servers on home connections
-- title.fr: Serveurs ouverts sur des lignes résidentielles
-- unit: hosts
-- definition: Hosts on telecom and residential networks (the view by tier) that answer anyone, with and without tool calling. The share is of all hosts for which it is known.
-- definition.fr: Hôtes sur des réseaux télécoms et résidentiels (vue tier) qui répondent à tous, avec et sans appel d'outils. La part porte sur tous les hôtes pour lesquels c'est connu.
-- why: Requests from a home connection look like those of a person, which makes such servers useful for hiding an identity.
-- why.fr: Les requêtes venues d'une ligne résidentielle ressemblent à celles d'un particulier : ces serveurs servent à masquer une identité.
-- share: share = hosts / known
-- chart: bars what share

SELECT count((tier = 'telecom-residential') AND open) AS denominator, count(*) - count((tier = 'telecom-residential') AND open) AS unknown FROM hosts;

SELECT 'open' AS what, {hosts where (tier = 'telecom-residential') AND open} FROM hosts
UNION ALL
SELECT 'open, with tools' AS what, {hosts where (tier = 'telecom-residential') AND open_tools} FROM hosts
UNION ALL
SELECT 'open, without tools' AS what, {hosts where (tier = 'telecom-residential') AND open AND NOT open_tools} FROM hosts
ORDER BY what
