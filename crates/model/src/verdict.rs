//! Whether an advisory applies, in three values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Severity;

/// Whether an advisory applies to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// The version lies in a stated range.
    #[serde(rename = "affected")]
    Affected,
    /// At or above the fix, below the range, or in a gap between ranges.
    #[serde(rename = "not affected")]
    NotAffected,
    /// It cannot be told.
    #[serde(rename = "unknown")]
    Unknown,
}

impl Verdict {
    /// The words in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Affected => "affected",
            Self::NotAffected => "not affected",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether the advisories can answer for a product. An empty list of verdicts means *none applies* only where they can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdvisoryCoverage {
    /// At least one advisory lists the product.
    Listed,
    /// It was searched for, and nothing published was found.
    NoneFound,
    /// Nobody looked: whether an advisory applies is unknown.
    NotCovered,
}

impl AdvisoryCoverage {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::NoneFound => "none-found",
            Self::NotCovered => "not-covered",
        }
    }
}

impl fmt::Display for AdvisoryCoverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An advisory held against one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdvisoryVerdict {
    /// The advisory's id, e.g. `CVE-2024-37032`.
    pub id: String,
    /// Whether it applies.
    pub verdict: Verdict,
    /// Why, in a few words.
    pub why: String,
    /// The advisory's own severity.
    pub severity: Severity,
    /// Whether it is known to be exploited (CISA KEV or the record says so).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exploited: bool,
    /// Whether the vendor disputes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disputed: bool,
    /// The first fixed version, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// Conditions that a look from outside cannot see (operating system, an option).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// How sure the verdict is; lower where conditions cannot be seen.
    pub confidence: crate::Confidence,
}
