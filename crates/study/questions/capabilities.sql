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

SELECT 'completion' AS capability, count(*) FILTER (WHERE completion) AS hosts, count(completion) AS known, count(*) - count(completion) AS unknown FROM hosts
UNION ALL
SELECT 'tools' AS capability, count(*) FILTER (WHERE tools) AS hosts, count(tools) AS known, count(*) - count(tools) AS unknown FROM hosts
UNION ALL
SELECT 'vision' AS capability, count(*) FILTER (WHERE vision) AS hosts, count(vision) AS known, count(*) - count(vision) AS unknown FROM hosts
UNION ALL
SELECT 'thinking' AS capability, count(*) FILTER (WHERE thinking) AS hosts, count(thinking) AS known, count(*) - count(thinking) AS unknown FROM hosts
UNION ALL
SELECT 'embedding' AS capability, count(*) FILTER (WHERE embedding) AS hosts, count(embedding) AS known, count(*) - count(embedding) AS unknown FROM hosts
UNION ALL
SELECT 'insert' AS capability, count(*) FILTER (WHERE insertion) AS hosts, count(insertion) AS known, count(*) - count(insertion) AS unknown FROM hosts
ORDER BY hosts DESC, capability
