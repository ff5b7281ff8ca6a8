//! `partial-key`: some requests are answered without credentials although others need them.

use vigie_model::{Confidence, FindingKind, Posture};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "partial-key",
    kind: FindingKind::Exposure,
    check: Check::Endpoint(check),
};

fn check(input: &AssessmentInput<'_>) -> Option<Draft> {
    let protected = matches!(input.posture()?, Posture::Key | Posture::Login | Posture::Forbidden);
    let leaks = &input.exposure.leaks;
    if !protected || leaks.is_empty() {
        return None;
    }
    let requests: Vec<&str> = leaks.iter().map(|leak| leak.request.as_str()).collect();
    // That some requests are answered and all others refused was observed, whatever the product is.
    let confidence = match input.product {
        Some(_) => input.confidence.product,
        None => Confidence::Medium,
    };
    let detail = format!("{} answered without credentials. ", requests.join(", "));
    Some(Draft::observed(detail).confidence(confidence))
}
