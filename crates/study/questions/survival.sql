-- title: Survival of hosts
-- title.fr: Durée de vie des hôtes
-- unit: hosts
-- definition: Kaplan-Meier estimate: of the hosts seen, the share still seen that many days after the first observation. A host seen within the last {grace} days of the window counts as still there. Hosts that were there before the window are counted from its beginning.
-- definition.fr: Estimateur de Kaplan-Meier : part des hôtes encore vus ce nombre de jours après leur première observation. Un hôte vu dans les {grace} derniers jours de la fenêtre compte comme encore présent. Les hôtes présents avant la fenêtre sont comptés à partir de son début.
-- why: It shows whether a notice reaches a machine that is still there.
-- why.fr: On y lit si une notification atteint une machine encore présente.
-- statistic: survival
-- chart: line days share

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT h.last_day - h.first_day AS lived, h.last_day + {grace} <= w.last_day AS gone, count(*) AS hosts
FROM hosts AS h CROSS JOIN study_window AS w
GROUP BY h.last_day - h.first_day, h.last_day + {grace} <= w.last_day
ORDER BY lived, gone
