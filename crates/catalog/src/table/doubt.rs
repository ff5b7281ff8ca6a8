//! What makes a request readable in more than one way.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// Reasons why two parsers may read one request differently; a set. Requests of ordinary clients have none, except keys that the server
/// ignores.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Doubts(u16);

impl Doubts {
    /// A key that the table reads occurs more than once in one object, or a form field or a key of the query more than once.
    pub const REPEATED_KEY: Self = Self(1);
    /// A key differs only in case from one that the route takes; the server accepts it.
    pub const KEY_CASE: Self = Self(1 << 1);
    /// A key that the route is not known to take.
    pub const UNKNOWN_KEY: Self = Self(1 << 2);
    /// Something follows the JSON value.
    pub const TRAILING: Self = Self(1 << 3);
    /// A byte order mark precedes the JSON value.
    pub const BOM: Self = Self(1 << 4);
    /// The content type is not the one that the route takes, and the server ignores it.
    pub const CONTENT_TYPE: Self = Self(1 << 5);
    /// A body where the route takes none.
    pub const UNEXPECTED_BODY: Self = Self(1 << 6);
    /// The path has escapes, or is spelled differently from the route's.
    pub const ENCODED_PATH: Self = Self(1 << 7);
    /// A slash of the path is escaped.
    pub const ENCODED_SLASH: Self = Self(1 << 8);
    /// The body is not available: the effect is the worst that a body could cause, and the model is unknown.
    pub const UNSEEN_BODY: Self = Self(1 << 9);
    /// The product's releases read a name differently: Ollama removes a final `:local` since 0.18.0, and read it as a tag before.
    pub const NAME: Self = Self(1 << 10);
    /// Several places name a model, and they differ.
    pub const SEVERAL_MODELS: Self = Self(1 << 11);
    /// A name contains half a surrogate pair, which servers read differently.
    pub const BROKEN_TEXT: Self = Self(1 << 12);

    const WORDS: [(Self, &'static str); 13] = [
        (Self::REPEATED_KEY, "a key occurs more than once"),
        (Self::KEY_CASE, "a key is written in another case"),
        (Self::UNKNOWN_KEY, "a key that the route is not known to take"),
        (Self::TRAILING, "something follows the JSON value"),
        (Self::BOM, "a byte order mark precedes the JSON value"),
        (Self::CONTENT_TYPE, "the content type is not the one that the route takes"),
        (Self::UNEXPECTED_BODY, "a body where the route takes none"),
        (Self::ENCODED_PATH, "the path is spelled differently from the route's"),
        (Self::ENCODED_SLASH, "a slash of the path is escaped"),
        (Self::UNSEEN_BODY, "the body is not available"),
        (Self::NAME, "releases read the name of the model differently"),
        (Self::SEVERAL_MODELS, "several places name a model, and they differ"),
        (Self::BROKEN_TEXT, "a name contains half a surrogate pair"),
    ];

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it contains all of these.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set without these.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// A text for each.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS
            .into_iter()
            .filter(move |(one, _)| self.contains(*one))
            .map(|(_, words)| words)
    }
}

impl BitOr for Doubts {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Doubts {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Display for Doubts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, words) in self.words().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            f.write_str(words)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Doubts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doubts({self})")
    }
}
