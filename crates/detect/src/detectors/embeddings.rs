//! Sweeps through an embedding model.

use vigie_model::Severity;

use super::Detector;
use crate::alert::{About, Alert, Subject};
use crate::event::Event;
use crate::memory::{Memory, Window};

/// Requests within ten minutes. A search box sends a few a minute.
const REQUESTS: u32 = 600;
/// An index is built from passages of some hundred tokens, often many in a request; a model is copied, and an index probed, with words and short
/// questions. Tokens, or bytes where they are not known.
const SHORT_TOKENS: u64 = 16;
const SHORT_BYTES: u64 = 160;

pub(super) static ABOUT: About = About {
    id: "embedding-sweep",
    notices: "A key has very many short texts embedded, as when a model is copied or an index probed.",
    threshold: "600 requests of at most 16 tokens (160 bytes where tokens are not known) within 10 minutes; building an index has longer passages",
    severity: Severity::Medium,
    atlas: &["AML.T0024.002", "AML.T0064", "AML.T0085.000"],
    reads_content: false,
};

#[derive(Debug)]
pub(super) struct EmbeddingSweep(Memory<Subject, Window<10>>);

impl EmbeddingSweep {
    pub(super) fn new() -> Self {
        Self(Memory::new())
    }
}

/// Whether a request has a text embedded.
pub(super) fn embeds(event: &Event) -> bool {
    event.path.as_deref().is_some_and(|path| path.contains("/embed")) && event.infers()
}

impl Detector for EmbeddingSweep {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        if !embeds(event) {
            return None;
        }
        let is_short = match (event.prompt_tokens, event.request_bytes) {
            (Some(tokens), _) => tokens <= SHORT_TOKENS,
            (None, Some(bytes)) => bytes <= SHORT_BYTES,
            (None, None) => return None,
        };
        if !is_short {
            return None;
        }
        let now = event.seconds();
        let window = self.0.of_subject(subject);
        let count = window.add(now, 60, 1);
        if count < REQUESTS {
            return None;
        }
        window.clear();
        Some(ABOUT.alert(
            event,
            subject,
            now.saturating_sub(600),
            vec![("short_requests_in_10_minutes", f64::from(count))],
        ))
    }

    fn remembered(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use vigie_model::Effect;

    use super::super::tests::{alerts, chat, event};
    use super::*;

    fn embed(after: i64, tokens: Option<u64>, bytes: u64) -> Event {
        Event {
            prompt_tokens: tokens,
            request_bytes: Some(bytes),
            ..event(after, "POST", "/api/embed", Effect::Infer)
        }
    }

    #[test]
    fn very_many_short_texts_are_an_alert() {
        assert_eq!(
            alerts(EmbeddingSweep::new(), (0..700).map(|number| embed(number / 2, Some(3), 90))).len(),
            1
        );
        assert_eq!(
            alerts(EmbeddingSweep::new(), (0..700).map(|number| embed(number / 2, None, 90))).len(),
            1
        );
    }

    #[test]
    fn an_index_a_search_box_and_a_chat_are_none() {
        assert!(alerts(EmbeddingSweep::new(), (0..5_000).map(|number| embed(number / 20, Some(300), 1_500))).is_empty());
        assert!(alerts(EmbeddingSweep::new(), (0..500).map(|number| embed(number * 10, Some(6), 90))).is_empty());
        assert!(alerts(EmbeddingSweep::new(), (0..5_000).map(|number| chat(number / 20))).is_empty());
    }
}
