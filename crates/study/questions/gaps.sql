-- title: Days between appearances
-- title.fr: Jours entre deux apparitions
-- unit: gaps
-- definition: For each host, the number of days from one day on which it was seen to the next. The interval resamples hosts, because the gaps of one host are similar.
-- definition.fr: Pour chaque hôte, le nombre de jours entre deux jours successifs où il a été vu. L'intervalle rééchantillonne les hôtes, car les écarts d'un même hôte se ressemblent.
-- why: Gaps come from reboots, changing addresses and sources that scan elsewhere; a host that is not observed is not necessarily fixed.
-- why.fr: Les écarts viennent de redémarrages, d'adresses qui changent et de sources qui observent ailleurs ; un hôte qu'on ne voit plus n'est pas forcément corrigé.
-- statistic: gaps
-- chart: bars days share

SELECT CAST(sum(days - 1) AS BIGINT) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT host, block, days FROM host_days
