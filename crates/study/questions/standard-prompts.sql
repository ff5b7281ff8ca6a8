-- title: One prompt on many hosts
-- title.fr: Une invite sur beaucoup d'hôtes
-- unit: hosts
-- definition: System prompts by the hash of their text with white space folded, on {standard_hosts} hosts or more; empty ones left out. The share is of the hosts that show a prompt. The text is not kept.
-- definition.fr: Invites système selon l'empreinte de leur texte, espaces réduits, sur {standard_hosts} hôtes ou plus ; les vides exclues. La part est celle des hôtes qui montrent une invite. Le texte n'est pas gardé.
-- why: The same text on many hosts is a kit.
-- why.fr: Le même texte sur beaucoup d'hôtes est un kit.
-- share: share = hosts / known
-- chart: bars class share

SELECT count(*) FILTER (WHERE shows_prompt) AS denominator, count(*) - count(*) FILTER (WHERE shows_prompt) AS unknown FROM hosts;

SELECT s.system_prompt AS prompt, max(s.system_prompt_class) AS class, count(DISTINCT s.host) AS hosts, max(w.known) AS known, max(w.unknown) AS unknown
FROM host_models AS s
CROSS JOIN (SELECT count(*) FILTER (WHERE shows_prompt) AS known, count(*) - count(*) FILTER (WHERE shows_prompt) AS unknown FROM hosts) AS w
WHERE s.system_prompt IS NOT NULL AND coalesce(s.system_prompt_class, '') <> 'empty'
GROUP BY s.system_prompt
HAVING count(DISTINCT s.host) >= {standard_hosts}
ORDER BY hosts DESC, prompt
