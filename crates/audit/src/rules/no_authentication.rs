//! A server that could ask for a key or a login, and does not.

use vigie_catalog::Judgement;
use vigie_model::Confidence;

use super::{Draft, Scene};
use crate::served::Exposure;

const ID: &str = "no-authentication";

pub(super) fn check(scene: &Scene<'_>, found: &mut Vec<Draft>) {
    for served in scene.served {
        if served.authenticates() != Some(false) {
            continue;
        }
        // What is written counts more than what is left out.
        let unsafe_ones: Vec<_> = served.of_rule(ID).filter(|one| one.judgement == Judgement::Unsafe).collect();
        let written = unsafe_ones.iter().find(|one| one.value.is_some());
        let Some(one) = written.or_else(|| unsafe_ones.first()) else {
            continue;
        };
        let confidence = match served.exposure(scene.workloads) {
            // A server that no other machine reaches needs no key, unless somebody wrote that there is none.
            Exposure::Closed if written.is_none() => continue,
            Exposure::Unknown if written.is_none() => Some(Confidence::Low),
            Exposure::Closed | Exposure::Unknown => Some(Confidence::Medium),
            Exposure::Opened(_) | Exposure::Bound(_) => None,
        };
        let mut draft = Draft::new(ID, one.span, served.called().value)
            .with("product", served.product.name.as_str())
            .with("setting", super::settings::written(one))
            .with("value", super::settings::shown(one));
        draft.fixes = one.setting.fixes().collect();
        draft.confidence = confidence;
        found.push(draft);
    }
}
