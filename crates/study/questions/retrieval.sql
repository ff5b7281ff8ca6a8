-- title: Chat beside embeddings
-- title.fr: Conversation et vecteurs
-- unit: hosts
-- definition: Hosts with a model that chats and a model that makes embeddings: a hint at documents that are searched, not a proof.
-- definition.fr: Hôtes ayant un modèle de conversation et un modèle de vecteurs : l'indice, non la preuve, de documents interrogés.
-- why: Behind such a pair stand documents that someone did not mean to publish.
-- why.fr: Derrière une telle paire se tiennent des documents qu'on ne voulait pas publier.
-- share: share = hosts / known
-- chart: bars what share

SELECT count(completion AND embedding) AS denominator, count(*) - count(completion AND embedding) AS unknown FROM hosts;

SELECT 'chat beside embeddings' AS what, {hosts where completion AND embedding} FROM hosts
UNION ALL
SELECT 'embeddings alone' AS what, {hosts where embedding AND NOT completion} FROM hosts
ORDER BY what
