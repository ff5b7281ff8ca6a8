//! The parts of the OSV format that vigie uses, and vigie's own fields in `database_specific`.
//!
//! OSV schema 1.7, <https://ossf.github.io/osv-schema/>. Other OSV keys are ignored, so that a folder
//! can contain records from other databases. Unknown keys in vigie's own fields are errors, to catch typing errors.

use serde::{Deserialize, Serialize};
use vigie_model::{Severity, VersionOrder};

/// An OSV record.
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

/// An affected package and its versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Affected {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) package: Option<Package>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ranges: Vec<Range>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) versions: Vec<String>,
    /// The package, if OSV has no ecosystem for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) database_specific: Option<Specific<Package>>,
}

/// A package and its ecosystem.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
}

/// A list of events in one sequence of versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Range {
    #[serde(rename = "type")]
    pub(crate) kind: RangeKind,
    pub(crate) events: Vec<Event>,
}

/// The type of versions in the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RangeKind {
    #[serde(rename = "GIT")]
    Git,
    #[serde(rename = "SEMVER")]
    Semver,
    #[serde(rename = "ECOSYSTEM")]
    Ecosystem,
}

/// An event: exactly one of the three fields is set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Event {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) introduced: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fixed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_affected: Option<String>,
}

/// A reference.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) url: String,
}

/// OSV's place for fields of a database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Specific<T> {
    pub(crate) vigie: T,
}

/// vigie's own fields of an advisory, described in `catalog/advisories/README.md`.
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

/// The status of an advisory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is valid.
    Published,
    /// The vendor disputes it: it is shown and marked.
    Disputed,
    /// Its authority withdrew it: it is never shown.
    Rejected,
}

/// The folder's `index.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    pub(crate) schema: String,
    pub(crate) date: chrono::NaiveDate,
    pub(crate) source: String,
    /// Products of the catalogue for which a search found no advisory.
    #[serde(default)]
    pub(crate) searched: Vec<Searched>,
}

/// A product for which a search found no advisory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Searched {
    /// The id in the catalogue.
    pub(crate) product: String,
    /// The day of the search.
    pub(crate) date: chrono::NaiveDate,
}
