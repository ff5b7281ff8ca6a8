//! Macros of the SQL files, for columns that many of them repeat. Everything outside this crate sees the expanded SQL.

/// A macro: the name that begins `{NAME ARGUMENT}`, and its SQL, with `$` for the argument.
const MACROS: [(&str, &str); 5] = [
    // Hosts for which a condition holds, for which it is known, and for which it is unknown.
    (
        "hosts where",
        "count(*) FILTER (WHERE $) AS hosts, count($) AS known, count(*) - count($) AS unknown",
    ),
    // Whether any model of a state has a capability.
    (
        "any model can",
        "CASE WHEN bool_or(capabilities LIKE '%\"$\"%') THEN TRUE \
         WHEN bool_or(capabilities IS NULL OR capabilities_untold LIKE '%\"$\"%') THEN NULL ELSE FALSE END",
    ),
    // A property of a state's models: FALSE for an empty list, NULL for an unknown one.
    (
        "of models",
        "CASE WHEN s.models IS NULL THEN NULL WHEN s.models = 0 THEN FALSE ELSE i.$ END",
    ),
    // Whether any endpoint of a host has a property, by the states that last listed their models.
    (
        "any endpoint has",
        "CASE WHEN bool_or(s.$) THEN TRUE WHEN count(e.inventory) = 0 OR \
         count(CASE WHEN e.inventory IS NOT NULL AND s.$ IS NULL THEN 1 END) > 0 THEN NULL ELSE FALSE END",
    ),
    // The figures of a persistent core, whose hosts are `h`, of all hosts, whose sums are `w`.
    (
        "core columns",
        "count(h.host) AS hosts, max(w.n) AS known, CAST(0 AS BIGINT) AS unknown,\n  \
         CAST(coalesce(sum(h.observations), 0) AS BIGINT) AS observations, max(w.x) AS observations_known,\n  \
         avg(CAST(h.days AS DOUBLE) / (h.last_day - h.first_day + 1)) AS mean_uptime,\n  \
         CAST(sum(h.running_models) AS DOUBLE) / sum(h.running_told) AS mean_running,\n  \
         CAST(coalesce(sum(h.observations * h.observations), 0) AS DOUBLE) AS _yy, \
         CAST(coalesce(sum(h.observations * h.observations), 0) AS DOUBLE) AS _xy, max(w.xx) AS _xx, max(w.n) AS _n",
    ),
];

/// Replaces every macro by its SQL.
pub(crate) fn expand(sql: &str) -> String {
    MACROS.iter().fold(sql.to_owned(), |sql, (name, text)| {
        let start = format!("{{{name}");
        let mut parts = sql.split(start.as_str());
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (argument, rest) = part.split_once('}').unwrap_or((part, ""));
            out.push_str(&text.replace('$', argument.trim()));
            out.push_str(rest);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base_tables::base_tables;
    use crate::{Question, StudyOptions};

    #[test]
    fn a_condition_expands_to_its_three_counts() {
        assert_eq!(
            expand("SELECT 'a' AS what, {hosts where open AND tools} FROM hosts"),
            "SELECT 'a' AS what, count(*) FILTER (WHERE open AND tools) AS hosts, count(open AND tools) AS known, \
             count(*) - count(open AND tools) AS unknown FROM hosts"
        );
    }

    #[test]
    fn nothing_is_left_to_expand() {
        let options = StudyOptions::default();
        let questions = Question::all()
            .iter()
            .flat_map(|question| [options.fill(&question.whole), options.fill(&question.rows)]);
        for sql in questions.chain(base_tables(&options).into_iter().map(|table| table.sql)) {
            assert!(!sql.contains(['{', '}']), "{sql}");
        }
    }
}
