//! `system-prompt-readable`: a system prompt is readable without credentials.

use vigie_catalog::Product;
use vigie_model::{FindingKind, LeakKind, PromptClass};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "system-prompt-readable",
    kind: FindingKind::Disclosure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, _product: &Product) -> Option<Draft> {
    let names: Vec<&str> = input
        .models()
        .iter()
        .filter(|model| {
            let prompt = model.system_prompt.known();
            prompt.is_some_and(|prompt| matches!(prompt.class, PromptClass::Custom | PromptClass::Uncensored))
        })
        .map(|model| model.name.as_str())
        .collect();
    if !names.is_empty() {
        return Some(Draft::observed(format!("Of {}. ", names[..names.len().min(3)].join(", "))));
    }
    let leaked = !input.leaking_requests(LeakKind::SystemPrompt).is_empty();
    leaked.then(|| Draft::observed(""))
}
