//! Whether an advisory applies, in three values.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

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

/// The advisories held against one version, and whether there are any that could be. The servers of one version share them.
///
/// It is the list of verdicts for whoever reads it; in a record the list stands under `advisories`, and why it is empty under
/// `advisory_coverage`.
#[derive(Clone, Debug, PartialEq)]
pub struct Advised {
    verdicts: Arc<[AdvisoryVerdict]>,
    gap: Option<AdvisoryCoverage>,
}

impl Advised {
    /// Verdicts on a product that is covered so.
    #[must_use]
    pub fn new(verdicts: Arc<[AdvisoryVerdict]>, coverage: AdvisoryCoverage) -> Self {
        Self {
            verdicts,
            // Where advisories list it, the verdicts say so.
            gap: (coverage != AdvisoryCoverage::Listed).then_some(coverage),
        }
    }

    /// As a record says it.
    #[must_use]
    pub fn as_recorded(verdicts: Arc<[AdvisoryVerdict]>, coverage: Option<AdvisoryCoverage>) -> Self {
        Self {
            verdicts,
            gap: coverage.filter(|coverage| *coverage != AdvisoryCoverage::Listed),
        }
    }

    /// Why no advisory is held against the product; `None`: some list it, or nothing was said of it (an old record, a product that is
    /// not known).
    #[must_use]
    pub fn coverage(&self) -> Option<AdvisoryCoverage> {
        self.gap
    }

    /// Whether an empty list says nothing, because nobody looked.
    #[must_use]
    pub fn is_not_covered(&self) -> bool {
        self.gap == Some(AdvisoryCoverage::NotCovered)
    }

    /// Whether both hold one and the same list, not only equal ones.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.gap == other.gap && Arc::ptr_eq(&self.verdicts, &other.verdicts)
    }
}

impl Deref for Advised {
    type Target = Arc<[AdvisoryVerdict]>;

    fn deref(&self) -> &Self::Target {
        &self.verdicts
    }
}

impl DerefMut for Advised {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.verdicts
    }
}

impl From<Arc<[AdvisoryVerdict]>> for Advised {
    fn from(verdicts: Arc<[AdvisoryVerdict]>) -> Self {
        Self { verdicts, gap: None }
    }
}

impl From<Vec<AdvisoryVerdict>> for Advised {
    fn from(verdicts: Vec<AdvisoryVerdict>) -> Self {
        Self::from(Arc::from(verdicts))
    }
}

impl<const N: usize> From<[AdvisoryVerdict; N]> for Advised {
    fn from(verdicts: [AdvisoryVerdict; N]) -> Self {
        Self::from(Arc::from(verdicts))
    }
}
