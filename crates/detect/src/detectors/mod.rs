//! The detectors, one file each.

mod cost;
mod duplicates;
mod embeddings;
mod enumeration;
mod habit;
mod jailbreak;
mod management;
mod networks;
mod registry;
mod system_prompt;
mod tools;

use crate::alert::{About, Alert, Subject};
use crate::event::Event;

pub use registry::{KNOWN_REGISTRIES, registry_of};

/// Something that notices one kind of use.
pub(crate) trait Detector: std::fmt::Debug + Send {
    /// What it is.
    fn about(&self) -> &'static About;
    /// The alert that an event of a subject leads to.
    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert>;
    /// How many subjects it remembers.
    fn remembered(&self) -> usize;
}

/// What all detectors are, in the order of the documentation.
pub const ABOUT: [&About; 11] = [
    &enumeration::ABOUT,
    &management::ABOUT,
    &registry::ABOUT,
    &networks::ABOUT,
    &habit::ABOUT,
    &cost::ABOUT,
    &embeddings::ABOUT,
    &duplicates::ABOUT,
    &system_prompt::ABOUT,
    &jailbreak::ABOUT,
    &tools::ABOUT,
];

/// The detector with an id.
#[must_use]
pub fn about(id: &str) -> Option<&'static About> {
    ABOUT.into_iter().find(|about| about.id == id)
}

/// All detectors, with nothing seen yet.
pub(crate) fn all(registries: &[String]) -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(enumeration::EnumerationBurst::new()),
        Box::new(management::ManagementRoutes::new()),
        Box::new(registry::UnknownRegistry::new(registries)),
        Box::new(networks::SharedKey::new()),
        Box::new(habit::KeyHabit::new()),
        Box::new(cost::CostHarvesting::new()),
        Box::new(embeddings::EmbeddingSweep::new()),
        Box::new(duplicates::NearDuplicates::new()),
        Box::new(system_prompt::SystemPrompt::new()),
        Box::new(jailbreak::Jailbreak::new()),
        Box::new(tools::NewTools::new()),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::IpAddr;

    use vigie_model::{Effect, Timestamp};

    use super::*;
    use crate::event::Outcome;

    /// A Monday, at midnight.
    pub(crate) const MONDAY: i64 = 1_767_571_200;

    /// A request of the key `key`, so many seconds after Monday.
    pub(crate) fn event(after: i64, method: &str, path: &str, effect: Effect) -> Event {
        Event {
            key: Some("key".to_owned()),
            address: Some(IpAddr::from([192, 0, 2, 7])),
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            effect: Some(effect),
            outcome: Some(Outcome::Answered),
            status: Some(200),
            ..Event::at(Timestamp::from_timestamp(MONDAY + after, 0).expect("a time"))
        }
    }

    pub(crate) fn chat(after: i64) -> Event {
        Event {
            models: vec!["tiny:latest".to_owned()],
            prompt_tokens: Some(100),
            output_tokens: Some(200),
            ..event(after, "POST", "/api/chat", Effect::Infer)
        }
    }

    /// The alerts of a detector about a stream.
    pub(crate) fn alerts(mut detector: impl Detector, events: impl IntoIterator<Item = Event>) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for event in events {
            alerts.extend(Subject::of(&event).and_then(|subject| detector.see(&event, &subject)));
        }
        alerts
    }

    #[test]
    fn every_detector_is_described_once() {
        let built = all(&[]);
        assert_eq!(built.len(), ABOUT.len());
        for (detector, listed) in built.iter().zip(ABOUT) {
            assert_eq!(detector.about().id, listed.id);
            assert!(
                !listed.atlas.is_empty() && listed.atlas.iter().all(|id| id.starts_with("AML.T")),
                "{}",
                listed.id
            );
            assert!(about(listed.id).is_some_and(|about| std::ptr::eq(about, listed)));
        }
    }
}
