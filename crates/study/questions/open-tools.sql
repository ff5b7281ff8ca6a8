-- title: Tool calling with no authentication
-- title.fr: Appel d'outils sans authentification
-- unit: hosts
-- definition: Hosts with an endpoint that answers anyone and has a model that can call tools. Both must be known, unless one is known not to hold.
-- definition.fr: Hôtes ayant un point d'accès qui répond à tous et a un modèle sachant appeler des outils. Les deux doivent être connus, sauf si l'un est connu pour faux.
-- why: Excessive agency: the published study calls it the highest severity.
-- why.fr: Autonomie excessive : l'étude publiée en fait la plus haute gravité.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(open_tools) AS denominator, count(*) - count(open_tools) AS unknown FROM hosts;

SELECT 'open, with tools' AS what, {hosts where open_tools} FROM hosts
UNION ALL
SELECT 'open, without tools' AS what, {hosts where open AND NOT open_tools} FROM hosts
UNION ALL
SELECT 'not open' AS what, {hosts where NOT open} FROM hosts
ORDER BY what
