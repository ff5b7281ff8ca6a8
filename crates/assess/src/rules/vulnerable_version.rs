//! `vulnerable-version`: advisories apply to the version.

use vigie_catalog::Product;
use vigie_model::{Confidence, FindingKind, Severity, Verdict};

use super::draft::Draft;
use super::{Check, Rule};
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "vulnerable-version",
    kind: FindingKind::Vulnerable,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, _product: &Product) -> Option<Draft> {
    // A disputed advisory is shown with a mark, but raises no alarm by itself.
    let affecting: Vec<_> = input
        .advisories
        .iter()
        .filter(|advisory| advisory.verdict == Verdict::Affected && !advisory.disputed)
        .collect();
    let exploited = affecting.iter().filter(|advisory| advisory.exploited).count();
    let worst = affecting.iter().map(|advisory| advisory.severity).max()?;
    let severity = if exploited > 0 { Severity::Critical } else { worst };
    let confidence = affecting.iter().map(|advisory| advisory.confidence).max();
    let confidence = confidence.unwrap_or(Confidence::Medium).min(input.confidence.version);
    let version = input.version.known().map_or("?", String::as_str);
    let mut detail = match affecting.as_slice() {
        [one] => format!("{} applies to {version}", one.id),
        several => format!("{} advisories apply to {version}", several.len()),
    };
    if exploited > 0 {
        detail.push_str(&format!(", {exploited} of them known to be exploited"));
    }
    detail.push_str(". ");
    let draft = Draft::inferred(confidence, detail)
        .severity(severity)
        .advisories(affecting.iter().map(|advisory| advisory.id.clone()).collect());
    Some(if input.confidence.version_is_claim {
        draft.case("by-word")
    } else {
        draft
    })
}
