-- title: Tool calling without authentication
-- title.fr: Appel d'outils sans authentification
-- unit: hosts
-- definition: Hosts with an endpoint that answers anyone and has a model that can call tools. Both must be known, unless one is known to be false.
-- definition.fr: Hôtes ayant un point de terminaison qui répond à tous et possède un modèle capable d'appeler des outils. Les deux doivent être connus, sauf si l'un est connu comme faux.
-- why: Excessive agency: the published study rates it as the highest severity.
-- why.fr: Autonomie excessive : l'étude publiée lui donne la gravité la plus élevée.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(open_tools) AS denominator, count(*) - count(open_tools) AS unknown FROM hosts;

SELECT 'open, with tools' AS what, {hosts where open_tools} FROM hosts
UNION ALL
SELECT 'open, without tools' AS what, {hosts where open AND NOT open_tools} FROM hosts
UNION ALL
SELECT 'not open' AS what, {hosts where NOT open} FROM hosts
ORDER BY what
