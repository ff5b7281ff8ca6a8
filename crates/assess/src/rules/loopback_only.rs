//! `loopback-only`: only programs on the same machine can reach the server.

use vigie_model::FindingKind;

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "loopback-only",
    kind: FindingKind::Information,
    check: Check::Endpoint(check),
};

fn check(input: &AssessmentInput<'_>) -> Option<Draft> {
    (input.is_loopback_only() && input.product.is_some()).then(|| Draft::observed(""))
}
