//! The report of an import, `vigie.import/1`.

use std::path::PathBuf;

use serde::Serialize;
use vigie_import::{ChainReport, Unfinished};

use crate::intake::ImportCounts;

/// The report of an import, `vigie.import/1`.
#[derive(Debug, Serialize)]
pub struct Imported {
    /// `vigie.import/1`.
    pub schema: &'static str,
    /// The files in order; of an archive, the files in it.
    pub files: Vec<ImportedFile>,
    /// The error file, if a record was bad.
    pub errors: Option<PathBuf>,
    /// Whether the user stopped the import.
    pub interrupted: bool,
}

/// What became of a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ImportedFile {
    /// Its name: `archive: file` in an archive, `-` for standard input.
    pub file: String,
    /// The format it was read as.
    pub format: Option<&'static str>,
    /// Why it was not read, or not to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Where it ends early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<EarlyEnd>,
    /// Observations, new or not.
    pub observations: u64,
    /// Requests of a gateway's log, new or not.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Observations and requests that the lake did not have.
    pub added: u64,
    /// Observations and requests that the lake had already, or that were read before.
    pub duplicates: u64,
    /// Requests whose row in the lake was replaced, because they were erased from the log since.
    #[serde(skip_serializing_if = "is_zero")]
    pub erased: u64,
    /// Requests that were left out: the lake has another one with the same number in the same log.
    #[serde(skip_serializing_if = "is_zero")]
    pub differing: u64,
    /// Bad records.
    pub bad: u64,
    /// Ports that did not answer.
    pub not_open: u64,
    /// Ports of other transports.
    pub not_tcp: u64,
    /// Hosts without a port.
    #[serde(skip_serializing_if = "is_zero")]
    pub host_discovery: u64,
    /// Endpoints that no rule recognised, if only recognised ones were wanted.
    pub not_recognised: u64,
    /// Entries of a gateway's log about the gateway itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub gateway_events: u64,
    /// What the check of the chain of a gateway's log found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainReport>,
}

/// Where a file ends early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EarlyEnd {
    /// The line it ends on, from 1, of the unpacked text.
    pub line: u64,
    /// What is missing.
    pub reason: String,
    /// Whether something is missing for sure.
    pub certain: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ImportedFile {
    /// A file that was not read.
    pub(super) fn failed(file: String, reason: String) -> Self {
        Self {
            file,
            failed: Some(reason),
            ..Self::default()
        }
    }

    /// Whether something is missing at its end for sure.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|early| early.certain)
    }

    /// Whether it holds records, all of them bad.
    #[must_use]
    pub fn has_only_bad(&self) -> bool {
        let taken = self.observations + self.requests + self.gateway_events;
        self.failed.is_none() && self.bad > 0 && taken == 0 && !self.is_unfinished()
    }

    /// Whether the chain of a gateway's log is broken, or the lake has other entries of the log.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.differing > 0 || self.chain.as_ref().is_some_and(|chain| chain.broken > 0)
    }

    /// Whether it was read and holds no record.
    pub(super) fn has_no_record(&self) -> bool {
        self.failed.is_none() && self.unfinished.is_none() && self.counts().is_empty()
    }

    /// Its counts.
    #[must_use]
    pub fn counts(&self) -> ImportCounts {
        ImportCounts {
            observations: self.observations,
            requests: self.requests,
            added: self.added,
            duplicates: self.duplicates,
            erased: self.erased,
            differing: self.differing,
            bad: self.bad,
            not_open: self.not_open,
            not_tcp: self.not_tcp,
            host_discovery: self.host_discovery,
            not_recognised: self.not_recognised,
            gateway_events: self.gateway_events,
        }
    }

    pub(super) fn set_counts(&mut self, counts: ImportCounts) {
        self.observations = counts.observations;
        self.requests = counts.requests;
        self.erased = counts.erased;
        self.differing = counts.differing;
        self.gateway_events = counts.gateway_events;
        self.added = counts.added;
        self.duplicates = counts.duplicates;
        self.bad = counts.bad;
        self.not_open = counts.not_open;
        self.not_tcp = counts.not_tcp;
        self.host_discovery = counts.host_discovery;
        self.not_recognised = counts.not_recognised;
    }
}

impl From<Unfinished> for EarlyEnd {
    fn from(unfinished: Unfinished) -> Self {
        Self {
            line: unfinished.line,
            reason: unfinished.reason,
            certain: unfinished.certain,
        }
    }
}
