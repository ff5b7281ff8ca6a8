-- title: Capabilities
-- title.fr: Capacités
-- unit: hosts
-- definition: What the models can do, as the server says it (Ollama from 0.6.4 on, thinking from 0.9.0): a host has it if a model that it last listed has; unknown where none has and one may. A capability of the model, not a tool that is wired to it.
-- definition.fr: Ce que les modèles savent faire, tel que le serveur le dit (Ollama depuis 0.6.4, thinking depuis 0.9.0) : un hôte l'a si un modèle qu'il a listé en dernier l'a ; inconnu si aucun ne l'a et que l'un le peut. Une capacité du modèle, non un outil branché.
-- why: Tool calling turns a prompt into an action, vision and thinking make it worth stealing.
-- why.fr: L'appel d'outils change une invite en action ; vision et raisonnement la rendent précieuse.
-- share: share = hosts / known
-- chart: bars capability share

SELECT count(tools) AS denominator, count(*) - count(tools) AS unknown FROM hosts;

SELECT 'completion' AS capability, {hosts where completion} FROM hosts
UNION ALL
SELECT 'tools' AS capability, {hosts where tools} FROM hosts
UNION ALL
SELECT 'vision' AS capability, {hosts where vision} FROM hosts
UNION ALL
SELECT 'thinking' AS capability, {hosts where thinking} FROM hosts
UNION ALL
SELECT 'embedding' AS capability, {hosts where embedding} FROM hosts
UNION ALL
SELECT 'insert' AS capability, {hosts where insertion} FROM hosts
ORDER BY hosts DESC, capability
