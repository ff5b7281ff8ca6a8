//! Findings: what the owner should act on. Remote scans and host audits use the same type.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fix::Fix;
use crate::subject::Subject;

/// The severity of a finding, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Information only.
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
    /// Every severity, in ascending order.
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

/// The confidence in a finding.
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

/// Whether a finding was seen or inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// Seen.
    Observed,
    /// Inferred from what was seen; the effect itself was not exercised.
    Inferred,
}

/// The kind of a finding, in the classes by which incident handlers sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// A known vulnerability applies to the version.
    Vulnerable,
    /// Information is readable that should not be.
    Disclosure,
    /// A service is reachable or usable that should not be.
    Exposure,
    /// The endpoint may not be a real server.
    Deception,
    /// A fact that is no incident: a limit of vigie's knowledge, or a server that no other machine can reach.
    Information,
}

/// A reference to a standard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Standard {
    /// `owasp-llm-2025`, `mitre-atlas`, `anssi-genai`, `cwe`, `cis-8.1`.
    pub scheme: String,
    /// The id in the standard, e.g. `LLM10` or `AML.T0132`.
    pub id: String,
}

/// Where in a configuration a finding is: a place in a file, or a process or unit that runs. What does not apply is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// The file, as it was given to the audit, joined with the path below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The process, by its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// The unit or container that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl fmt::Display for Location {
    /// `compose.yaml:5:9`, `process 4711 of ollama.service`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(file)?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, ":{number}")?;
            }
            return Ok(());
        }
        match (self.process, &self.unit) {
            (Some(process), Some(unit)) => write!(f, "process {process} of {unit}"),
            (Some(process), None) => write!(f, "process {process}"),
            (None, Some(unit)) => f.write_str(unit),
            (None, None) => f.write_str("this machine"),
        }
    }
}

/// Something that the owner should act on. In JSON it is one object with the keys of its [`Claim`] and its own keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The subject: `address:port` and the path prefix, followed by the part that it concerns, if it is not about the whole. The name by
    /// which the endpoint was reached is in the observation alone.
    pub subject: Subject,
    /// Where in a configuration it is; `None` for what a scan saw from outside.
    pub location: Option<Location>,
    /// The reason given in the baseline, if the baseline accepts it.
    pub accepted: Option<String>,
    /// The part that is independent of the subject.
    pub claim: Arc<Claim>,
}

/// The part of a finding that is independent of its subject. Findings with the same content share it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The rule's id, stable.
    pub id: String,
    /// The severity in this case.
    pub severity: Severity,
    /// The confidence.
    pub confidence: Confidence,
    /// Whether it was seen or inferred.
    pub evidence: EvidenceKind,
    /// The title, one line.
    pub title: String,
    /// What was seen, and the consequence.
    pub detail: String,
    /// The remedy for this product.
    pub remedy: String,
    /// Changes of the product's settings that act on the finding. A setting that can be set in several places has one for each.
    pub fixes: Arc<[Fix]>,
    /// References to standards.
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
    /// The claim, copied first if other findings share it.
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
    subject: Cow<'f, Subject>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<Cow<'f, Location>>,
    title: Cow<'f, str>,
    detail: Cow<'f, str>,
    remedy: Cow<'f, str>,
    #[serde(default, skip_serializing_if = "<[Fix]>::is_empty")]
    fixes: Cow<'f, Arc<[Fix]>>,
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
            location: self.location.as_ref().map(Cow::Borrowed),
            title: Cow::Borrowed(&claim.title),
            detail: Cow::Borrowed(&claim.detail),
            remedy: Cow::Borrowed(&claim.remedy),
            fixes: Cow::Borrowed(&claim.fixes),
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
            location: flat.location.map(Cow::into_owned),
            accepted: flat.accepted.map(Cow::into_owned),
            claim: Arc::new(Claim {
                id: flat.id.into_owned(),
                severity: flat.severity,
                confidence: flat.confidence,
                evidence: flat.evidence,
                title: flat.title.into_owned(),
                detail: flat.detail.into_owned(),
                remedy: flat.remedy.into_owned(),
                fixes: flat.fixes.into_owned(),
                standards: flat.standards.into_owned(),
                advisories: flat.advisories.into_owned(),
            }),
        })
    }
}
