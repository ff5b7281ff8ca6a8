//! `uncensored-model`: a model without safeguards.

use vigie_catalog::Product;
use vigie_model::{Confidence, FindingKind, Known, Model, Part, Severity};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "uncensored-model",
    kind: FindingKind::Exposure,
    check: Check::ProductSubjects(check),
};

/// The name and the system prompt are separate signals, which are never combined.
fn check(input: &AssessmentInput<'_>, _product: &Product) -> Vec<Draft> {
    let by_name = draft(input, "name", Severity::Low, |model| &model.uncensored_by_name);
    let by_prompt = draft(input, "system prompt", Severity::Medium, |model| &model.uncensored_by_prompt);
    by_name.into_iter().chain(by_prompt).collect()
}

fn draft(input: &AssessmentInput<'_>, signal: &str, severity: Severity, flag: fn(&Model) -> &Known<bool>) -> Option<Draft> {
    let models = input.models().iter().filter(|model| flag(model).known() == Some(&true));
    let names: Vec<&str> = models.take(3).map(|model| model.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        Draft::observed(format!("By {signal}: {}. ", names.join(", ")))
            .confidence(Confidence::Medium)
            .severity(severity)
            .about(Part::Signal(signal.to_owned()))
    })
}
