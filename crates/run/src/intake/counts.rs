//! Counts of an import.

use vigie_import::PassedOver;
use vigie_lake::{Committed, CommittedRequests};

/// What became of the records of a file or a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Observations, new or not.
    pub observations: u64,
    /// Requests of a gateway's log, new or not.
    pub requests: u64,
    /// Observations and requests that the lake did not have.
    pub added: u64,
    /// Observations and requests that the lake had already, or that were read before.
    pub duplicates: u64,
    /// Requests whose row in the lake was replaced, because they were erased from the log since.
    pub erased: u64,
    /// Requests that were left out: the lake has another one with the same number in the same log.
    pub differing: u64,
    /// Bad records. They are in the error file.
    pub bad: u64,
    /// Ports that did not answer.
    pub not_open: u64,
    /// Ports of other transports.
    pub not_tcp: u64,
    /// Hosts without a port.
    pub host_discovery: u64,
    /// Endpoints that no rule recognised, if only recognised ones are wanted.
    pub not_recognised: u64,
    /// Entries of a gateway's log about the gateway itself.
    pub gateway_events: u64,
}

impl ImportCounts {
    pub(crate) fn add(&mut self, done: Committed) {
        self.observations += (done.observations + done.duplicates) as u64;
        self.added += done.observations as u64;
        self.duplicates += done.duplicates as u64;
    }

    pub(crate) fn add_requests(&mut self, done: CommittedRequests) {
        self.requests += (done.added + done.duplicates + done.erased + done.differing) as u64;
        self.added += done.added as u64;
        self.duplicates += done.duplicates as u64;
        self.erased += done.erased as u64;
        self.differing += done.differing as u64;
    }

    pub(crate) fn pass_over(&mut self, passed: PassedOver) {
        self.not_open += passed.not_open;
        self.not_tcp += passed.not_tcp;
        self.host_discovery += passed.host_discovery;
        self.not_recognised += passed.not_recognised;
        self.gateway_events += passed.gateway_events;
    }

    /// Whether there was no record at all, neither good, bad nor passed over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let passed_over = self.not_open + self.not_tcp + self.host_discovery + self.not_recognised + self.gateway_events;
        self.observations + self.requests + self.duplicates + self.bad + passed_over == 0
    }
}
