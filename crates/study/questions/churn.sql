-- title: Arrivals and departures
-- title.fr: Arrivées et départs
-- unit: hosts
-- definition: Weeks of seven days from the first day of the window; the last week may be shorter. stayed: seen in this week and in the one before. left: seen in the week before only. new: never seen before. returned: seen earlier, but not in the week before. The share is of the hosts of the week before.
-- definition.fr: Semaines de sept jours à partir du premier jour de la fenêtre ; la dernière peut être plus courte. stayed : vus cette semaine et la précédente. left : vus la semaine précédente seulement. new : jamais vus auparavant. returned : vus auparavant, mais pas la semaine précédente. La part porte sur les hôtes de la semaine précédente.
-- why: A count on one day shows little about the hosts that are exposed over a year.
-- why.fr: Le décompte d'un seul jour renseigne peu sur les hôtes exposés au cours d'une année.
-- statistic: churn
-- chart: line week hosts new left

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT host, block, days FROM host_days
