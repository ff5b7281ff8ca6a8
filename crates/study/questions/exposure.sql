-- title: Exposure, weighted by capability
-- title.fr: Exposition pondérée par capacité
-- unit: hosts
-- definition: Hosts that answer anyone, scored by what a stranger gets from their open endpoints: 1 for an open server with a model, 3 more for tool calling, 2 for a model on the owner's paid account, 1 each for vision, thinking and embeddings, 1 for a model in memory. Unknown values add nothing, so the score is a lower bound; a host whose posture is unknown is unknown.
-- definition.fr: Hôtes qui répondent à tous, notés selon ce qu'un inconnu obtient de leurs points de terminaison ouverts : 1 pour un serveur ouvert avec un modèle, 3 de plus pour l'appel d'outils, 2 pour un modèle sur le compte payant du propriétaire, 1 chacun pour la vision, le raisonnement et les embeddings, 1 pour un modèle en mémoire. Les valeurs inconnues n'ajoutent rien : le score est donc une borne inférieure. Un hôte dont la posture est inconnue est inconnu.
-- why: A count of hosts treats an empty server and an agent alike.
-- why.fr: Un simple décompte d'hôtes ne distingue pas un serveur vide d'un agent.
-- share: share = hosts / known
-- chart: bars score share

SELECT count(open) AS denominator, count(*) - count(open) AS unknown FROM hosts;

WITH scored AS (
  SELECT
    CASE WHEN open_active THEN 1 + CASE WHEN open_tools THEN 3 ELSE 0 END + CASE WHEN open_remote THEN 2 ELSE 0 END + CASE WHEN open_vision THEN 1 ELSE 0 END
      + CASE WHEN open_thinking THEN 1 ELSE 0 END + CASE WHEN open_embedding THEN 1 ELSE 0 END + CASE WHEN open_serving THEN 1 ELSE 0 END
      WHEN open IS NOT NULL THEN 0 END AS score
  FROM hosts
),
counts AS (SELECT score, count(*) AS hosts FROM scored GROUP BY score),
whole AS (
  SELECT score, hosts, CAST(sum(CASE WHEN score IS NOT NULL THEN hosts ELSE 0 END) OVER () AS BIGINT) AS known,
    CAST(sum(CASE WHEN score IS NULL THEN hosts ELSE 0 END) OVER () AS BIGINT) AS unknown
  FROM counts
)
SELECT score, hosts, known, unknown FROM whole WHERE score IS NOT NULL ORDER BY score
