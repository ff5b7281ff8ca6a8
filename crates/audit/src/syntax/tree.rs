//! Mappings, lists and scalars with their places, whatever the format: YAML, JSON, TOML.

use std::sync::Arc;

use crate::source::{Located, Span};

/// A value of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it is written.
    pub span: Span,
    /// The tag that precedes it in YAML, such as `!override`.
    pub tag: Option<Box<str>>,
    /// The value.
    pub kind: Kind,
}

/// What a node is. Nodes that an alias repeats are shared, so that a small file stays small in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// A text, a number, a truth value: the text as it is written, without quotes and escapes.
    Scalar(Scalar),
    /// A list.
    List(Vec<Arc<Node>>),
    /// A mapping, in the order of the file; merge keys are resolved.
    Map(Vec<Entry>),
}

/// A scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: Box<str>,
    /// It is written in quotes or as a block, so it is a text and nothing else.
    pub quoted: bool,
}

/// A key of a mapping and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Located<Box<str>>,
    /// The value.
    pub value: Arc<Node>,
}

impl Entry {
    /// The key and the value.
    #[must_use]
    pub fn span(&self) -> Span {
        let (key, value) = (self.key.span, self.value.span);
        if key.source == value.source && value.end >= key.start {
            Span { end: value.end, ..key }
        } else {
            key
        }
    }
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The text and the place of a scalar.
    #[must_use]
    pub fn located(&self) -> Option<Located<String>> {
        self.text().map(|text| Located::new(text.to_owned(), self.span))
    }

    /// The items of a list; none if it is no list.
    #[must_use]
    pub fn items(&self) -> &[Arc<Self>] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none if it is no mapping.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a key. Of two with the same key the last counts, as in most readers.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().rev().find(|entry| *entry.key.value == *key)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Self>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value behind a path of keys.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key).map(Arc::as_ref))
    }

    /// Whether it is a mapping.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// A truth value; quoted texts count, since the readers of these formats take them.
    #[must_use]
    pub fn truth(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}
