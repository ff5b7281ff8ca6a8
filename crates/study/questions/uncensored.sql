-- title: Safeguards removed
-- title.fr: Garde-fous retirés
-- unit: hosts
-- definition: Two signals, kept apart. name: a model whose name or lineage says that safeguards were removed, of the hosts that list models. prompt: a system prompt that removes them, of the hosts that show a prompt at all. Lower bounds both: what is not shown is not counted.
-- definition.fr: Deux signaux, séparés. name : un modèle dont le nom ou la lignée dit que les garde-fous sont retirés, parmi les hôtes qui listent des modèles. prompt : une invite système qui les retire, parmi les hôtes qui montrent une invite. Deux bornes inférieures : ce qui n'est pas montré n'est pas compté.
-- why: At least 201 hosts with such prompts were published.
-- why.fr: Au moins 201 hôtes avec de telles invites ont été publiés.
-- share: share = hosts / known
-- chart: bars signal share

SELECT count(uncensored_by_name) AS denominator, count(*) - count(uncensored_by_name) AS unknown FROM hosts;

SELECT 'name' AS signal, {hosts where uncensored_by_name} FROM hosts
UNION ALL
SELECT 'prompt' AS signal, count(*) FILTER (WHERE uncensored_by_prompt) AS hosts, count(*) FILTER (WHERE shows_prompt) AS known,
  count(*) - count(*) FILTER (WHERE shows_prompt) AS unknown FROM hosts
ORDER BY signal
