-- title: Models per list, by month
-- title.fr: Modèles par liste, par mois
-- unit: lists
-- definition: The mean number of models in the lists of a calendar month. The list of an endpoint counts once for each day on which it was reported. The first and the last month are cut at the window.
-- definition.fr: Le nombre moyen de modèles dans les listes d'un mois civil. La liste d'un point de terminaison compte une fois pour chaque jour où elle a été observée. Le premier et le dernier mois sont limités à la fenêtre.
-- why: The published number rose from 3 in March to 4 from September on.
-- why.fr: Le chiffre publié passe de 3 en mars à 4 à partir de septembre.
-- chart: line month mean_models

SELECT CAST(coalesce(sum(bit_count(days)), 0) AS BIGINT) AS denominator, CAST(0 AS BIGINT) AS unknown
FROM (SELECT p.endpoint, p.state, p.block, bit_or(p.days) AS days FROM endpoint_observations AS p WHERE p.listed GROUP BY p.endpoint, p.state, p.block) AS b;

SELECT m.month, CAST(sum(bit_count(p.days & m.mask)) AS BIGINT) AS lists,
  CAST(sum(bit_count(p.days & m.mask) * s.models) AS DOUBLE) / sum(bit_count(p.days & m.mask)) AS mean_models
FROM (SELECT endpoint, state, block, bit_or(days) AS days FROM endpoint_observations WHERE listed GROUP BY endpoint, state, block) AS p
JOIN state_facts AS s ON s.state = p.state
JOIN months AS m ON m.block = p.block
WHERE (p.days & m.mask) <> 0
GROUP BY m.month
ORDER BY m.month
