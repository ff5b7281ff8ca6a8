-- title: How long hosts stay
-- title.fr: Combien de temps les hôtes restent
-- unit: hosts
-- definition: Kaplan and Meier: of the hosts seen, the share still seen that many days after the first time. A host seen within the last {grace} days of the window counts as still there. Hosts that were there before the window began are counted from its beginning.
-- definition.fr: Kaplan-Meier : part des hôtes encore vus tant de jours après la première fois. Un hôte vu dans les {grace} derniers jours de la fenêtre compte comme encore présent. Ceux d'avant la fenêtre comptent depuis son début.
-- why: It says whether notices reach a machine that will still be there.
-- why.fr: On y lit si un avis atteint une machine qui sera encore là.
-- statistic: survival
-- chart: line days share

SELECT count(*) AS denominator, CAST(0 AS BIGINT) AS unknown FROM hosts;

SELECT h.last_day - h.first_day AS lived, h.last_day + {grace} <= w.last_day AS gone, count(*) AS hosts
FROM hosts AS h CROSS JOIN study_window AS w
GROUP BY h.last_day - h.first_day, h.last_day + {grace} <= w.last_day
ORDER BY lived, gone
