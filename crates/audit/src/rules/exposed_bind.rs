//! A server that listens on an address of the host that other machines reach.

use vigie_model::Confidence;

use super::{Draft, Scene};
use crate::served::Exposure;

pub(super) fn check(scene: &Scene<'_>, found: &mut Vec<Draft>) {
    for served in scene.served {
        let Exposure::Bound(span) = served.exposure(scene.workloads) else {
            continue;
        };
        let authenticates = served.authenticates();
        if authenticates == Some(true) {
            continue;
        }
        let mut draft = Draft::new("exposed-bind", span, served.called().value).with("product", served.product.name.as_str());
        let setting = served.of_rule("exposed-bind").find(|one| one.span == span);
        if let Some(one) = setting {
            draft.fixes = one.setting.fixes().collect();
            if one.value.is_none() {
                draft = draft.relying_on(format!(
                    "nothing sets {}, and by default it listens on every address",
                    one.setting.id
                ));
            }
        }
        if authenticates.is_none() {
            draft.confidence = Some(Confidence::Medium);
        }
        found.push(draft);
    }
}
