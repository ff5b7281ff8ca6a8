//! Patterns of names of models, with or without a pinned digest.

use serde::{Deserialize, Serialize};
use vigie_catalog::table::NameReading;

use super::Hash;

/// A pattern of names of models: `*` stands for any characters but a slash, and alone for every name. A slash separates host, namespace
/// and name, so that `llama*` holds for no model of somebody else's.
///
/// With a digest behind it (`tiny@sha256:…`) it holds for the names that it fits while the server has that digest under them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its pattern of names and its pinned digest; `None`: there is no `@` in it.
    ///
    /// # Errors
    ///
    /// What follows the `@` is no digest.
    pub fn pin(&self) -> Option<Result<(Self, Hash), &'static str>> {
        let (names, digest) = self.0.split_once('@')?;
        Some(digest.parse().map(|digest| (Self(names.to_owned()), digest)))
    }

    /// Whether it pins a digest, or means to.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.0.contains('@')
    }

    /// Whether it holds for every name.
    #[must_use]
    pub fn is_every(&self) -> bool {
        self.0 == "*"
    }

    /// Whether it holds for a canonical name. A pattern without `*` is a name itself, in any of its forms. One with a digest holds for
    /// none: who knows the digests asks for the patterns of the names that have them.
    pub(crate) fn holds(&self, canonical: &str, names: NameReading) -> bool {
        if self.is_pinned() {
            return false;
        }
        if self.0.contains('*') {
            let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
            let holds_all = self.0.bytes().all(|byte| byte == b'*');
            let pattern = match names {
                // Its canonical names are in lower case.
                NameReading::Ollama => self.0.to_ascii_lowercase(),
                NameReading::Plain | NameReading::Latest => self.0.clone(),
            };
            (holds_all || slashes(&pattern) == slashes(canonical)) && matches(pattern.as_bytes(), canonical.as_bytes())
        } else {
            names.canonical(&self.0) == canonical
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text fits a pattern with `*`; the work is at most the product of their lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == text.get(read) {
            at += 1;
            read += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            at = star_at + 1;
            read = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, holds) in [
            ("*", "", true),
            ("*", "a", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "axxbxxc", true),
            ("a*b*c", "axxbxx", false),
            ("*a", "aab", false),
            ("a*", "ba", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), holds, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pinned_pattern_holds_for_nothing_by_itself() {
        let digest = Hash::of("weights");
        let pinned = Pattern::new(format!("tiny@{digest}"));
        assert_eq!(pinned.pin(), Some(Ok((Pattern::new("tiny"), digest))));
        assert!(!pinned.holds("tiny:latest", NameReading::Ollama));
        assert!(!Pattern::new(format!("*@{digest}")).holds("x", NameReading::Plain));
        for wrong in ["tiny@", "tiny@sha256:12", "@x", "a@b@c"] {
            assert!(matches!(Pattern::new(wrong).pin(), Some(Err(_))), "{wrong}");
        }
        assert_eq!(Pattern::new("tiny").pin(), None);
    }
}
