-- title: One prompt on many hosts
-- title.fr: Un même prompt sur de nombreux hôtes
-- unit: hosts
-- definition: System prompts, by the hash of their text with white space folded, on {standard_hosts} hosts or more; empty ones are left out. The share is of the hosts that show a system prompt. The text is not stored.
-- definition.fr: Prompts système, d'après l'empreinte de leur texte après réduction des espaces, présents sur {standard_hosts} hôtes ou plus ; les prompts vides sont exclus. La part porte sur les hôtes qui montrent un prompt système. Le texte n'est pas conservé.
-- why: The same text on many hosts points to a common installation kit.
-- why.fr: Le même texte sur de nombreux hôtes laisse supposer un kit d'installation commun.
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
