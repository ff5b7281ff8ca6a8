-- title: Models per host
-- title.fr: Modèles par hôte
-- unit: hosts
-- definition: The number of models in the last list of a host. An empty list counts as 0.
-- definition.fr: Le nombre de modèles dans la dernière liste d'un hôte. Une liste vide compte pour 0.
-- why: A host with twenty or more models is a public library.
-- why.fr: Un hôte de vingt modèles ou plus est une bibliothèque publique.
-- share: share = hosts / known
-- chart: bars models share

SELECT count(models) AS denominator, count(*) - count(models) AS unknown FROM hosts;

WITH b AS (
  SELECT models, CASE WHEN models = 0 THEN 1 WHEN models = 1 THEN 2 WHEN models <= 3 THEN 3 WHEN models <= 9 THEN 4 WHEN models <= 19 THEN 5 WHEN models >= 20 THEN 6 END AS nth
  FROM hosts
),
counts AS (SELECT nth, count(*) AS hosts, CAST(sum(models) AS BIGINT) AS listed FROM b GROUP BY nth),
whole AS (
  SELECT nth, hosts, listed, CAST(sum(CASE WHEN nth IS NOT NULL THEN hosts ELSE 0 END) OVER () AS BIGINT) AS known,
    CAST(sum(CASE WHEN nth IS NULL THEN hosts ELSE 0 END) OVER () AS BIGINT) AS unknown
  FROM counts
)
SELECT CASE nth WHEN 1 THEN '0' WHEN 2 THEN '1' WHEN 3 THEN '2-3' WHEN 4 THEN '4-9' WHEN 5 THEN '10-19' ELSE '>=20' END AS models, hosts, known, unknown, listed
FROM whole WHERE nth IS NOT NULL
ORDER BY nth
