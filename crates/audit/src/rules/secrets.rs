//! Secrets of a server that stand where others read them.

use vigie_catalog::Judgement;
use vigie_model::SettingPlace;

use super::settings::written;
use super::{Draft, Scene};

pub(super) fn check(scene: &Scene<'_>, found: &mut Vec<Draft>) {
    for served in scene.served {
        for one in served.settings.iter().filter(|one| one.setting.secret) {
            let Some(word) = one.value.as_ref().filter(|word| !word.text.trim().is_empty()) else {
                continue;
            };
            let what = served.called().value;
            // A published value is reported as such.
            if let Some(variable) = word.by_default_of.as_ref().filter(|_| one.judgement != Judgement::Unsafe) {
                let draft = Draft::new("fallback-secret", word.span, &*what);
                found.push(draft.with("setting", written(one)).with("variable", variable.as_str()));
            }
            let in_command = served.workload.command.iter().find(|argument| {
                argument.span.source == word.span.source && {
                    let (argument, value) = (argument.span, word.span);
                    argument.start <= value.start && value.start < argument.end
                }
            });
            let is_option = one.setting.places.iter().any(|place| matches!(place, SettingPlace::Flag(_)));
            let is_path = word.text.starts_with('/');
            if in_command.is_some() && is_option && !word.unknown && word.by_default_of.is_none() && !is_path {
                found.push(Draft::new("key-in-command-line", word.span, &*what).with("setting", written(one)));
            }
        }
    }
}
