-- title: Concentration
-- title.fr: Concentration
-- unit: hosts
-- definition: How unevenly hosts are distributed over families, quantisations, products, countries and networks. hhi: Herfindahl-Hirschman index, the sum of squared shares, from 0 to 1 (a host with several families counts in each, and shares are of that sum). gini: 0 if equal, 1 if all hosts are in one category. entropy is in bits. effective: two to the power of the entropy. top-k: share of the k largest categories. hhi_unbiased removes the bias of a finite number of hosts; its interval is by the delta method. Gini, entropy and top-k have no interval: in a sample, they are biased by the categories that the sample misses.
-- definition.fr: L'inégalité de la répartition des hôtes entre familles, quantifications, produits, pays et réseaux. hhi : indice de Herfindahl-Hirschman, somme des carrés des parts, de 0 à 1 (un hôte à plusieurs familles compte dans chacune, et les parts sont celles de ce total). gini : 0 si la répartition est égale, 1 si tous les hôtes sont dans une seule catégorie. entropy : en bits. effective : deux à la puissance de l'entropie. top-k : part des k plus grandes catégories. hhi_unbiased corrige le biais dû au nombre fini d'hôtes ; son intervalle est obtenu par la méthode delta. Gini, entropie et top-k n'ont pas d'intervalle : un échantillon les biaise par les catégories qu'il ne contient pas.
-- why: Where a few operators own most hosts, a few calls reach most of them, and so does one flaw.
-- why.fr: Là où quelques opérateurs détiennent la plupart des hôtes, quelques appels suffisent pour les joindre, et une seule faille pour les atteindre.
-- statistic: concentration
-- chart: bars dimension hhi gini

SELECT count(country) AS denominator, count(*) - count(country) AS unknown FROM hosts;

SELECT kind AS dimension, component AS category, count(*) AS hosts FROM components WHERE kind IN ('family', 'quantisation') GROUP BY kind, component
UNION ALL
SELECT 'product' AS dimension, product AS category, count(DISTINCT host) AS hosts FROM endpoints GROUP BY product
UNION ALL
SELECT 'country' AS dimension, country AS category, count(*) AS hosts FROM hosts WHERE country IS NOT NULL GROUP BY country
UNION ALL
SELECT 'network' AS dimension, CAST(asn AS VARCHAR) AS category, count(*) AS hosts FROM hosts WHERE asn IS NOT NULL GROUP BY asn
