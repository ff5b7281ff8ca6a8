//! `advisories-not-covered`: the version is known, but no advisories cover the product.

use vigie_catalog::Product;
use vigie_model::{AdvisoryCoverage, FindingKind};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "advisories-not-covered",
    kind: FindingKind::Information,
    check: Check::Product(check),
};

/// Without this finding, an empty list of advisories would look as if none applied.
fn check(input: &AssessmentInput<'_>, product: &Product) -> Option<Draft> {
    if input.advisories.coverage() != Some(AdvisoryCoverage::NotCovered) {
        return None;
    }
    let version = input.version.known()?;
    Some(Draft::observed(format!("{} {version}. ", product.name)))
}
