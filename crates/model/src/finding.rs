//! Something the owner should act on; the same type from a remote scan and from a host audit.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How bad it is. The order is the order of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

impl Confidence {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether the thing itself was seen, or follows from something that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// Seen.
    Observed,
    /// Follows from what was seen; the effect itself was not exercised.
    Inferred,
}

/// A place in a standard that a finding belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Standard {
    /// `owasp-llm-2025`, `mitre-atlas`, `anssi-genai`, `cwe`, `cis-8.1`.
    pub scheme: String,
    /// The id within it, e.g. `LLM10` or `AML.T0132`.
    pub id: String,
}

/// Something the owner should act on. In JSON it is one object with the keys of its [`Claim`] and its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is about: `address:port`, and a model, a tool or an advisory where it is about one.
    pub subject: String,
    /// Set when a baseline accepts it: the reason given there.
    pub accepted: Option<String>,
    /// What it says.
    pub claim: Arc<Claim>,
}

/// What a finding says, whatever it is about: servers that say the same share it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The rule's id, stable.
    pub id: String,
    /// How bad it is here.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Seen or inferred.
    pub evidence: EvidenceKind,
    /// One line.
    pub title: String,
    /// What was seen and what follows.
    pub detail: String,
    /// What to do, for this product.
    pub remedy: String,
    /// Where it stands in the standards.
    pub standards: Arc<[Standard]>,
    /// Advisory ids, for `vulnerable-version`.
    pub advisories: Vec<String>,
}

impl Deref for Finding {
    type Target = Claim;

    fn deref(&self) -> &Claim {
        &self.claim
    }
}

impl DerefMut for Finding {
    /// The claim, of this finding alone from now on.
    fn deref_mut(&mut self) -> &mut Claim {
        Arc::make_mut(&mut self.claim)
    }
}

/// The keys of a finding in JSON, in their order.
#[derive(Serialize, Deserialize)]
struct Flat<'f> {
    id: Cow<'f, str>,
    severity: Severity,
    confidence: Confidence,
    evidence: EvidenceKind,
    subject: Cow<'f, str>,
    title: Cow<'f, str>,
    detail: Cow<'f, str>,
    remedy: Cow<'f, str>,
    standards: Cow<'f, Arc<[Standard]>>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    advisories: Cow<'f, [String]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<Cow<'f, str>>,
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claim = &*self.claim;
        Flat {
            id: Cow::Borrowed(&claim.id),
            severity: claim.severity,
            confidence: claim.confidence,
            evidence: claim.evidence,
            subject: Cow::Borrowed(&self.subject),
            title: Cow::Borrowed(&claim.title),
            detail: Cow::Borrowed(&claim.detail),
            remedy: Cow::Borrowed(&claim.remedy),
            standards: Cow::Borrowed(&claim.standards),
            advisories: Cow::Borrowed(&claim.advisories),
            accepted: self.accepted.as_deref().map(Cow::Borrowed),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = Flat::deserialize(deserializer)?;
        Ok(Self {
            subject: flat.subject.into_owned(),
            accepted: flat.accepted.map(Cow::into_owned),
            claim: Arc::new(Claim {
                id: flat.id.into_owned(),
                severity: flat.severity,
                confidence: flat.confidence,
                evidence: flat.evidence,
                title: flat.title.into_owned(),
                detail: flat.detail.into_owned(),
                remedy: flat.remedy.into_owned(),
                standards: flat.standards.into_owned(),
                advisories: flat.advisories.into_owned(),
            }),
        })
    }
}
