-- title: Safeguards removed
-- title.fr: Garde-fous retirés
-- unit: hosts
-- definition: Two separate signals. name: a model whose name or lineage indicates that safeguards were removed, of the hosts that list models. prompt: a system prompt that removes safeguards, of the hosts that show a system prompt. Both are lower bounds: what is not shown is not counted.
-- definition.fr: Deux signaux séparés. name : un modèle dont le nom ou la lignée indique que les garde-fous ont été retirés, parmi les hôtes qui listent des modèles. prompt : un prompt système qui retire les garde-fous, parmi les hôtes qui montrent un prompt système. Ce sont deux bornes inférieures : ce qui n'est pas montré n'est pas compté.
-- why: The published study found at least 201 hosts with such prompts.
-- why.fr: L'étude publiée a trouvé au moins 201 hôtes avec de tels prompts.
-- share: share = hosts / known
-- chart: bars signal share

SELECT count(uncensored_by_name) AS denominator, count(*) - count(uncensored_by_name) AS unknown FROM hosts;

SELECT 'name' AS signal, {hosts where uncensored_by_name} FROM hosts
UNION ALL
SELECT 'prompt' AS signal, count(*) FILTER (WHERE uncensored_by_prompt) AS hosts, count(*) FILTER (WHERE shows_prompt) AS known,
  count(*) - count(*) FILTER (WHERE shows_prompt) AS unknown FROM hosts
ORDER BY signal
