//! The description of a rule, apart from its findings.

use vigie_model::FindingKind;

/// The description of a rule: its kind, its texts and its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// The id, as in a finding's claim.
    pub id: String,
    /// The kind of its findings.
    pub kind: FindingKind,
    /// The title, one line, without the particulars of one endpoint.
    pub title: String,
    /// What it means and why it matters.
    pub help: String,
    /// The address of its page.
    pub url: String,
}

/// The kind of a rule's findings; `None`: the rule is not described, because a later version of vigie wrote the record.
pub(crate) fn kind_of(id: &str, rules: &[RuleText]) -> Option<FindingKind> {
    rules.iter().find(|rule| rule.id == id).map(|rule| rule.kind)
}
