//! Many requests that differ by a word.

use vigie_model::Severity;

use super::Detector;
use super::embeddings::embeds;
use crate::alert::{About, Alert, Subject};
use crate::content::Sketch;
use crate::event::Event;
use crate::memory::Memory;

/// Sketches that are remembered of a subject.
const KEPT: usize = 24;
/// Texts are near each other from this share of equal parts; a text is the same from [`SAME`] on.
const NEAR: f64 = 0.55;
const SAME: f64 = 0.999;
/// Near texts within a quarter of an hour, from the first of them on.
const TEXTS: u32 = 60;
const WITHIN: i64 = 900;
/// Longer texts, in bytes, are documents and not probes; texts that are embedded are another detector's.
const LONGEST: u32 = 600;
/// An application sends one template all day. The share of near texts in the past, above which they say nothing, and the requests until
/// that is known.
const USUAL: f64 = 0.4;
const LEARNT: u32 = 300;

pub(super) static ABOUT: About = About {
    id: "near-duplicates",
    notices: "A key sends very many texts that differ by a few words, as when answers, members of training data or an index are probed.",
    threshold: "60 texts of at most 600 bytes within 15 minutes that are near, and not equal, to one of the last 24; not for a key of which more than two in five texts were \
                like that over its last 300: an application with a template. The template of a new key looks like probing",
    severity: Severity::Low,
    atlas: &["AML.T0024.000", "AML.T0024.002", "AML.T0043.001", "AML.T0085.000"],
    reads_content: true,
};

#[derive(Debug)]
pub(super) struct NearDuplicates(Memory<Subject, State>);

#[derive(Debug, Default)]
struct State {
    kept: Vec<Sketch>,
    next: usize,
    /// Near texts since then.
    near: u32,
    all: u32,
    since: i64,
    /// The share of near texts before the current quarter of an hour, and of how many texts.
    share: f64,
    learnt: u32,
}

impl NearDuplicates {
    pub(super) fn new() -> Self {
        Self(Memory::new())
    }
}

impl Detector for NearDuplicates {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        let content = event.content.as_ref()?;
        let sketch = content.sketch?;
        if !event.infers() || content.bytes > LONGEST || embeds(event) {
            return None;
        }
        let now = event.seconds();
        let state = self.0.of_subject(subject);
        if now.saturating_sub(state.since) > WITHIN {
            if state.all > 0 {
                state.learnt = state.learnt.saturating_add(state.all);
                let weight = f64::from(state.all) / f64::from(state.learnt.min(LEARNT * 4)).max(f64::from(state.all));
                state.share += (f64::from(state.near) / f64::from(state.all) - state.share) * weight;
            }
            (state.near, state.all, state.since) = (0, 0, now);
        }
        state.all = state.all.saturating_add(1);
        let nearest = state.kept.iter().map(|kept| kept.likeness(&sketch)).fold(0.0, f64::max);
        if nearest < SAME {
            // The same text once more is a retry, and no news of the others.
            match state.kept.get_mut(state.next) {
                Some(place) => *place = sketch,
                None => state.kept.push(sketch),
            }
            state.next = (state.next + 1) % KEPT;
        }
        if (NEAR..SAME).contains(&nearest) {
            state.near = state.near.saturating_add(1);
        }
        let is_usual = state.learnt >= LEARNT && state.share > USUAL;
        if state.near < TEXTS || is_usual {
            return None;
        }
        let evidence = vec![
            ("near_texts", f64::from(state.near)),
            ("texts", f64::from(state.all)),
            ("usual_share", (state.share * 100.0).round() / 100.0),
        ];
        let since = state.since;
        (state.near, state.all, state.since) = (0, 0, now);
        Some(ABOUT.alert(event, subject, since, evidence))
    }

    fn remembered(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alerts, chat};
    use super::*;
    use crate::content::{Content, SketchKey};

    fn say(after: i64, text: &str) -> Event {
        let body = serde_json::json!({"model": "tiny", "prompt": text}).to_string();
        Event {
            content: Some(Content::read(body.as_bytes(), &SketchKey::new([7; 16]))),
            ..chat(after)
        }
    }

    fn probe(after: i64, number: i64) -> Event {
        say(
            after,
            &format!("Which illness did the patient with the number {number} have in the last year?"),
        )
    }

    #[test]
    fn one_question_with_another_number_each_time_is_an_alert() {
        assert_eq!(
            alerts(NearDuplicates::new(), (0..100).map(|number| probe(number * 5, number))).len(),
            1
        );
    }

    #[test]
    fn different_questions_and_retries_are_none() {
        let words = [
            "apples", "bridges", "clouds", "drums", "engines", "forests", "gardens", "harbours", "islands", "jackets", "kites",
        ];
        let questions = (0..200).map(|number| {
            let word = |step: usize| words[(number * step + number / 11) % words.len()];
            say(
                number as i64 * 4,
                &format!("{} {} or {}, why {} {number}?", word(1), word(3), word(5), word(7)),
            )
        });
        assert!(alerts(NearDuplicates::new(), questions).is_empty());
        assert!(alerts(NearDuplicates::new(), (0..300).map(|number| probe(number, 1))).is_empty());
    }

    #[test]
    fn the_template_of_an_application_becomes_its_habit() {
        // Slow at first, then busy.
        let slow = (0..600).map(|number| probe(number * 60, number));
        let busy = (0..200).map(|number| probe(40_000 + number, 9_000 + number));
        assert!(alerts(NearDuplicates::new(), slow.chain(busy)).is_empty());
    }
}
