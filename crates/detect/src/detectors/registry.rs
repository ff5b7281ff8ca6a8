//! Models from, or to, registries that nobody named.

use vigie_model::Severity;

use super::Detector;
use crate::alert::{About, Alert, Subject};
use crate::event::Event;

/// The hosts from which models usually come.
pub const KNOWN_REGISTRIES: [&str; 6] = [
    "registry.ollama.ai",
    "ollama.com",
    "hf.co",
    "huggingface.co",
    "modelscope.cn",
    "modelscope.ai",
];

pub(super) static ABOUT: About = About {
    id: "unknown-registry",
    notices: "A model is named that comes from, or goes to, a registry that is not on the list.",
    threshold: "one request, since no ordinary name has such a host; medium severity where it was refused",
    severity: Severity::High,
    atlas: &["AML.T0010.003", "AML.T0025"],
    reads_content: false,
};

#[derive(Debug)]
pub(super) struct UnknownRegistry {
    more: Vec<String>,
}

impl UnknownRegistry {
    pub(super) fn new(registries: &[String]) -> Self {
        Self {
            more: registries.iter().map(|host| host.to_ascii_lowercase()).collect(),
        }
    }
}

impl Detector for UnknownRegistry {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        let is_known = |host: &String| KNOWN_REGISTRIES.contains(&host.as_str()) || self.more.contains(host);
        let unknown = event
            .models
            .iter()
            .filter_map(|model| registry_of(model))
            .filter(|host| !is_known(host))
            .count();
        if unknown == 0 {
            return None;
        }
        let rejected = event.is_rejected();
        let evidence = vec![("models", unknown as f64), ("refused", f64::from(u8::from(rejected)))];
        let mut alert = ABOUT.alert(event, subject, event.seconds(), evidence);
        if rejected {
            alert.severity = Severity::Medium;
        }
        Some(alert)
    }

    fn remembered(&self) -> usize {
        0
    }
}

/// The host of the registry in a model's name, as Ollama reads it; `None`: it names none.
#[must_use]
pub fn registry_of(model: &str) -> Option<String> {
    let (has_scheme, name) = match model.split_once("://") {
        Some((_, name)) => (true, name),
        None => (false, model),
    };
    let (host, rest) = name.split_once('/')?;
    // `user/model` has a namespace; `host/user/model` a host, and so has what looks like one.
    let is_host = has_scheme || rest.contains('/') || host.contains(['.', ':']) || host.eq_ignore_ascii_case("localhost");
    (is_host && !host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use vigie_model::Effect;

    use super::super::tests::{alerts, chat, event};
    use super::*;
    use crate::event::Outcome;

    fn pull(model: &str) -> Event {
        Event {
            models: vec![model.to_owned()],
            ..event(0, "POST", "/api/pull", Effect::Write)
        }
    }

    #[test]
    fn a_strange_host_is_an_alert_whether_it_was_refused_or_not() {
        for model in [
            "evil.example/x/leak:1",
            "203.0.113.9:5000/a/b",
            "http://evil.example/m",
            "localhost/x",
            "a/b/c",
        ] {
            let found = alerts(UnknownRegistry::new(&[]), [pull(model)]);
            assert_eq!(
                found.iter().map(|alert| alert.severity).collect::<Vec<_>>(),
                [Severity::High],
                "{model}"
            );
            let refused = Event {
                outcome: Some(Outcome::NotGranted),
                ..pull(model)
            };
            assert_eq!(alerts(UnknownRegistry::new(&[]), [refused])[0].severity, Severity::Medium);
        }
    }

    #[test]
    fn ordinary_names_and_named_hosts_are_none() {
        let ordinary = [
            "llama3.2",
            "llama3.2:3b",
            "user/model:tag",
            "hf.co/user/model",
            "registry.ollama.ai/library/tiny",
            "Models.Example.org/a/b",
        ];
        let detector = UnknownRegistry::new(&["models.example.org".to_owned()]);
        assert!(alerts(detector, ordinary.map(pull).into_iter().chain([chat(1)])).is_empty());
    }
}
