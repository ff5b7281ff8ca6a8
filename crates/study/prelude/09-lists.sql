-- A row per host that listed a model: how many models it has, and of how many it told what they are made of.
SELECT host, count(*) AS models, count(family) AS family, count(quantisation) AS quantisation, count(size) AS size, count(format) AS format
FROM shelves GROUP BY host
