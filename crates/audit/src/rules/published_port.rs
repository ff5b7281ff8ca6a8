//! A container's port that the host publishes to other machines.

use vigie_model::{Confidence, Severity};

use super::{Draft, Scene};
use crate::served::Exposure;
use crate::workload::{Reach, Way};

pub(super) fn check(scene: &Scene<'_>, found: &mut Vec<Draft>) {
    for served in scene.served {
        let Exposure::Opened(openings) = served.exposure(scene.workloads) else {
            continue;
        };
        let authenticates = served.authenticates();
        if authenticates == Some(true) {
            continue;
        }
        for opening in openings.into_iter().filter(|opening| opening.way == Way::Published) {
            let port = opening
                .outside
                .or(opening.inside)
                .map(|ports| ports.to_string())
                .unwrap_or_default();
            let mut draft = Draft::new("published-port", opening.span, served.called().value)
                .with("product", served.product.name.as_str())
                .with("port", port);
            draft = match &opening.reach {
                Reach::Certain(address) => {
                    draft.severity = Some(Severity::Medium);
                    draft.with("reach", format!("address {address}"))
                }
                _ => draft.with("reach", "every address of the host"),
            };
            if authenticates.is_none() {
                draft.confidence = Some(Confidence::Medium);
            }
            found.push(draft);
        }
    }
}
