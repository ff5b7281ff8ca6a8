//! The report of a discovery, `vigie.discover/1`.

use std::path::PathBuf;

use serde::Serialize;
use vigie_discover::QueryState;

use crate::intake::ImportCounts;

/// The report of a discovery, `vigie.discover/1`.
#[derive(Debug, Serialize)]
pub struct DiscoverReport {
    /// `vigie.discover/1`.
    pub schema: &'static str,
    /// The service.
    pub service: &'static str,
    /// The queries, in the order in which they are sent.
    pub queries: Vec<QueryReport>,
    /// The credits.
    pub credits: Credits,
    /// Whether every query is complete.
    pub complete: bool,
    /// Why the run ended early.
    pub stopped: Option<String>,
    /// The state file to resume from, if the run is not complete.
    pub resume: Option<PathBuf>,
    /// The error file, if a record was bad.
    pub errors: Option<PathBuf>,
    /// The endpoints to confirm, if that is wanted.
    pub confirm: Option<Confirmation>,
}

/// Credits. They are counted before a request is sent.
#[derive(Debug, Serialize)]
pub struct Credits {
    /// Spent in this run.
    pub spent: u64,
    /// What this run may spend.
    pub budget: u64,
    /// Left in the account before this run, if the service reports it.
    pub account: Option<u64>,
}

/// What became of a query. `total`, `pages`, `records` and `missed` include earlier runs; the other counts are of this run.
#[derive(Debug, Serialize)]
pub struct QueryReport {
    /// The query as the user gave it.
    pub query: String,
    /// The product of the catalogue that it belongs to.
    pub product: Option<String>,
    /// Whether nothing is left to request.
    pub done: bool,
    /// Why the service rejects it.
    pub refused: Option<String>,
    /// The number of records according to the service.
    pub total: Option<u64>,
    /// The number of pages read.
    pub pages: u64,
    /// The number of records read.
    pub records: u64,
    /// The number of records that cannot be read.
    pub missed: u64,
    /// Observations, new or not.
    pub observations: u64,
    /// Observations that the lake did not have.
    pub added: u64,
    /// Observations that the lake had already, or that were read before.
    pub duplicates: u64,
    /// Bad records.
    pub bad: u64,
    /// Ports that did not answer.
    pub not_open: u64,
    /// Ports of other transports.
    pub not_tcp: u64,
    /// Endpoints that no rule recognised, if only recognised ones were wanted.
    pub not_recognised: u64,
    /// Remarks on its parts.
    pub notes: Vec<String>,
}

/// The endpoints to confirm.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    /// Endpoints that were found.
    pub found: u64,
    /// Those that the scope allows to scan.
    pub asked: u64,
    /// Those that it does not allow.
    pub left: u64,
    /// The reasons, each kind once.
    pub reasons: Vec<String>,
}

impl QueryReport {
    pub(super) fn new(query: &QueryState, counts: ImportCounts) -> Self {
        Self {
            query: query.query.clone(),
            product: query.product.clone(),
            done: query.done,
            refused: query.refused.clone(),
            total: query.total(),
            pages: query.pages(),
            records: query.got(),
            missed: query.missed(),
            observations: counts.observations,
            added: counts.added,
            duplicates: counts.duplicates,
            bad: counts.bad,
            not_open: counts.not_open,
            not_tcp: counts.not_tcp,
            not_recognised: counts.not_recognised,
            notes: query.notes().collect(),
        }
    }

    /// Whether the service rejects it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }
}
