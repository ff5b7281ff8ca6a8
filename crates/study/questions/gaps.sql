-- title: Days between appearances
-- title.fr: Jours entre deux apparitions
-- unit: gaps
-- definition: For each host, the days from one day on which it was seen to the next. The interval resamples hosts, since the gaps of one host are alike.
-- definition.fr: Pour chaque hôte, les jours d'une apparition à la suivante. L'intervalle rééchantillonne les hôtes, car les écarts d'un même hôte se ressemblent.
-- why: Gaps are reboots, changing addresses and sources that look away; a host that is not seen is not a host that is fixed.
-- why.fr: Les écarts sont des redémarrages, des adresses qui changent, des sources qui regardent ailleurs ; un hôte non vu n'est pas un hôte réparé.
-- statistic: gaps
-- chart: bars days share

SELECT CAST(sum(days - 1) AS BIGINT) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT host, block, days FROM host_days
