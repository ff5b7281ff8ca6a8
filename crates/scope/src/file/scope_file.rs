//! The contents of a scope file: who authorised what, until when.

use std::fmt;

use chrono::NaiveDate;

use crate::address::hosts::Hosts;
use crate::ports::Ports;
use crate::rate::limits::ScanLimits;
use crate::window::Window;

/// A scope file that was read without a mistake and had not expired.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeFile {
    /// Who answers for the ranges.
    pub owner: String,
    /// A mail address or a URL.
    pub contact: String,
    /// Who authorised the scan.
    pub authorised_by: Option<String>,
    /// A ticket, a contract.
    pub reference: Option<String>,
    /// The last day on which it holds, in UTC.
    pub expires: NaiveDate,
    /// When scanning is allowed; `None`: always.
    pub window: Option<Window>,
    /// From where it is seen.
    pub vantage: Option<String>,
    /// What may be looked at.
    pub ranges: Vec<RangeEntry>,
    /// What may not.
    pub excludes: Vec<Exclude>,
    /// How fast.
    pub limits: ScanLimits,
    /// The opt-out lists it names, as written.
    pub opt_out: Vec<String>,
}

/// One `[[range]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RangeEntry {
    /// What it allows to be looked at.
    pub hosts: Hosts,
    /// On these ports; `None`: on any.
    pub ports: Option<Ports>,
    /// Whether the scope's owner owns these hosts.
    pub owner: bool,
    /// Whether inference may be proved there.
    pub infer: bool,
    /// Whether a model may be loaded for that.
    pub load: bool,
    /// What is left out of it.
    pub exclusions: Vec<Hosts>,
    /// A note.
    pub note: Option<String>,
    /// The line on which it starts.
    pub line: usize,
}

/// One `[[exclude]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exclude {
    /// What is left out.
    pub hosts: Hosts,
    /// Why.
    pub reason: String,
    /// Since when.
    pub date: NaiveDate,
    /// The line on which it starts.
    pub line: usize,
}

/// Every mistake of a scope file, in the order of its lines. Nothing of the file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeErrors(pub Vec<ScopeProblem>);

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeProblem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for ScopeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope file is refused as a whole:")?;
        self.0.iter().try_for_each(|p| write!(f, "\n  line {}: {}", p.line, p.message))
    }
}

impl std::error::Error for ScopeErrors {}
