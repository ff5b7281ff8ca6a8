-- title: Exact sets of capabilities
-- title.fr: Ensembles exacts de capacités
-- unit: hosts
-- definition: The set of everything that a host's models can do together, for hosts for which every capability is known.
-- definition.fr: L'ensemble de tout ce que savent faire les modèles d'un hôte, pour les hôtes dont chaque capacité est connue.
-- why: Chat with tools and nothing else was the most common set in the published study.
-- why.fr: La conversation avec outils, sans rien d'autre, était l'ensemble le plus courant dans l'étude publiée.
-- share: share = hosts / known
-- chart: bars capabilities share

SELECT count(*) FILTER (WHERE completion IS NOT NULL AND embedding IS NOT NULL AND insertion IS NOT NULL AND thinking IS NOT NULL AND tools IS NOT NULL AND vision IS NOT NULL) AS denominator, count(CASE WHEN completion IS NOT NULL AND embedding IS NOT NULL AND insertion IS NOT NULL AND thinking IS NOT NULL AND tools IS NOT NULL AND vision IS NOT NULL THEN NULL ELSE 1 END) AS unknown FROM hosts;

WITH labelled AS (
  SELECT CASE WHEN NOT completion AND NOT embedding AND NOT insertion AND NOT thinking AND NOT tools AND NOT vision THEN 'none'
      ELSE substr(CASE WHEN completion THEN '+completion' ELSE '' END || CASE WHEN embedding THEN '+embedding' ELSE '' END || CASE WHEN insertion THEN '+insert' ELSE '' END
        || CASE WHEN thinking THEN '+thinking' ELSE '' END || CASE WHEN tools THEN '+tools' ELSE '' END || CASE WHEN vision THEN '+vision' ELSE '' END, 2) END AS capabilities
  FROM hosts WHERE completion IS NOT NULL AND embedding IS NOT NULL AND insertion IS NOT NULL AND thinking IS NOT NULL AND tools IS NOT NULL AND vision IS NOT NULL
)
SELECT l.capabilities, count(*) AS hosts, max(w.known) AS known, max(w.n) - max(w.known) AS unknown
FROM labelled AS l CROSS JOIN (SELECT (SELECT count(*) FROM labelled) AS known, count(*) AS n FROM hosts) AS w
GROUP BY l.capabilities
ORDER BY hosts DESC, capabilities
