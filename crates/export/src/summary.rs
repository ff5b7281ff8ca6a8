//! The summary of a run: its parameters and its counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vigie_model::{Known, Observation, Severity, Timestamp, Verdict};

use crate::table::is_loopback_only;

/// A program, by name and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The knowledge that a run used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The catalogue's hash, `sha256:<hex>`.
    pub sha256: Known<String>,
    /// The catalogue's date, `YYYY-MM-DD`.
    pub date: Known<String>,
    /// The advisories' date, `YYYY-MM-DD`.
    pub advisories_date: Known<String>,
}

/// The summary of a run. The caller fills it in; [`Counts::add`] counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The program that made the report.
    pub tool: Tool,
    /// The scan's id.
    pub scan: Known<String>,
    /// The seed, in the form of `--seed`. It is text, because some JSON readers cannot represent 64-bit numbers.
    pub seed: Known<String>,
    /// The scope's hash.
    pub scope: Known<String>,
    /// The knowledge used.
    pub catalog: Catalog,
    /// When the run began.
    pub started: Known<Timestamp>,
    /// How long it took, in milliseconds.
    pub duration_ms: Known<u64>,
    /// Number of pairs of address and port that were tried.
    pub tried: Known<u64>,
    /// Whether the run was completed; false after an interrupt.
    pub complete: bool,
    /// Why the scan failed before it saw anything; absent: it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The counts.
    pub counts: Counts,
    /// Notes for the reader: expired baseline entries, skipped targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The recommended next command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Summary {
    /// The summary of a complete run of a tool; everything else is unknown.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let why = vigie_model::Why::NotCarried;
        Self {
            tool: Tool {
                name: name.into(),
                version: version.into(),
            },
            scan: Known::unknown(why),
            seed: Known::unknown(why),
            scope: Known::unknown(why),
            catalog: Catalog {
                sha256: Known::unknown(why),
                date: Known::unknown(why),
                advisories_date: Known::unknown(why),
            },
            started: Known::unknown(why),
            duration_ms: Known::unknown(why),
            tried: Known::unknown(why),
            complete: true,
            failed: None,
            counts: Counts::default(),
            notes: Vec::new(),
            next: None,
        }
    }
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Critical.
    pub critical: u64,
    /// High.
    pub high: u64,
    /// Medium.
    pub medium: u64,
    /// Low.
    pub low: u64,
    /// Info.
    pub info: u64,
}

impl FindingCounts {
    /// The count of one severity.
    #[must_use]
    pub fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Info => self.info,
        }
    }

    /// The sum over all severities.
    #[must_use]
    pub fn total(&self) -> u64 {
        Severity::ALL.iter().map(|severity| self.of(*severity)).sum()
    }

    /// The worst severity with a finding, with which `--fail-on` compares.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        Severity::ALL.into_iter().rev().find(|severity| self.of(*severity) > 0)
    }

    pub(crate) fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
            Severity::Info => self.info += 1,
        }
    }
}

/// Numbers of recognised endpoints with unknown values. They are not part of the other counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownCounts {
    /// Version unknown.
    pub version: u64,
    /// Posture unknown.
    pub posture: u64,
    /// Reach unknown.
    pub reach: u64,
    /// Models unknown.
    pub models: u64,
    /// Advisories with an unknown verdict.
    pub advisories: u64,
}

/// Counts over the endpoints of a run. `endpoints` is the sum of `recognised`, `unrecognised` and `suspects`; every other count is over
/// `recognised` and `unrecognised` endpoints only, except `suspect_findings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Endpoints that answered.
    pub endpoints: u64,
    /// Endpoints whose product is known.
    pub recognised: u64,
    /// Endpoints whose product is unknown.
    pub unrecognised: u64,
    /// Endpoints that may be a honeypot or an emulator, recognised or not.
    pub suspects: u64,
    /// Recognised endpoints that only programs on the same machine can reach.
    pub loopback_only: u64,
    /// Recognised endpoints by product id.
    pub products: BTreeMap<String, u64>,
    /// Recognised endpoints by posture; unknown postures are counted in `unknown`.
    pub postures: BTreeMap<String, u64>,
    /// Unrecognised endpoints by posture, if it is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unrecognised_postures: BTreeMap<String, u64>,
    /// Findings that no baseline accepts.
    pub findings: FindingCounts,
    /// Findings that a baseline accepts.
    pub accepted: u64,
    /// Findings on suspects.
    pub suspect_findings: u64,
    /// Advisories that apply, counted once per endpoint.
    pub affected: u64,
    /// Applicable advisories that are known to be exploited.
    pub exploited: u64,
    /// Recognised endpoints whose product has no advisories, by product id; `affected` says nothing about them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_covered: BTreeMap<String, u64>,
    /// Unknown values.
    pub unknown: UnknownCounts,
}

impl Counts {
    /// Counts an observation, to which the baseline must have been applied.
    pub fn add(&mut self, observation: &Observation) {
        self.endpoints += 1;
        if observation.deception.is_suspect() {
            self.suspects += 1;
            self.suspect_findings += observation.findings.len() as u64;
            return;
        }
        for finding in &observation.findings {
            if finding.accepted.is_some() {
                self.accepted += 1;
            } else {
                self.findings.add(finding.severity);
            }
        }
        for advisory in observation.advisories.iter() {
            match advisory.verdict {
                Verdict::Affected => {
                    self.affected += 1;
                    self.exploited += u64::from(advisory.exploited);
                }
                Verdict::Unknown => self.unknown.advisories += 1,
                Verdict::NotAffected => {}
            }
        }
        let Some(product) = observation.identity.product.known() else {
            self.unrecognised += 1;
            if let Some(posture) = observation.exposure.posture.known() {
                *self.unrecognised_postures.entry(posture.word().to_owned()).or_default() += 1;
            }
            return;
        };
        self.recognised += 1;
        *self.products.entry(product.clone()).or_default() += 1;
        if observation.advisories.is_not_covered() {
            *self.not_covered.entry(product.clone()).or_default() += 1;
        }
        let exposure = &observation.exposure;
        match exposure.posture.known() {
            Some(posture) => *self.postures.entry(posture.word().to_owned()).or_default() += 1,
            None => self.unknown.posture += 1,
        }
        match is_loopback_only(observation) {
            Some(only) => self.loopback_only += u64::from(only),
            None => self.unknown.reach += 1,
        }
        self.unknown.version += u64::from(!observation.identity.version.is_known());
        self.unknown.models += u64::from(!exposure.models.is_known());
    }
}
