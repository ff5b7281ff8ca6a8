//! `paid-quota-exposed`: anyone can use models that run on the owner's account elsewhere.

use vigie_catalog::Product;
use vigie_model::{Confidence, FindingKind};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "paid-quota-exposed",
    kind: FindingKind::Exposure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, _product: &Product) -> Option<Draft> {
    let remote = input.models().iter().filter(|model| model.remote.known() == Some(&true));
    let names: Vec<&str> = remote.map(|model| model.name.as_str()).collect();
    if !input.is_open() || names.is_empty() {
        return None;
    }
    let mut detail = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        detail.push_str(&format!(" and {} more", names.len() - 3));
    }
    detail.push_str(". ");
    Some(Draft::inferred(Confidence::Medium, detail))
}
