//! The OSV format, as far as vigie's files use it, and vigie's own words in `database_specific`.
//!
//! OSV schema 1.7, <https://ossf.github.io/osv-schema/>. Keys of OSV that are not used here are passed over, so that a
//! folder may hold records from elsewhere; vigie's own are closed, so that a mistyped one is an error.

use serde::{Deserialize, Serialize};
use vigie_model::{Severity, VersionOrder};

/// One record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema_version: Option<String>,
    pub(crate) id: String,
    pub(crate) modified: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) withdrawn: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aliases: Vec<String>,
    pub(crate) affected: Vec<Affected>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) references: Vec<Reference>,
    pub(crate) database_specific: Specific<Vigie>,
}

/// One package and its versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Affected {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) package: Option<Package>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ranges: Vec<Range>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) versions: Vec<String>,
    /// The package, where OSV has no ecosystem for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) database_specific: Option<Specific<Package>>,
}

/// A package and where it is published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
}

/// A list of events on one line of versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Range {
    #[serde(rename = "type")]
    pub(crate) kind: RangeKind,
    pub(crate) events: Vec<Event>,
}

/// What the events name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RangeKind {
    #[serde(rename = "GIT")]
    Git,
    #[serde(rename = "SEMVER")]
    Semver,
    #[serde(rename = "ECOSYSTEM")]
    Ecosystem,
}

/// One event: exactly one of the three is there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Event {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) introduced: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fixed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_affected: Option<String>,
}

/// A page about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) url: String,
}

/// The place OSV leaves to a database's own words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Specific<T> {
    pub(crate) vigie: T,
}

/// vigie's own words about an advisory; `catalog/advisories/README.md` explains them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vigie {
    pub(crate) status: Status,
    pub(crate) known_exploited: bool,
    pub(crate) severity: Severity,
    pub(crate) effects: Vec<String>,
    pub(crate) order: VersionOrder,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tested_up_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fixed_in: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) disputed_fix: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) complete: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit_range: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undecided: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) doubt: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) conditions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// Where an advisory stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It stands.
    Published,
    /// The vendor disputes it: shown, and marked.
    Disputed,
    /// Its own authority took it back: never shown.
    Rejected,
}

/// The folder's `index.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    pub(crate) schema: String,
    pub(crate) date: chrono::NaiveDate,
    pub(crate) source: String,
    /// Products of the catalogue that were searched for and of which nothing published was found.
    #[serde(default)]
    pub(crate) searched: Vec<Searched>,
}

/// A product of which nothing published was found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Searched {
    /// Its id in the catalogue.
    pub(crate) product: String,
    /// The day of the search.
    pub(crate) date: chrono::NaiveDate,
}
