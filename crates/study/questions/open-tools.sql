-- title: Tool calling with no authentication
-- title.fr: Appel d'outils sans authentification
-- unit: hosts
-- definition: Hosts that answer anyone and have a model that can call tools. Both must be known, unless one is known not to hold.
-- definition.fr: Hôtes qui répondent à tous et ont un modèle sachant appeler des outils. Les deux doivent être connus, sauf si l'un est connu pour faux.
-- why: Excessive agency: the published study calls it the highest severity.
-- why.fr: Autonomie excessive : l'étude publiée en fait la plus haute gravité.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(open AND tools) AS denominator, count(*) - count(open AND tools) AS unknown FROM hosts;

SELECT 'open, with tools' AS what, count(*) FILTER (WHERE open AND tools) AS hosts, count(open AND tools) AS known, count(*) - count(open AND tools) AS unknown FROM hosts
UNION ALL
SELECT 'open, without tools' AS what, count(*) FILTER (WHERE open AND NOT tools) AS hosts, count(open AND NOT tools) AS known, count(*) - count(open AND NOT tools) AS unknown FROM hosts
UNION ALL
SELECT 'not open' AS what, count(*) FILTER (WHERE NOT open) AS hosts, count(NOT open) AS known, count(*) - count(NOT open) AS unknown FROM hosts
ORDER BY what
