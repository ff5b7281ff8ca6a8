//! Comments in lists of targets and opt-outs.

/// Splits a line into its text and its comment. A `#` inside a word, such as the fragment of a URL, does not start a comment.
pub(crate) fn uncomment(line: &str) -> (&str, Option<&str>) {
    let start = line
        .char_indices()
        .find(|(at, c)| *c == '#' && line[..*at].chars().next_back().is_none_or(char::is_whitespace));
    match start {
        Some((at, _)) => (&line[..at], Some(line[at + 1..].trim())),
        None => (line, None),
    }
}
