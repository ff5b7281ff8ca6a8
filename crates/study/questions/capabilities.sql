-- title: Capabilities
-- title.fr: Capacités
-- unit: hosts
-- definition: What the models can do, as reported by the server (Ollama from 0.6.4 on, thinking from 0.9.0). A host has a capability if a model in its last list has it; it is unknown if no model has it and one may. It is a capability of the model, not a tool that is connected to it.
-- definition.fr: Ce que les modèles savent faire, d'après le serveur (Ollama à partir de la version 0.6.4, thinking à partir de 0.9.0). Un hôte a une capacité si un modèle de sa dernière liste l'a ; elle est inconnue si aucun ne l'a et que l'un d'eux l'a peut-être. C'est une capacité du modèle, et non un outil qui y est connecté.
-- why: Tool calling turns a prompt into an action; vision and thinking make a server worth stealing.
-- why.fr: L'appel d'outils transforme un prompt en action ; la vision et le raisonnement rendent un serveur attrayant pour un voleur.
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
