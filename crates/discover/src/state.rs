//! What was asked and what is done: enough to go on with later, and no key.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::service::{ServiceKind, SplitField};

/// The schema of a state.
pub const STATE_SCHEMA: &str = "vigie.discover-state/1";

/// A discovery as far as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryState {
    /// [`STATE_SCHEMA`].
    pub schema: String,
    /// Names it among others.
    pub id: String,
    /// The service.
    pub service: ServiceKind,
    /// When it was begun.
    pub begun: DateTime<Utc>,
    /// Credits that were counted, over all runs.
    pub spent: u64,
    /// The queries, in the order in which they are asked.
    pub queries: Vec<QueryState>,
    /// The endpoints that were found.
    pub found: BTreeSet<SocketAddr>,
}

/// A query and the parts that it was split into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryState {
    /// As it was given.
    pub query: String,
    /// The product whose query it is.
    pub product: Option<String>,
    /// Why the service does not take it.
    pub refused: Option<String>,
    /// The query itself, then what it was split into. None: it was not begun.
    pub parts: Vec<QueryPart>,
    /// Whether nothing is left to ask.
    pub done: bool,
}

/// A query, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryPart {
    /// As it is sent.
    pub query: String,
    /// By what it was narrowed.
    pub by: Vec<SplitField>,
    /// How many records a count promised.
    pub expected: Option<u64>,
    /// The total that the first page told.
    pub first: Option<u64>,
    /// The total that the last page told.
    pub total: Option<u64>,
    /// Records that came.
    pub got: u64,
    /// Pages that came.
    pub pages: u32,
    /// What the last page said of the next.
    pub token: Option<String>,
    /// Hashes of what the pages before said: one that comes again leads round in a circle.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tokens: BTreeSet<u64>,
    /// Whether the service gives no page after these, whatever its total.
    pub capped: bool,
    /// How it stands.
    #[serde(rename = "standing")]
    pub status: PartStatus,
    /// Records that cannot be reached.
    pub missed: u64,
    /// Why not, and what else is to be said.
    pub why: Option<String>,
}

/// How a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartStatus {
    /// Something is left to ask.
    Open,
    /// Its own parts are asked in its place.
    Split,
    /// All that can be reached was read.
    Done,
}

/// Why a state cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It does not read.
    #[error("is no state of a discovery: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It is of another vigie.
    #[error("schema is {0:?}; this vigie reads {STATE_SCHEMA:?}")]
    Schema(String),
    /// It is of another service.
    #[error("was begun with {}", .0.word())]
    Service(ServiceKind),
}

impl DiscoveryState {
    /// Nothing asked yet. Queries that stand twice are asked once.
    #[must_use]
    pub fn new(id: &str, service: ServiceKind, queries: Vec<(String, Option<String>)>) -> Self {
        let mut seen = BTreeSet::new();
        Self {
            schema: STATE_SCHEMA.to_owned(),
            id: id.to_owned(),
            service,
            begun: Utc::now(),
            spent: 0,
            queries: queries
                .into_iter()
                .filter(|(query, _)| seen.insert(query.clone()))
                .map(|(query, product)| QueryState {
                    query,
                    product,
                    refused: None,
                    parts: Vec::new(),
                    done: false,
                })
                .collect(),
            found: BTreeSet::new(),
        }
    }

    /// Reads what [`State::write`] wrote.
    ///
    /// # Errors
    ///
    /// The text is no state, or one of another vigie or service.
    pub fn read(text: &str, service: ServiceKind) -> Result<Self, StateError> {
        let state: Self = serde_json::from_str(text)?;
        if state.schema != STATE_SCHEMA {
            return Err(StateError::Schema(state.schema));
        }
        if state.service != service {
            return Err(StateError::Service(state.service));
        }
        Ok(state)
    }

    /// The state as a text.
    #[must_use]
    pub fn write(&self) -> String {
        // Strings, numbers and lists always are JSON.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Whether nothing is left to ask.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.queries.iter().all(|query| query.done)
    }
}

impl QueryState {
    /// How many records the service says there are.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        let whole = self.parts.first()?;
        whole.total.or(whole.expected)
    }

    /// Pages that came.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.pages)).sum()
    }

    /// Records that came, some perhaps twice where it was split.
    #[must_use]
    pub fn got(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.got))
    }

    /// Records that cannot be reached.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.missed))
    }

    /// What is to be said of its parts.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.parts
            .iter()
            .filter_map(|part| part.why.as_ref().map(|why| format!("{}: {why}", part.query)))
    }
}

impl QueryPart {
    pub(crate) fn new(query: String, by: Vec<SplitField>, expected: Option<u64>) -> Self {
        Self {
            query,
            by,
            expected,
            first: None,
            total: None,
            got: 0,
            pages: 0,
            token: None,
            tokens: BTreeSet::new(),
            capped: false,
            status: PartStatus::Open,
            missed: 0,
            why: None,
        }
    }

    /// Goes on with what a page said of the next; `false`: it was gone on with before.
    pub(crate) fn goes_on_with(&mut self, token: &str) -> bool {
        let new = self.token.as_deref() != Some(token) && self.tokens.insert(hash(token));
        if new {
            self.token = Some(token.to_owned());
        }
        new
    }

    /// Adds something to be said.
    pub(crate) fn say(&mut self, what: &str) {
        let why = self.why.get_or_insert_with(String::new);
        if !why.is_empty() {
            why.push_str("; ");
        }
        why.push_str(what);
    }
}

/// FNV-1a of 64 bits: the same in every version, for it stands in files.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_wrap() {
        let mut state = DiscoveryState::new("x", ServiceKind::Shodan, vec![("q".to_owned(), None)]);
        let mut part = QueryPart::new("q".to_owned(), Vec::new(), None);
        (part.got, part.missed) = (u64::MAX - 1, u64::MAX);
        state.queries[0].parts = vec![part.clone(), part];
        assert_eq!((state.queries[0].got(), state.queries[0].missed()), (u64::MAX, u64::MAX));
    }

    #[test]
    fn a_token_is_gone_on_with_once() {
        let mut part = QueryPart::new("q".to_owned(), Vec::new(), None);
        let went: Vec<bool> = ["A", "B", "A", "B", "C"].iter().map(|token| part.goes_on_with(token)).collect();
        assert_eq!(went, [true, true, false, false, true]);
        // A state of a version that did not note them yet.
        part.tokens.clear();
        assert!(!part.goes_on_with("C"));
        let text = serde_json::to_string(&part).expect("it serialises");
        assert!(!text.contains("tokens"), "{text}");
        assert_eq!(serde_json::from_str::<QueryPart>(&text).expect("it reads"), part);
    }
}
