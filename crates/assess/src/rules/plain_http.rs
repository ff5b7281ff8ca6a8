//! `plain-http`: a server that other machines can reach does not use TLS.

use vigie_model::{FindingKind, Known, Reach};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "plain-http",
    kind: FindingKind::Exposure,
    check: Check::Endpoint(check),
};

fn check(input: &AssessmentInput<'_>) -> Option<Draft> {
    input.product?;
    let reachable = match input.exposure.reach.known() {
        Some(reach) => *reach != Reach::Loopback,
        None => !input.loopback,
    };
    (reachable && *input.tls == Known::Known(false)).then(|| Draft::observed(""))
}
