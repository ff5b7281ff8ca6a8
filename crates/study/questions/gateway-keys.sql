-- title: Use of the gateways, by key
-- title.fr: Usage des passerelles, par clé
-- unit: requests
-- definition: The requests in the logs of vigie's gateways, by calendar month, gateway and key. A request that names several models counts once, with the first. Tokens are those that the server counted, or an estimate where it named none; unmeasured are the requests to models that were passed on and have neither. Unknown: requests without a valid key, and those erased from the log.
-- definition.fr: Les requêtes des journaux des passerelles de vigie, par mois civil, passerelle et clé. Une requête qui nomme plusieurs modèles compte une fois, avec le premier. Les jetons sont ceux que le serveur a comptés, ou une estimation s'il n'en indique pas ; les requêtes non mesurées ont été transmises à un modèle et n'ont ni l'un ni l'autre. Inconnu : les requêtes sans clé valide, et celles effacées du journal.
-- why: Who used what, over years and over many gateways.
-- why.fr: Qui a utilisé quoi, sur des années et sur de nombreuses passerelles.
-- share: refused_share = refused / requests
-- chart: none

SELECT count(key_id) AS denominator, count(*) - count(key_id) AS unknown FROM requests WHERE TRUE{window};

SELECT substr(CAST(date AS VARCHAR), 1, 7) AS month, gateway, key_id AS key, max(key_name) AS name,
  count(*) FILTER (WHERE outcome = 'refused') AS refused,
  count(*) AS requests,
  count(DISTINCT model) AS models,
  CAST(sum(prompt_tokens) AS BIGINT) AS prompt_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
  count(*) FILTER (WHERE effect = 'infer' AND outcome <> 'refused' AND prompt_tokens IS NULL AND output_tokens IS NULL) AS unmeasured
FROM requests
WHERE key_id IS NOT NULL{window}
GROUP BY substr(CAST(date AS VARCHAR), 1, 7), gateway, key_id
ORDER BY month, requests DESC, gateway, key
