//! Enumeration, then a burst of inference.

use vigie_model::{Effect, Severity};

use super::Detector;
use crate::alert::{About, Alert, Subject};
use crate::event::Event;
use crate::memory::{Few, Memory, Window, mark};

/// A client lists tags, running models, versions and OpenAI's models at its start, four paths; who looks for what a server has asks for more.
const PATHS: usize = 5;
/// The time in which it asks for them, and from the last of them to the burst, in seconds.
const WITHIN: i64 = 600;
/// A person sends some ten requests a minute, an agent twenty.
const BURST: u32 = 60;
/// Of a key that often sends so many, a burst says nothing: the share of [`BURST`] in one minute of its past.
const USUAL: u32 = BURST / 2;

pub(super) static ABOUT: About = About {
    id: "enumeration-burst",
    notices: "A key asks for lists, versions and unknown paths, and then runs models at the rate of a program.",
    threshold: "5 different paths that list or identify within 10 minutes, then 60 requests that run a model within one minute; not for a key that \
                sent 30 a minute before it began to ask",
    severity: Severity::Medium,
    atlas: &["AML.T0006", "AML.T0007", "AML.T0040"],
    reads_content: false,
};

#[derive(Debug)]
pub(super) struct EnumerationBurst(Memory<Subject, State>);

#[derive(Debug, Default)]
struct State {
    paths: Few<u64, 16>,
    burst: Window<6>,
    /// When the key last sent requests at the rate of a program without having asked before.
    busy: Option<i64>,
}

impl EnumerationBurst {
    pub(super) fn new() -> Self {
        Self(Memory::new())
    }
}

impl Detector for EnumerationBurst {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        let now = event.seconds();
        let path = event.path.as_deref()?;
        // A path that the server does not have counts as a question what it has.
        let asks = matches!(event.effect, Some(Effect::Identify | Effect::Enumerate)) || event.effect.is_none() && event.is_rejected();
        if asks {
            let state = self.0.of_subject(subject);
            state.paths.forget_before(now.saturating_sub(WITHIN));
            state.paths.note(mark(path), now);
            return None;
        }
        if !event.infers() {
            return None;
        }
        let state = self.0.of_subject(subject);
        let count = state.burst.add(now, 10, 1);
        state.paths.forget_before(now.saturating_sub(WITHIN));
        let begun = state.paths.first();
        if count >= USUAL && begun.is_none() {
            state.busy = Some(now);
        }
        let is_usual = state.busy.is_some_and(|busy| now.saturating_sub(busy) < 7 * 86_400);
        if count < BURST || state.paths.len() < PATHS || is_usual {
            return None;
        }
        let evidence = vec![("paths", state.paths.len() as f64), ("requests_in_a_minute", f64::from(count))];
        state.paths.clear();
        state.burst.clear();
        Some(ABOUT.alert(event, subject, begun.unwrap_or(now), evidence))
    }

    fn remembered(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alerts, chat, event};
    use super::*;

    const LOOKS: [&str; 6] = ["/api/tags", "/api/version", "/api/ps", "/v1/models", "/api/show", "/api/status"];

    fn looks(after: i64) -> impl Iterator<Item = Event> {
        LOOKS
            .iter()
            .zip(after..)
            .map(|(path, at)| event(at, "GET", path, Effect::Enumerate))
    }

    #[test]
    fn looking_around_and_then_a_flood_is_one_alert() {
        let flood = (0..100).map(|number| chat(60 + number / 3));
        let found = alerts(EnumerationBurst::new(), looks(0).chain(flood));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].evidence, [("paths", 6.0), ("requests_in_a_minute", 60.0)]);
    }

    #[test]
    fn neither_of_both_alone_is() {
        assert!(alerts(EnumerationBurst::new(), looks(0)).is_empty());
        assert!(alerts(EnumerationBurst::new(), (0..500).map(|number| chat(number / 5))).is_empty());
        let slow = (0..200).map(|number| chat(60 + number * 3));
        assert!(alerts(EnumerationBurst::new(), looks(0).chain(slow)).is_empty());
    }

    #[test]
    fn a_key_that_always_sends_much_may_look_around() {
        let before = (0..200).map(|number| chat(number / 2));
        let after = (0..100).map(|number| chat(5_000 + number / 3));
        assert!(alerts(EnumerationBurst::new(), before.chain(looks(4_900)).chain(after)).is_empty());
    }
}
