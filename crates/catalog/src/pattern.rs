//! Patterns over text: contains, `=whole`, `^start`, `~regex`.

use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Longest pattern in a rule file, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1_000;

/// Largest compiled regular expression, in bytes, so that a rule pack cannot exhaust memory.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// A test of a text. Every form takes time linear in the text (the `regex` crate does not backtrack).
#[derive(Clone, Debug)]
pub enum Pattern {
    /// The text contains this.
    Contains(String),
    /// The text is this, without white space at both ends.
    Whole(String),
    /// The text starts with this.
    Start(String),
    /// The expression matches.
    Regex(Expression),
}

impl Pattern {
    /// Parses the notation. With `prefixed`, as in JSON tests, a text without one of `= ^ ~ +` is an error.
    ///
    /// # Errors
    ///
    /// An empty or overlong pattern, a missing prefix, or a regular expression that does not compile.
    pub fn parse(text: &str, prefixed: bool) -> Result<Self, String> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(format!("pattern has {} bytes; at most {MAX_PATTERN_BYTES} are allowed", text.len()));
        }
        let pattern = match text.split_at_checked(1) {
            Some(("=", rest)) => Self::Whole(rest.trim().to_owned()),
            Some(("^", rest)) => Self::Start(rest.to_owned()),
            Some(("~", rest)) => Self::Regex(Expression::parse(rest)?),
            Some(("+", rest)) if prefixed => Self::Contains(rest.to_owned()),
            Some(_) if prefixed => {
                return Err(format!(
                    "{text:?} is no JSON test: write exists, absent, null, string, number, boolean, array, object, empty, non-empty, \
                     or a text with =, ^, ~ or + before it"
                ));
            }
            Some(_) => Self::Contains(text.to_owned()),
            None => return Err("empty pattern: it would fit every text".to_owned()),
        };
        match &pattern {
            Self::Contains(s) | Self::Start(s) if s.is_empty() => Err("empty pattern: it would fit every text".to_owned()),
            _ => Ok(pattern),
        }
    }

    /// Whether the text fits.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Whole(whole) => text.trim() == whole,
            Self::Start(start) => text.trim_start().starts_with(start.as_str()),
            Self::Regex(expression) => expression.compiled().is_some_and(|regex| regex.is_match(text)),
        }
    }

    /// The regular expression that it is, if it is one.
    pub(crate) fn expression(&self) -> Option<&str> {
        match self {
            Self::Regex(expression) => Some(&expression.text),
            _ => None,
        }
    }

    /// A text that every fitting text contains, if the notation has one.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Contains(s) | Self::Whole(s) | Self::Start(s) => Some(s),
            Self::Regex(_) => None,
        }
    }
}

thread_local! {
    static LATER: Cell<bool> = const { Cell::new(false) };
}

/// Parses rules whose expressions were checked before: they are compiled on first use.
pub(crate) fn compile_later<T>(read: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        // Also if parsing panics.
        fn drop(&mut self) {
            LATER.set(self.0);
        }
    }
    let _back = Back(LATER.replace(true));
    read()
}

/// Whether expressions that are parsed now are compiled on first use.
pub(crate) fn is_later() -> bool {
    LATER.get()
}

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    fn parse(text: &str) -> Result<Self, String> {
        let compiled = OnceLock::new();
        if !is_later() {
            let _ = compiled.set(Some(compile(text)?));
        }
        Ok(Self {
            text: text.to_owned(),
            compiled,
        })
    }

    /// `None` only for an unchecked expression that does not compile: the tests compile all of a build.
    fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| compile(&self.text).ok()).as_ref()
    }
}

/// Compiles a regular expression under the size limit.
fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(MAX_REGEX_BYTES)
        .dfa_size_limit(MAX_REGEX_BYTES)
        .build()
        .map_err(|error| error.to_string())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains(s) => write!(f, "contains {s:?}"),
            Self::Whole(s) => write!(f, "is {s:?}"),
            Self::Start(s) => write!(f, "starts with {s:?}"),
            Self::Regex(r) => write!(f, "matches /{}/", r.text),
        }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text, false).map_err(de::Error::custom)
    }
}

/// A regular expression with exactly one group, which extracts a part of a text.
#[derive(Clone, Debug)]
pub struct Take(Expression);

impl Take {
    /// Compiles it.
    ///
    /// # Errors
    ///
    /// It does not compile, is overlong, or has no group or several.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(format!("pattern has {} bytes; at most {MAX_PATTERN_BYTES} are allowed", text.len()));
        }
        let expression = Expression::parse(text)?;
        if let Some(Some(regex)) = expression.compiled.get()
            && regex.captures_len() != 2
        {
            return Err(format!("{text:?} needs exactly one group (…), it has {}", regex.captures_len() - 1));
        }
        Ok(Self(expression))
    }

    /// The text of the group, if the expression matches.
    #[must_use]
    pub fn take<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.0.compiled()?.captures(text)?.get(1).map(|group| group.as_str())
    }

    /// The expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl<'de> Deserialize<'de> for Take {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// One value, or a list of them, as `status: 200` and `status: [200, 401]`.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: FromScalar + Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: FromScalar + Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::from_text(text).map(|one| OneOrMany(vec![one])).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                T::from_number(number).map(|one| OneOrMany(vec![one])).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                let number = u64::try_from(number).map_err(|_| E::custom("a negative number"))?;
                self.visit_u64(number)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany(all))
            }
        }

        deserializer.deserialize_any(OneOrManyVisitor(std::marker::PhantomData))
    }
}

/// A value that may be written alone instead of in a list.
pub trait FromScalar: Sized {
    /// From a text.
    ///
    /// # Errors
    ///
    /// The text is not of this kind.
    fn from_text(text: &str) -> Result<Self, String>;

    /// From a number.
    ///
    /// # Errors
    ///
    /// Numbers are not of this kind, or this one is too large.
    fn from_number(number: u64) -> Result<Self, String> {
        Err(format!("{number} is a number; write a text"))
    }
}

impl FromScalar for Pattern {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text, false)
    }
}

impl FromScalar for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromScalar for u16 {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("invalid status {text:?}"))
    }

    fn from_number(number: u64) -> Result<Self, String> {
        Self::try_from(number).map_err(|_| format!("invalid status {number}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation() {
        let fits = |pattern: &str, text: &str| Pattern::parse(pattern, false).expect("parses").fits(text);
        assert!(fits("is running", "Ollama is running"));
        assert!(fits("=Ollama is running", "Ollama is running\n"));
        assert!(!fits("=Ollama", "Ollama is running"));
        assert!(fits("^Ollama", " Ollama"));
        assert!(fits("~(?i)^b\\d+$", "B12"));
        assert!(Pattern::parse("", false).is_err());
        assert!(Pattern::parse("=", false).is_ok(), "an empty whole text is a real test");
        assert!(Pattern::parse("~(", false).is_err());
        assert!(Pattern::parse("vllm", true).is_err(), "a bare word is no JSON test");
    }

    #[test]
    fn hostile_expressions_are_refused() {
        assert!(Pattern::parse(&"a".repeat(MAX_PATTERN_BYTES + 1), false).is_err());
        assert!(Pattern::parse("~(a{1000}){1000}", false).is_err());
        assert!(Take::parse("no group").is_err());
        assert!(Take::parse("(a)(b)").is_err());
    }
}
