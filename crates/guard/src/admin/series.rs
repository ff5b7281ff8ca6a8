//! What is counted of the requests that have the same labels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::{self, Histogram};

/// The labels that requests are counted by. All values come from bounded sets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Labels {
    /// The id of the key; empty: none.
    pub(super) key: Arc<str>,
    /// The model; empty: none, or the server did not have it.
    pub(super) model: Arc<str>,
    /// OpenTelemetry's name of the operation; empty: the request is no inference.
    pub(super) operation: &'static str,
    /// The word of the outcome.
    pub(super) outcome: &'static str,
    /// The status that the client got; 0: none.
    pub(super) status: u16,
}

/// The counters of one thread for one set of labels.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) requests: AtomicU64,
    /// Requests whose output tokens are estimated.
    pub(super) estimated: AtomicU64,
    pub(super) prompt: Histogram,
    pub(super) output: Histogram,
    pub(super) duration: Histogram,
    pub(super) first: Histogram,
    pub(super) per_token: Histogram,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            estimated: AtomicU64::new(0),
            prompt: Histogram::new(histogram::TOKENS),
            output: Histogram::new(histogram::TOKENS),
            duration: Histogram::new(histogram::DURATION),
            first: Histogram::new(histogram::FIRST_TOKEN),
            per_token: Histogram::new(histogram::PER_TOKEN),
        }
    }
}

impl Series {
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn estimated(&self) -> u64 {
        self.estimated.load(Ordering::Relaxed)
    }
}
