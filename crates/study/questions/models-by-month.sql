-- title: Models per host, by month
-- title.fr: Modèles par hôte, par mois
-- unit: host-days
-- definition: The mean number of models over the hosts and days of a calendar month on which models were listed. A month begins and ends where the window does.
-- definition.fr: Le nombre moyen de modèles sur les hôtes et jours d'un mois où des modèles étaient listés. Un mois commence et finit avec la fenêtre.
-- why: The published count went from 3 in March to 4 from September on.
-- why.fr: Le chiffre publié passe de 3 en mars à 4 dès septembre.
-- chart: line month mean_models

SELECT CAST(sum(bit_count(days)) AS BIGINT) AS denominator, CAST(0 AS BIGINT) AS unknown FROM (SELECT p.endpoint, p.block, bit_or(p.days) AS days FROM presence AS p JOIN said AS s ON s.state = p.state WHERE s.models IS NOT NULL GROUP BY p.endpoint, p.block) AS b;

SELECT m.month, CAST(sum(bit_count(p.days & m.mask)) AS BIGINT) AS host_days,
  CAST(sum(bit_count(p.days & m.mask) * s.models) AS DOUBLE) / sum(bit_count(p.days & m.mask)) AS mean_models
FROM presence AS p
JOIN said AS s ON s.state = p.state
JOIN months AS m ON m.block = p.block
WHERE s.models IS NOT NULL AND (p.days & m.mask) <> 0
GROUP BY m.month
ORDER BY m.month
