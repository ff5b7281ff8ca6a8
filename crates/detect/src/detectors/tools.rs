//! Tools that a key never offered before.

use vigie_model::Severity;

use super::Detector;
use crate::alert::{About, Alert, Subject};
use crate::event::Event;
use crate::memory::{Few, Memory};

/// Requests that run a model, until a key has a habit.
const REQUESTS: u32 = 100;
/// And the days of them: a program in the making changes its tools all day.
const SECONDS: i64 = 2 * 86_400;
/// New tools in one request. One new tool is a new version of a program.
const NEW: usize = 2;

pub(super) static ABOUT: About = About {
    id: "new-tools",
    notices: "A key offers the model tools that it never offered before.",
    threshold: "2 new tools in one request, from a key with 100 requests over 2 days; one new tool is a new version of a program",
    severity: Severity::Low,
    atlas: &["AML.T0053"],
    reads_content: true,
};

#[derive(Debug)]
pub(super) struct NewTools(Memory<Subject, State>);

#[derive(Debug, Default)]
struct State {
    requests: u32,
    first: Option<i64>,
    known: Few<u64, 64>,
}

impl NewTools {
    pub(super) fn new() -> Self {
        Self(Memory::new())
    }
}

impl Detector for NewTools {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        let content = event.content.as_ref()?;
        event.key.as_ref()?;
        let now = event.seconds();
        let state = self.0.of_subject(subject);
        let first = *state.first.get_or_insert(now);
        let has_habit = state.requests >= REQUESTS && now.saturating_sub(first) >= SECONDS;
        state.requests = state.requests.saturating_add(1);
        let new = content.tools.iter().filter(|tool| state.known.note(**tool, now)).count();
        if !has_habit || new < NEW {
            return None;
        }
        let evidence = vec![
            ("new_tools", new as f64),
            ("offered", content.tools.len() as f64),
            ("known_tools", state.known.values().count() as f64),
        ];
        Some(ABOUT.alert(event, subject, now, evidence))
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

    fn offer(after: i64, tools: &[&str]) -> Event {
        let tools: Vec<_> = tools
            .iter()
            .map(|name| serde_json::json!({"type": "function", "function": {"name": name}}))
            .collect();
        let body = serde_json::json!({"messages": [], "tools": tools}).to_string();
        Event {
            content: Some(Content::read(body.as_bytes(), &SketchKey::new([7; 16]))),
            ..chat(after)
        }
    }

    fn days(tools: &'static [&'static str]) -> impl Iterator<Item = Event> {
        (0..150).map(|number| offer(number * 1_800, tools))
    }

    #[test]
    fn new_tools_of_an_old_key_are_an_alert_once() {
        let new = (0..5).map(|number| offer(300_000 + number, &["weather", "shell", "read_file"]));
        assert_eq!(alerts(NewTools::new(), days(&["weather"]).chain(new)).len(), 1);
        let new = [offer(300_000, &["shell", "read_file"])];
        assert_eq!(
            alerts(NewTools::new(), days(&[]).chain(new)).len(),
            1,
            "a key that never offered any"
        );
    }

    #[test]
    fn one_new_tool_and_the_first_days_are_none() {
        assert!(alerts(NewTools::new(), days(&["weather"]).chain([offer(300_000, &["weather", "news"])])).is_empty());
        assert!(alerts(NewTools::new(), (0..50).map(|number| offer(number, &["a", "b", "c"]))).is_empty());
    }
}
