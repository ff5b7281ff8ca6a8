//! `open-inference`: anyone can use the models.

use vigie_catalog::{Kind, Product};
use vigie_model::{Confidence, Effect, FindingKind, Severity};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;
use crate::open_routes::OpenRoutes;

pub(super) const RULE: Rule = Rule {
    id: "open-inference",
    kind: FindingKind::Exposure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, product: &Product) -> Option<Draft> {
    let proved = input.exposure.inference_proved == Some(true);
    if !proved && (input.is_dormant() || !input.is_open()) {
        return None;
    }
    let mut interfaces = std::iter::once(product).chain(input.also_open());
    let product =
        interfaces.find(|product| matches!(product.kind, Kind::Inference | Kind::Gateway) && product.has_effect(Effect::Infer))?;
    let routes = OpenRoutes::of(input, product, &[Effect::Infer]);
    // The routes of a product family are those of an interface, but its list of models is evidence of what can be used.
    if routes.is_empty() && !product.family && !proved {
        return None;
    }
    // An effect that was not exercised has medium confidence at most.
    let draft = if proved {
        // An answer of a model is evidence whatever the product is.
        Draft::observed("A model answered \"What is 2+2?\" without credentials. ")
            .case("proved")
            .without_product()
    } else if product.family {
        Draft::inferred(Confidence::Low, input.open_answer()).case("family")
    } else if routes.certain.is_empty() {
        Draft::inferred(Confidence::Low, input.open_answer())
    } else {
        Draft::inferred(Confidence::Medium, input.open_answer())
    };
    let mut draft = draft.severity(if input.is_public() { Severity::Critical } else { Severity::High });
    if let Some(models) = input.exposure.models_counted().filter(|models| models.count > 0) {
        let least = if models.or_more { "at least " } else { "" };
        let plural = if models.count == 1 { "" } else { "s" };
        draft.detail.push_str(&format!("It lists {least}{} model{plural}. ", models.count));
    }
    let capabilities = input.exposure.capabilities.known();
    if capabilities.is_some_and(|all| all.iter().any(|capability| capability.as_str() == "tools")) {
        draft.detail.push_str("Some can call tools. ");
    }
    Some(draft)
}
