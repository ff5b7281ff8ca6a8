//! The contents of a scope file: who authorised what, until when.

use std::fmt;

use chrono::NaiveDate;
use vigie_model::address::Hosts;
use vigie_model::{Effect, EffectSet};

use crate::ports::Ports;
use crate::rate::limits::ScanLimits;
use crate::window::Window;

/// The effects that a scope file may allow besides reading.
pub const GRANTABLE: EffectSet = EffectSet::EMPTY.with(Effect::Infer).with(Effect::Load);

/// A scope file that was parsed without a mistake and had not expired.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeFile {
    /// Who is responsible for the ranges.
    pub owner: String,
    /// The contact: a mail address or a URL.
    pub contact: String,
    /// Who authorised the scan.
    pub authorised_by: Option<String>,
    /// A reference, such as a ticket or a contract.
    pub reference: Option<String>,
    /// The last day on which it is valid, in UTC.
    pub expires: NaiveDate,
    /// When scanning is allowed; `None` means always.
    pub window: Option<Window>,
    /// The place from which the scan is made.
    pub vantage: Option<String>,
    /// What may be scanned.
    pub ranges: Vec<RangeEntry>,
    /// What must not be scanned.
    pub excludes: Vec<Exclude>,
    /// The limits.
    pub limits: ScanLimits,
    /// The names of the opt-out lists, as written.
    pub opt_out: Vec<String>,
}

/// A `[[range]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RangeEntry {
    /// What may be scanned.
    pub hosts: Hosts,
    /// The ports that may be scanned; `None` means any.
    pub ports: Option<Ports>,
    /// Whether the scope's owner owns these hosts.
    pub owner: bool,
    /// The effects that a scan may cause on these hosts besides reading, all of them in [`GRANTABLE`]: with `infer`, `--prove` may send
    /// a prompt; with `load`, a model may be loaded for it.
    pub allow: EffectSet,
    /// What is excluded from it.
    pub exclusions: Vec<Hosts>,
    /// A note.
    pub note: Option<String>,
    /// The line on which it starts.
    pub line: usize,
}

/// An `[[exclude]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exclude {
    /// What is excluded.
    pub hosts: Hosts,
    /// The reason.
    pub reason: String,
    /// The date since which it is excluded.
    pub date: NaiveDate,
    /// The line on which it starts.
    pub line: usize,
}

/// Every mistake in a scope file, by line. Nothing of the file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeErrors(pub Vec<ScopeProblem>);

/// A mistake in a scope file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeProblem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for ScopeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope file is rejected:")?;
        self.0.iter().try_for_each(|p| write!(f, "\n  line {}: {}", p.line, p.message))
    }
}

impl std::error::Error for ScopeErrors {}
