//! Tokens far beyond a key's own use.

use vigie_model::Severity;

use super::Detector;
use crate::alert::{About, Alert, Subject};
use crate::event::Event;
use crate::memory::Memory;

/// Tokens of an hour below which nobody is alerted: an afternoon with a coding agent.
const LEAST: u64 = 300_000;
/// Of a key without a habit yet.
const OF_A_NEW_KEY: u64 = 3_000_000;
/// How many times its usual hour a key has to exceed. People's hours differ by three or four.
const TIMES: f64 = 8.0;
/// Hours with requests until there is a habit.
const HOURS: u32 = 12;

pub(super) static ABOUT: About = About {
    id: "cost-harvesting",
    notices: "A key takes many times the tokens of its usual hour.",
    threshold: "8 times the mean of its hours and at least 300,000 tokens in an hour; 3,000,000 for a key with fewer than 12 hours of use",
    severity: Severity::Medium,
    atlas: &["AML.T0034.000", "AML.T0034.001"],
    reads_content: false,
};

#[derive(Debug)]
pub(super) struct CostHarvesting(Memory<Subject, State>);

#[derive(Debug, Default)]
struct State {
    hour: i64,
    tokens: u64,
    requests: u32,
    mean: f64,
    hours: u32,
    alerted: bool,
}

impl CostHarvesting {
    pub(super) fn new() -> Self {
        Self(Memory::new())
    }
}

impl State {
    fn most(&self) -> u64 {
        match self.hours < HOURS {
            true => OF_A_NEW_KEY,
            false => LEAST.max((self.mean * TIMES) as u64),
        }
    }
}

impl Detector for CostHarvesting {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        let tokens = event.tokens()?;
        let hour = event.seconds().div_euclid(3_600);
        let state = self.0.of_subject(subject);
        if hour > state.hour {
            if state.requests > 0 {
                state.hours = state.hours.saturating_add(1);
                // An hour that was an alert teaches no more than the most that is none.
                let learnt = state.tokens.min(state.most()) as f64;
                state.mean += (learnt - state.mean) / f64::from(state.hours.min(168));
            }
            (state.hour, state.tokens, state.requests, state.alerted) = (hour, 0, 0, false);
        }
        state.tokens = state.tokens.saturating_add(tokens);
        state.requests = state.requests.saturating_add(1);
        if state.alerted || state.tokens < state.most() {
            return None;
        }
        state.alerted = true;
        let evidence = vec![
            ("tokens_in_the_hour", state.tokens as f64),
            ("usual_tokens", state.mean.round()),
            ("requests", f64::from(state.requests)),
        ];
        Some(ABOUT.alert(event, subject, hour * 3_600, evidence))
    }

    fn remembered(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alerts, chat};
    use super::*;

    fn hour(number: i64, tokens: u64) -> impl Iterator<Item = Event> {
        (0..20).map(move |at| Event {
            prompt_tokens: Some(tokens / 40),
            output_tokens: Some(tokens / 40),
            ..chat(number * 3_600 + at * 100)
        })
    }

    #[test]
    fn many_times_the_usual_hour_is_one_alert_in_the_hour() {
        let days = || (0..30).flat_map(|number| hour(number, 40_000));
        let found = alerts(CostHarvesting::new(), days().chain(hour(31, 900_000)).chain(hour(32, 900_000)));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].evidence[1], ("usual_tokens", 40_000.0));
        assert!(
            alerts(CostHarvesting::new(), days().chain(hour(31, 200_000))).is_empty(),
            "a busy hour"
        );
    }

    #[test]
    fn a_new_key_may_begin_with_much_and_a_heavy_one_stay_heavy() {
        assert!(alerts(CostHarvesting::new(), hour(0, 2_000_000)).is_empty());
        assert_eq!(alerts(CostHarvesting::new(), hour(0, 4_000_000)).len(), 1);
        let heavy = (0..50).flat_map(|number| hour(number, 1_000_000 + 100_000 * u64::try_from(number % 7).unwrap_or(0)));
        assert!(alerts(CostHarvesting::new(), heavy).is_empty());
    }

    #[test]
    fn unknown_tokens_are_not_zero_tokens() {
        let unknown = (0..50).flat_map(|number| hour(number, 40_000)).map(|event| Event {
            prompt_tokens: None,
            output_tokens: None,
            ..event
        });
        assert!(
            alerts(CostHarvesting::new(), unknown.chain(hour(60, 900_000))).is_empty(),
            "there is no habit yet"
        );
    }
}
