-- title: Addresses and machines
-- title.fr: Adresses et machines
-- unit: hosts
-- definition: An estimate of how many machines stand behind the addresses. Two addresses share a mark if they showed the same certificate, told the same id of an instance of one product (drawn by the server itself when it starts or is installed), or listed the same models with the same dates of change (as many, the same first and last digest, the same sum of dates to the microsecond). Of those that share one, as many are different machines as were there at once at the most; the others are an earlier machine again. Copies of one image, or servers that draw their ids from one seed, that were never there at once are taken for one machine; a machine whose models changed with its address is taken for two.
-- definition.fr: Une estimation du nombre de machines derrière les adresses. Deux adresses partagent une marque si elles ont montré le même certificat, donné le même identifiant d'instance d'un produit (tiré par le serveur lui-même à son démarrage ou à son installation), ou listé les mêmes modèles aux mêmes dates de changement (autant, mêmes première et dernière empreintes, même somme des dates à la microseconde). Parmi celles qui en partagent une, il y a autant de machines que d'adresses présentes à la fois au plus ; les autres sont une machine revenue. Des copies d'une image, ou des serveurs qui tirent leurs identifiants d'une même graine, jamais présents ensemble passent pour une machine ; une machine dont les modèles ont changé avec l'adresse passe pour deux.
-- why: Home connections change their address: one household can be many unique hosts.
-- why.fr: Les lignes résidentielles changent d'adresse : un foyer peut faire plusieurs hôtes uniques.
-- statistic: identity
-- chart: none

SELECT count(DISTINCT m.host) AS denominator, count(DISTINCT h.host) - count(DISTINCT m.host) AS unknown
FROM hosts AS h LEFT JOIN marks AS m ON m.host = h.host;

SELECT m.host, h.first_day, h.last_day, m.kind, m.mark
FROM marks AS m
JOIN hosts AS h ON h.host = m.host
