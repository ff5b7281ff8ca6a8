//! Settings of products whose value is unsafe. The catalogue says which, and under which id they are reported.

use vigie_catalog::Judgement;
use vigie_model::SettingPlace;

use super::{Draft, Scene};
use crate::served::{Effective, Exposure};
use crate::text::Persona;

/// Ids that have a check of their own.
const OTHERS: [&str; 2] = ["exposed-bind", "no-authentication"];

pub(super) fn check(scene: &Scene<'_>, found: &mut Vec<Draft>) {
    for served in scene.served {
        let closed = served.exposure(scene.workloads) == Exposure::Closed;
        for one in &served.settings {
            let Some(rule) = one.setting.audit.as_deref().filter(|rule| !OTHERS.contains(rule)) else {
                continue;
            };
            if !one.is_read || one.judgement != Judgement::Unsafe {
                continue;
            }
            let mut draft = Draft::new(rule, one.span, served.called().value)
                .with("product", served.product.name.as_str())
                .with("setting", written(one))
                .with("value", shown(one));
            draft.fixes = one.setting.fixes().collect();
            if one.value.is_none() {
                // What nobody wrote is the product's own choice, and most people know it.
                draft.persona = Some(Persona::Auditor);
                draft = draft.relying_on("nothing sets it");
            }
            if closed {
                draft = draft.relying_on("no other machine reaches the server");
            }
            found.push(draft);
        }
    }
}

/// The setting as it would be written where its value stands.
pub(super) fn written(one: &Effective<'_>) -> String {
    let place = one.setting.places.iter().find(|place| match (place, &one.value) {
        (SettingPlace::Env(_), _) => true,
        (SettingPlace::Flag(_), _) => true,
        (SettingPlace::File { .. }, _) => false,
    });
    place
        .map(ToString::to_string)
        .or_else(|| one.setting.switches.first().map(|switch| switch.flag.clone()))
        .unwrap_or_else(|| one.setting.id.clone())
}

/// The value as it is shown: a secret is not.
pub(super) fn shown(one: &Effective<'_>) -> String {
    match &one.value {
        None => match &one.setting.default {
            Some(default) if !one.setting.secret => format!("not set, which means {default}"),
            _ => "not set".to_owned(),
        },
        Some(word) if word.text.trim().is_empty() => "empty".to_owned(),
        Some(_) if one.setting.secret => "a published or weak value".to_owned(),
        Some(word) => format!("\"{}\"", word.text),
    }
}
