-- title: Use of the gateways, by model
-- title.fr: Usage des passerelles, par modèle
-- unit: requests
-- definition: The requests in the logs of vigie's gateways that were passed on, by calendar month and model. A request that names several models counts once, with the first. Unknown: requests that name no model, such as lists.
-- definition.fr: Les requêtes transmises des journaux des passerelles de vigie, par mois civil et modèle. Une requête qui nomme plusieurs modèles compte une fois, avec le premier. Inconnu : les requêtes qui ne nomment aucun modèle, comme les listes.
-- why: Which models are used, by how many keys, and what they cost.
-- why.fr: Quels modèles sont utilisés, par combien de clés, et ce qu'ils coûtent.
-- share: answered_share = answered / requests
-- chart: none

SELECT count(model) AS denominator, count(*) - count(model) AS unknown FROM requests WHERE outcome <> 'refused'{window};

SELECT substr(CAST(date AS VARCHAR), 1, 7) AS month, model,
  count(*) FILTER (WHERE outcome = 'answered') AS answered,
  count(*) AS requests,
  count(DISTINCT key_id) AS keys,
  count(DISTINCT gateway) AS gateways,
  CAST(sum(prompt_tokens) AS BIGINT) AS prompt_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
  avg(first_byte_ms) AS mean_first_byte_ms
FROM requests
WHERE model IS NOT NULL AND outcome <> 'refused'{window}
GROUP BY substr(CAST(date AS VARCHAR), 1, 7), model
ORDER BY month, requests DESC, model
