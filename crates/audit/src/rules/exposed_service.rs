//! A Kubernetes service that leads to a server from outside the cluster.

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
        for opening in openings.into_iter().filter(|opening| opening.way == Way::Service) {
            let mut draft =
                Draft::new("exposed-service", opening.span, served.called().value).with("product", served.product.name.as_str());
            draft = match &opening.reach {
                Reach::Certain(what) => {
                    draft.severity = Some(Severity::Medium);
                    draft.with("reach", format!("addresses {what}"))
                }
                _ => draft.with("reach", "everyone who reaches the cluster's nodes or its load balancer"),
            };
            if authenticates.is_none() {
                draft.confidence = Some(Confidence::Medium);
            }
            found.push(draft);
        }
    }
}
