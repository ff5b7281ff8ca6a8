-- title: Who comes and who goes
-- title.fr: Arrivées et départs
-- unit: hosts
-- definition: Weeks of seven days from the window's first day on; the last may be short. stayed: seen in this week and the one before; left: seen in the week before only; new: never seen before; returned: seen before, but not in the week before. The share is of the hosts of the week before.
-- definition.fr: Semaines de sept jours depuis le premier jour ; la dernière peut être courte. stayed : vus cette semaine et la précédente ; left : la précédente seulement ; new : jamais vus ; returned : vus avant, mais pas la semaine précédente. La part est celle des hôtes de la semaine précédente.
-- why: A count on one day says little of who is exposed over a year.
-- why.fr: Un compte d'un jour dit peu de qui est exposé sur un an.
-- statistic: churn
-- chart: line week hosts new left

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT host, block, days FROM host_days
