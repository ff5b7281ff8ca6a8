//! The build numbers of llama.cpp.

use super::number;
use super::suffix::{Meaning, Suffix, Tail};

/// Parses a text in lower case; `None`: it does not follow the grammar.
pub(super) fn parse(lower: &str) -> Option<(u64, Option<Suffix>)> {
    let text = lower.strip_prefix("version:").unwrap_or(lower).trim_start();
    let text = text.strip_prefix('b').unwrap_or(text);
    let (digits, rest) = text.split_once('-').unwrap_or((text, "unknown"));
    let clean = rest.strip_suffix("-dirty");
    let dirty = clean.map(|_| Suffix::dirty());
    let rest = clean.unwrap_or(rest);
    let is_commit = |text: &str| {
        let commit = text.strip_prefix('g').unwrap_or(text);
        (4..=40).contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if is_commit(rest) || rest == "unknown" {
        return Some((number(digits)?, dirty));
    }
    // A commit may precede the words.
    let words = match rest.split_once('-') {
        Some((commit, words)) if is_commit(commit) => words,
        _ => rest,
    };
    match Suffix::of(words)? {
        Tail::Of(suffix) if suffix.meaning == Meaning::Build => Some((number(digits)?, Some(suffix))),
        _ => None,
    }
}
