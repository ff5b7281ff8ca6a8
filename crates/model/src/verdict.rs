//! Verdicts of advisories: affected, not affected or unknown.

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
    /// It cannot be determined.
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

/// Whether the advisories cover a product. An empty list of verdicts means that none applies only if they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdvisoryCoverage {
    /// At least one advisory lists the product.
    Listed,
    /// Advisories for the product were searched for, and none was found.
    NoneFound,
    /// Nobody searched: whether an advisory applies is unknown.
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

/// The verdict of an advisory for one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdvisoryVerdict {
    /// The advisory's id, e.g. `CVE-2024-37032`.
    pub id: String,
    /// Whether it applies.
    pub verdict: Verdict,
    /// The reason, in a few words.
    pub why: String,
    /// The advisory's own severity.
    pub severity: Severity,
    /// Whether it is known to be exploited (according to CISA KEV or the record).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exploited: bool,
    /// Whether the vendor disputes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disputed: bool,
    /// The first fixed version, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// Conditions that cannot be seen from outside (operating system, an option).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// The confidence in the verdict; lower if it has such conditions.
    pub confidence: crate::Confidence,
}

/// The verdicts of the advisories for one version, and whether the product is covered. Servers of the same version share them.
///
/// It dereferences to the list of verdicts. In a record the list is `advisories`, and the reason why it is empty is `advisory_coverage`.
#[derive(Clone, Debug, PartialEq)]
pub struct Advised {
    verdicts: Arc<[AdvisoryVerdict]>,
    gap: Option<AdvisoryCoverage>,
}

impl Advised {
    /// Verdicts for a product with this coverage.
    #[must_use]
    pub fn new(verdicts: Arc<[AdvisoryVerdict]>, coverage: AdvisoryCoverage) -> Self {
        Self {
            verdicts,
            // If advisories list the product, the verdicts show it.
            gap: (coverage != AdvisoryCoverage::Listed).then_some(coverage),
        }
    }

    /// Verdicts and coverage as read from a record.
    #[must_use]
    pub fn as_recorded(verdicts: Arc<[AdvisoryVerdict]>, coverage: Option<AdvisoryCoverage>) -> Self {
        Self {
            verdicts,
            gap: coverage.filter(|coverage| *coverage != AdvisoryCoverage::Listed),
        }
    }

    /// Why there are no verdicts; `None`: advisories list the product, or the coverage is unknown (an old record, an unknown product).
    #[must_use]
    pub fn coverage(&self) -> Option<AdvisoryCoverage> {
        self.gap
    }

    /// Whether an empty list has no meaning, because nobody searched for advisories.
    #[must_use]
    pub fn is_not_covered(&self) -> bool {
        self.gap == Some(AdvisoryCoverage::NotCovered)
    }

    /// Whether both share the same allocation, not only equal lists.
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
