//! `open-signup`: anyone can create an account.

use vigie_catalog::Product;
use vigie_model::{FindingKind, Posture};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "open-signup",
    kind: FindingKind::Exposure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, _product: &Product) -> Option<Draft> {
    (input.posture() == Some(Posture::Signup)).then(|| Draft::observed(""))
}
