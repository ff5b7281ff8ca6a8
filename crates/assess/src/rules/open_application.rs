//! `open-application`: anyone can use an application, a platform or a vector database.

use vigie_catalog::{Kind, Product};
use vigie_model::{Confidence, Effect, FindingKind, Severity};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;
use crate::open_routes::OpenRoutes;

pub(super) const RULE: Rule = Rule {
    id: "open-application",
    kind: FindingKind::Exposure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, product: &Product) -> Option<Draft> {
    let is_application = matches!(product.kind, Kind::Application | Kind::Platform | Kind::Vectors);
    if !is_application || !input.is_open() {
        return None;
    }
    // Without another open route of the application, only its page may be open.
    let has_effects = product.has_effect(Effect::Infer) || product.has_effect(Effect::Write);
    let only_page = has_effects && OpenRoutes::of(input, product, &[Effect::Infer, Effect::Write, Effect::Load]).is_empty();
    let draft = if only_page {
        Draft::inferred(Confidence::Medium, input.open_answer()).case("page")
    } else {
        Draft::observed(input.open_answer())
    };
    Some(draft.severity(if input.is_public() { Severity::Critical } else { Severity::High }))
}
