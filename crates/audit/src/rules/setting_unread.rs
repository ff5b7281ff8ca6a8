//! A setting that somebody wrote and that the version that is started does not read.

use vigie_model::Severity;

use super::settings::written;
use super::{Draft, Scene};

pub(super) fn check(scene: &Scene<'_>, found: &mut Vec<Draft>) {
    for served in scene.served {
        for one in served.settings.iter().filter(|one| !one.is_read && one.value.is_some()) {
            let guards = one.setting.audit.as_deref() == Some("no-authentication") || one.setting.secret;
            let version = served.workload.image_version().map(|version| version.value).unwrap_or_default();
            let mut draft = Draft::new("setting-unread", one.span, served.called().value)
                .with("product", served.product.name.as_str())
                .with("setting", written(one))
                .with("version", version);
            if !guards {
                draft.severity = Some(Severity::Low);
            }
            found.push(draft);
        }
    }
}
