//! Quoted text in queries.

/// A query without its quoted parts.
pub(crate) fn outside_quotes(query: &str) -> String {
    query.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}
