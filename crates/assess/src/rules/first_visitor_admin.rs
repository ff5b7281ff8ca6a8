//! `first-visitor-admin`: the first visitor becomes the administrator.

use vigie_catalog::Product;
use vigie_model::{FindingKind, Posture};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "first-visitor-admin",
    kind: FindingKind::Exposure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, _product: &Product) -> Option<Draft> {
    (input.posture() == Some(Posture::FirstAdmin)).then(|| Draft::observed(""))
}
