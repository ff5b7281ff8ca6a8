//! `empty-server-fillable`: a server without models lets anyone add some.

use vigie_catalog::Product;
use vigie_model::{Effect, FindingKind};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;
use crate::open_routes::OpenRoutes;

pub(super) const RULE: Rule = Rule {
    id: "empty-server-fillable",
    kind: FindingKind::Exposure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, product: &Product) -> Option<Draft> {
    if !(input.is_dormant() && input.is_open()) {
        return None;
    }
    let routes = OpenRoutes::of(input, product, &[Effect::Write, Effect::Load]);
    (!routes.is_empty()).then(|| Draft::inferred(routes.confidence(), input.open_answer() + &routes.sentence(product)))
}
