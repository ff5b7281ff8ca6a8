-- title: Concentration
-- title.fr: Concentration
-- unit: hosts
-- definition: How unevenly hosts spread over families, quantisations, products, countries and networks. hhi: Herfindahl-Hirschman index, the sum of squared shares, from 0 to 1 (a host with several families counts in each, shares of the sum). gini: 0 even, 1 all in one. entropy in bits. effective: two to the power of the entropy. top-k: share of the k largest. hhi_unbiased takes out what a finite number of hosts adds; its interval is by the delta method. Gini, entropy and top-k have no interval: in a sample they are biased by the categories that it missed.
-- definition.fr: L'inégalité de la répartition des hôtes entre familles, quantifications, produits, pays et réseaux. hhi : indice de Herfindahl-Hirschman, somme des parts au carré, de 0 à 1 (un hôte à plusieurs familles compte dans chacune). gini : 0 égal, 1 tout en un. entropy en bits. effective : deux puissance l'entropie. top-k : part des k plus grands. hhi_unbiased retire ce qu'un nombre fini d'hôtes ajoute ; son intervalle est celui de la méthode delta. Gini, entropie et top-k n'ont pas d'intervalle : un échantillon les biaise par les catégories manquées.
-- why: Where a few own most, a few calls reach most, and one flaw does too.
-- why.fr: Là où peu détiennent beaucoup, peu d'appels suffisent, et une faille aussi.
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
