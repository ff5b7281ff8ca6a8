-- title: Open servers on home connections
-- title.fr: Serveurs ouverts sur des lignes résidentielles
-- unit: hosts
-- definition: Hosts on telecom and residential networks (the view by tier) that answer anyone, with and without tool calling. The share is of all hosts of which it is known.
-- definition.fr: Hôtes sur des réseaux télécom et résidentiels (la vue tier) qui répondent à tous, avec et sans appel d'outils. La part est celle de tous les hôtes pour lesquels on le sait.
-- why: Requests that leave from a home look like a person's: this is where identities are laundered.
-- why.fr: Les requêtes parties d'un foyer ressemblent à celles d'une personne : c'est là qu'on blanchit des identités.
-- share: share = hosts / known
-- chart: bars what share

SELECT count((tier = 'telecom-residential') AND open) AS denominator, count(*) - count((tier = 'telecom-residential') AND open) AS unknown FROM hosts;

SELECT 'open' AS what, {hosts where (tier = 'telecom-residential') AND open} FROM hosts
UNION ALL
SELECT 'open, with tools' AS what, {hosts where (tier = 'telecom-residential') AND open_tools} FROM hosts
UNION ALL
SELECT 'open, without tools' AS what, {hosts where (tier = 'telecom-residential') AND open AND NOT open_tools} FROM hosts
ORDER BY what
