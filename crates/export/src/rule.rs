//! What is known of a rule itself, apart from what it found.

use vigie_model::Finding;

/// What a rule's findings tell of, in the classes that incident handlers sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleKind {
    /// A known vulnerability applies to the version.
    Vulnerable,
    /// Something is readable that should not be.
    Disclosure,
    /// A service can be reached that should not be.
    Exposure,
}

/// A rule's own words, where the caller has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// The id, as in a finding's claim.
    pub id: String,
    /// One line, without the particulars of one endpoint.
    pub title: String,
    /// What it means and why it matters.
    pub help: String,
    /// Where the book describes it, if it is published.
    pub url: Option<String>,
    /// What its findings tell of.
    pub kind: RuleKind,
}

/// What a finding tells of: as the caller's rules say, else told from the finding itself.
///
/// Ids that end in `-readable` are disclosures; a finding that names advisories is a vulnerability.
pub(crate) fn kind_of(finding: &Finding, rules: &[RuleText]) -> RuleKind {
    if let Some(rule) = rules.iter().find(|rule| rule.id == finding.id) {
        return rule.kind;
    }
    if !finding.advisories.is_empty() || finding.id == "vulnerable-version" {
        RuleKind::Vulnerable
    } else if finding.id.ends_with("-readable") {
        RuleKind::Disclosure
    } else {
        RuleKind::Exposure
    }
}

/// Whether a finding tells what vigie does not know, and nothing of the server: whoever handles incidents has none.
pub(crate) fn is_of_vigie(finding: &Finding) -> bool {
    finding.id == "advisories-not-covered"
}
