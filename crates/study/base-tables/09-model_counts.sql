-- A row per host that listed a model: the number of its models, and of those for which each component is known.
SELECT host, count(*) AS models, count(family) AS family, count(quantisation) AS quantisation, count(size) AS size, count(format) AS format
FROM host_models GROUP BY host
