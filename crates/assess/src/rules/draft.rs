//! A finding without its texts.

use vigie_model::{Confidence, EvidenceKind, LeakKind, Part, Severity};

use crate::input::AssessmentInput;

/// Result of a rule: a finding without its texts.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) confidence: Confidence,
    pub(super) evidence: EvidenceKind,
    /// What was seen; the general text follows it.
    pub(super) detail: String,
    /// The severity, if it is not the default.
    pub(super) severity: Option<Severity>,
    /// The part of the endpoint that it is about; `None`: all of it.
    pub(super) part: Option<Part>,
    pub(super) advisories: Vec<String>,
    /// The case that selects the texts.
    pub(super) case: Option<&'static str>,
    /// Whether the evidence holds whatever the product is, so that the confidence in the product does not limit it.
    pub(super) without_product: bool,
}

impl Draft {
    /// A finding that was observed, with high confidence.
    pub(super) fn observed(detail: impl Into<String>) -> Self {
        Self::new(Confidence::High, EvidenceKind::Observed, detail.into())
    }

    /// A finding that was inferred.
    pub(super) fn inferred(confidence: Confidence, detail: impl Into<String>) -> Self {
        Self::new(confidence, EvidenceKind::Inferred, detail.into())
    }

    fn new(confidence: Confidence, evidence: EvidenceKind, detail: String) -> Self {
        Self {
            confidence,
            evidence,
            detail,
            severity: None,
            part: None,
            advisories: Vec::new(),
            case: None,
            without_product: false,
        }
    }

    /// A finding that requests were answered without credentials, if any leaked this kind of data.
    pub(super) fn leak(input: &AssessmentInput<'_>, kind: LeakKind) -> Option<Self> {
        let requests = input.leaking_requests(kind);
        (!requests.is_empty()).then(|| Self::observed(format!("{}. ", requests.join(", "))))
    }

    pub(super) fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    pub(super) fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    pub(super) fn about(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }

    pub(super) fn advisories(mut self, advisories: Vec<String>) -> Self {
        self.advisories = advisories;
        self
    }

    pub(super) fn case(mut self, case: &'static str) -> Self {
        self.case = Some(case);
        self
    }

    pub(super) fn without_product(mut self) -> Self {
        self.without_product = true;
        self
    }
}
