//! `suspected-deception`: the endpoint may be a honeypot or an emulator.

use vigie_model::{Confidence, FindingKind};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "suspected-deception",
    kind: FindingKind::Deception,
    check: Check::Endpoint(check),
};

fn check(input: &AssessmentInput<'_>) -> Option<Draft> {
    if !input.deception.is_suspect() {
        return None;
    }
    let tells: Vec<String> = input
        .deception
        .tells
        .iter()
        .map(|tell| match tell.seen.as_str() {
            "" => tell.id.clone(),
            seen => format!("{seen} ({})", tell.id),
        })
        .collect();
    Some(Draft::observed(format!("{}. ", tells.join("; "))).confidence(Confidence::Medium))
}
