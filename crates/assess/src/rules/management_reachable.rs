//! `management-reachable`: anyone can load, change or delete models.

use vigie_catalog::Product;
use vigie_model::{Effect, FindingKind};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;
use crate::open_routes::OpenRoutes;

pub(super) const RULE: Rule = Rule {
    id: "management-reachable",
    kind: FindingKind::Exposure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, product: &Product) -> Option<Draft> {
    if !input.is_open() {
        return None;
    }
    let routes = OpenRoutes::of(input, product, &[Effect::Write, Effect::Load]);
    (!routes.is_empty()).then(|| Draft::inferred(routes.confidence(), routes.sentence(product)))
}
