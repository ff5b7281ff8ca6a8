//! Numbers separated by dots, as of calendar versions.

use super::numbers;
use super::suffix::{Suffix, built_again};

/// Parses a text in lower case; `None`: it does not follow the grammar.
pub(super) fn parse(lower: &str) -> Option<(Vec<u64>, Option<Suffix>)> {
    let text = lower.strip_prefix('v').unwrap_or(lower);
    let (mut parts, suffix) = match numbers(text) {
        Some(parts) => (parts, None),
        None => {
            let (base, suffix) = built_again(text)?;
            (numbers(base)?, Some(suffix))
        }
    };
    while parts.last() == Some(&0) {
        parts.pop();
    }
    Some((parts, suffix))
}
