//! The state of a discovery: what was requested and read, enough to resume it. It holds no key.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::kind::ServiceKind;
use crate::part::QueryPart;

/// The schema of a state file.
pub const STATE_SCHEMA: &str = "vigie.discover-state/1";

/// The queries of a discovery, and how much of each has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryState {
    /// [`STATE_SCHEMA`].
    pub schema: String,
    /// Its identifier, which is part of file names.
    pub id: String,
    /// The service.
    pub service: ServiceKind,
    /// When it was started.
    pub begun: DateTime<Utc>,
    /// Credits counted over all runs.
    pub spent: u64,
    /// The queries, in the order in which they are sent.
    pub queries: Vec<QueryState>,
    /// The endpoints found.
    pub found: BTreeSet<SocketAddr>,
}

/// A query and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryState {
    /// The query as the user gave it.
    pub query: String,
    /// The product of the catalogue that it belongs to.
    pub product: Option<String>,
    /// Why the service rejects it.
    pub refused: Option<String>,
    /// The whole query first, then what it was split into. Empty if it was not started.
    pub parts: Vec<QueryPart>,
    /// Whether nothing is left to request.
    pub done: bool,
}

/// Why a state cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It does not parse.
    #[error("is not a discovery state: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It has another schema.
    #[error("schema is {0:?}; this vigie reads {STATE_SCHEMA:?}")]
    Schema(String),
    /// It belongs to another service.
    #[error("belongs to {}", .0.word())]
    Service(ServiceKind),
}

impl DiscoveryState {
    /// A new state. A query that is listed twice is sent once.
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

    /// Parses what [`DiscoveryState::write`] returns.
    ///
    /// # Errors
    ///
    /// The text is not a state, or has another schema or service.
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

    /// The state as JSON.
    #[must_use]
    pub fn write(&self) -> String {
        // Strings, numbers and lists always serialise.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Whether nothing is left to request.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.queries.iter().all(|query| query.done)
    }
}

impl QueryState {
    /// The number of records according to the service.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        let whole = self.parts.first()?;
        whole.total.or(whole.expected)
    }

    /// The number of pages read.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.pages)).sum()
    }

    /// The number of records read. Some may be counted twice if the query was split.
    #[must_use]
    pub fn got(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.got))
    }

    /// The number of records that cannot be read.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.missed))
    }

    /// The remarks on its parts.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.parts
            .iter()
            .filter_map(|part| part.why.as_ref().map(|why| format!("{}: {why}", part.query)))
    }
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
}
