-- title: Chat and embeddings together
-- title.fr: Conversation et embeddings
-- unit: hosts
-- definition: Hosts with a model that chats and a model that makes embeddings: a hint that documents are searched, not a proof.
-- definition.fr: Hôtes ayant un modèle de conversation et un modèle d'embeddings : l'indice d'une recherche dans des documents, et non une preuve.
-- why: Behind such a pair are documents that nobody meant to publish.
-- why.fr: Derrière une telle paire se trouvent des documents que personne ne voulait publier.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(completion AND embedding) AS denominator, count(*) - count(completion AND embedding) AS unknown FROM hosts;

SELECT 'chat beside embeddings' AS what, {hosts where completion AND embedding} FROM hosts
UNION ALL
SELECT 'embeddings alone' AS what, {hosts where embedding AND NOT completion} FROM hosts
ORDER BY what
