//! What was asked and what is done: enough to go on with later, and no key.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::service::{Field, ServiceKind};

/// The schema of a state.
pub const STATE_SCHEMA: &str = "vigie.discover-state/1";

/// A discovery as far as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
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
    pub parts: Vec<Part>,
    /// Whether nothing is left to ask.
    pub done: bool,
}

/// A query, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// As it is sent.
    pub query: String,
    /// By what it was narrowed.
    pub by: Vec<Field>,
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
    /// Whether the service gives no page after these, whatever its total.
    pub capped: bool,
    /// How it stands.
    pub standing: Standing,
    /// Records that cannot be reached.
    pub missed: u64,
    /// Why not, and what else is to be said.
    pub why: Option<String>,
}

/// How a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
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

impl State {
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
        self.parts.iter().map(|part| part.got).sum()
    }

    /// Records that cannot be reached.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.parts.iter().map(|part| part.missed).sum()
    }

    /// What is to be said of its parts.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.parts
            .iter()
            .filter_map(|part| part.why.as_ref().map(|why| format!("{}: {why}", part.query)))
    }
}

impl Part {
    pub(crate) fn new(query: String, by: Vec<Field>, expected: Option<u64>) -> Self {
        Self {
            query,
            by,
            expected,
            first: None,
            total: None,
            got: 0,
            pages: 0,
            token: None,
            capped: false,
            standing: Standing::Open,
            missed: 0,
            why: None,
        }
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
