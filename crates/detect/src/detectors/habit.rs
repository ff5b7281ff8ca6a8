//! A key out of its habit: hours, networks, models and rate together.

use std::net::IpAddr;

use vigie_model::Severity;

use super::Detector;
use crate::alert::{About, Alert, Subject, network};
use crate::event::Event;
use crate::memory::{Few, Memory, Window, mark};

/// Requests and days until there is a habit.
const REQUESTS: u32 = 200;
const DAYS: usize = 5;
/// Signs at once, of four. Each of them alone is what people do: a journey, a late evening, a new model, a batch.
const SIGNS: usize = 3;
/// The rate in ten minutes that is a sign: so many times the highest that the key had, and at least so many.
const TIMES: u32 = 3;
const LEAST: u32 = 30;

pub(super) static ABOUT: About = About {
    id: "key-habit",
    notices: "A key with a habit is used otherwise in several ways at once: at other hours, from a new network, with new models, at a higher rate.",
    threshold: "3 of the 4 signs within 30 minutes, for a key with 200 requests on 5 days; each sign alone is what people do",
    severity: Severity::Medium,
    atlas: &["AML.T0012", "AML.T0091.000"],
    reads_content: false,
};

#[derive(Debug)]
pub(super) struct KeyHabit(Memory<Subject, State>);

#[derive(Debug, Default)]
struct State {
    requests: u32,
    days: Few<i64, 16>,
    hours: [u16; 24],
    networks: Few<Option<IpAddr>, 16>,
    models: Few<u64, 32>,
    rate: Window<10>,
    highest: u32,
    /// When each of the four signs was last seen.
    signs: [Option<i64>; 4],
}

impl KeyHabit {
    pub(super) fn new() -> Self {
        Self(Memory::new())
    }
}

impl State {
    fn has_habit(&self) -> bool {
        self.requests >= REQUESTS && self.days.len() >= DAYS
    }

    /// What of an event is not the habit.
    fn signs(&self, event: &Event, rate: u32) -> [bool; 4] {
        let hour = hour(event.seconds());
        // An hour beside one of the habit belongs to it.
        let is_usual_hour = (23..=25).any(|step| self.hours[(hour + step) % 24] > 0);
        [
            !is_usual_hour,
            event.address.is_some_and(|address| !self.networks.has(&Some(network(address)))),
            event.models.iter().any(|model| !self.models.has(&mark(model))),
            rate >= LEAST && rate >= self.highest.saturating_mul(TIMES),
        ]
    }

    fn learn(&mut self, event: &Event, rate: u32) {
        let now = event.seconds();
        self.requests = self.requests.saturating_add(1);
        self.days.note(now.div_euclid(86_400), now);
        let hour = &mut self.hours[hour(now)];
        *hour = hour.saturating_add(1);
        if let Some(address) = event.address {
            self.networks.note(Some(network(address)), now);
        }
        for model in event.models.iter().take(4) {
            self.models.note(mark(model), now);
        }
        self.highest = self.highest.max(rate);
    }
}

fn hour(seconds: i64) -> usize {
    usize::try_from(seconds.rem_euclid(86_400) / 3_600).unwrap_or(0)
}

impl Detector for KeyHabit {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        if event.key.is_none() || !event.infers() {
            return None;
        }
        let now = event.seconds();
        let state = self.0.of_subject(subject);
        let rate = state.rate.add(now, 60, 1);
        if !state.has_habit() {
            state.learn(event, rate);
            return None;
        }
        let signs = state.signs(event, rate);
        for (seen, sign) in state.signs.iter_mut().zip(signs) {
            if sign {
                *seen = Some(now);
            }
        }
        let recent = state.signs.map(|seen| seen.is_some_and(|seen| now.saturating_sub(seen) <= 1_800));
        let count = recent.iter().filter(|sign| **sign).count();
        if count < SIGNS {
            // A new sign becomes habit only slowly: on the days after, one request of it is enough.
            let is_calm = signs.iter().filter(|sign| **sign).count() <= 1;
            if is_calm {
                state.learn(event, rate);
            }
            return None;
        }
        let since = state
            .signs
            .iter()
            .flatten()
            .copied()
            .filter(|seen| now.saturating_sub(*seen) <= 1_800)
            .min();
        let names = ["new_hour", "new_network", "new_model", "rate"];
        let mut evidence: Vec<_> = names.into_iter().zip(recent.map(|sign| f64::from(u8::from(sign)))).collect();
        evidence.push(("requests_in_10_minutes", f64::from(rate)));
        evidence.push(("highest_before", f64::from(state.highest)));
        state.signs = [None; 4];
        Some(ABOUT.alert(event, subject, since.unwrap_or(now), evidence))
    }

    fn remembered(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alerts, chat};
    use super::*;

    /// Ten days of work from nine to five.
    fn work() -> impl Iterator<Item = Event> {
        (0..10).flat_map(|day| (0..48).map(move |number| chat(day * 86_400 + 9 * 3_600 + number * 600)))
    }

    fn stranger(after: i64, network: u8, model: &str) -> Event {
        Event {
            address: Some(IpAddr::from([77, network, 0, 1])),
            models: vec![model.to_owned()],
            ..chat(10 * 86_400 + after)
        }
    }

    #[test]
    fn another_hour_network_and_model_at_once_are_an_alert() {
        let night = (0..10).map(|number| stranger(2 * 3_600 + number, 1, "big:latest"));
        let found = alerts(KeyHabit::new(), work().chain(night));
        assert!(!found.is_empty());
        assert_eq!(
            found[0].evidence[..3],
            [("new_hour", 1.0), ("new_network", 1.0), ("new_model", 1.0)]
        );
    }

    #[test]
    fn each_sign_alone_is_none() {
        let journey = (0..40).map(|number| stranger(10 * 3_600 + number * 60, 1, "tiny:latest"));
        let late = (0..10).map(|number| chat(11 * 86_400 + 3_600 * 23 + number));
        let batch = (0..400).map(|number| chat(12 * 86_400 + 10 * 3_600 + number));
        assert!(alerts(KeyHabit::new(), work().chain(journey).chain(late).chain(batch)).is_empty());
    }

    #[test]
    fn a_new_key_has_no_habit() {
        let night = (0..100).map(|number| stranger(2 * 3_600 + number, 1, "big:latest"));
        assert!(alerts(KeyHabit::new(), night).is_empty());
    }
}
