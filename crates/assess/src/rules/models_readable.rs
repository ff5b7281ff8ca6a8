//! `models-readable`: the list of models is readable without credentials.

use vigie_catalog::Product;
use vigie_model::{FindingKind, LeakKind};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "models-readable",
    kind: FindingKind::Disclosure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, _product: &Product) -> Option<Draft> {
    let leaked = !input.leaking_requests(LeakKind::Models).is_empty();
    if !(leaked || (input.is_open() && !input.models().is_empty())) {
        return None;
    }
    let names: Vec<&str> = input.models().iter().take(3).map(|model| model.name.as_str()).collect();
    let detail = if names.is_empty() {
        String::new()
    } else {
        format!(
            "{}{}. ",
            names.join(", "),
            match input.exposure.models_counted() {
                Some(models) if models.count > 3 => {
                    let least = if models.or_more { "at least " } else { "" };
                    format!(" and {least}{} more", models.count - 3)
                }
                Some(models) if models.or_more => " and perhaps more".to_owned(),
                _ => String::new(),
            }
        )
    };
    Some(Draft::observed(detail))
}
