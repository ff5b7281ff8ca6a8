//! `settings-readable`: settings are readable without credentials.

use vigie_catalog::Product;
use vigie_model::{FindingKind, LeakKind};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "settings-readable",
    kind: FindingKind::Disclosure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, _product: &Product) -> Option<Draft> {
    Draft::leak(input, LeakKind::Settings)
}
