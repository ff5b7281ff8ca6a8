//! Metering: the tokens of an answer, read while it passes.

mod counters;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod habit;
mod pieces;
mod strip;

#[cfg(any(test, fuzzing))]
pub(crate) use habit::Others;
pub(crate) use habit::{Strips, UsageHabit};
pub(crate) use strip::Stripper;

use counters::Counters;
use pieces::Pieces;

use crate::log::Tokens;

/// Reads an answer that passes by. Its memory does not grow with the answer.
#[derive(Debug)]
pub(crate) struct Meter {
    counters: Counters,
    /// The pieces of text, where the answer comes piece by piece.
    texts: Option<Pieces>,
    /// Pieces of the answer, as they came from the server's connection.
    pub(crate) pieces: u64,
}

impl Meter {
    /// A meter for an answer of this content type.
    pub(crate) fn new(content_type: Option<&str>) -> Self {
        let streams =
            is_events(content_type) || media_type(content_type).is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-ndjson"));
        Self {
            counters: Counters::new(streams),
            texts: streams.then(Pieces::default),
            pieces: 0,
        }
    }

    /// Whether the answer is a stream of documents or events.
    pub(crate) fn is_stream(&self) -> bool {
        self.texts.is_some()
    }

    /// A piece of the answer.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        self.pieces += 1;
        self.counters.piece(piece);
        if let Some(texts) = &mut self.texts {
            texts.piece(piece);
        }
    }

    /// The tokens of the answer. `whole`: it came to its end. Servers name the final counters at the end only; where they did not, the
    /// output is estimated by the pieces of text that passed, about one token each.
    pub(crate) fn tokens(&self, whole: bool) -> Tokens {
        let mut tokens = Tokens {
            prompt: self.counters.prompt(),
            output: self.counters.output(),
            estimated: false,
        };
        let Some(texts) = &self.texts else { return tokens };
        // A stream that broke off may have named no more than where it began: zeros, or one token.
        let is_open = tokens.output.is_none() || (!whole && tokens.output.is_some_and(|output| output <= 1));
        if is_open && texts.count() > tokens.output.unwrap_or(0) {
            tokens.output = Some(texts.count());
            tokens.estimated = true;
            tokens.prompt = tokens.prompt.filter(|prompt| *prompt > 0);
        }
        tokens
    }
}

/// Whether an answer of this content type is an event stream.
pub(crate) fn is_events(content_type: Option<&str>) -> bool {
    media_type(content_type).is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
}

fn media_type(content_type: Option<&str>) -> Option<&str> {
    content_type?.split(';').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = "text/event-stream";
    const LINES: &str = "application/x-ndjson";
    const JSON: &str = "application/json; charset=utf-8";

    fn metered(kind: &str, whole: bool, pieces: &[&str]) -> Tokens {
        let mut meter = Meter::new(Some(kind));
        pieces.iter().for_each(|piece| meter.piece(piece.as_bytes()));
        meter.tokens(whole)
    }

    fn tokens(kind: &str, pieces: &[&str]) -> (Option<u64>, Option<u64>) {
        let tokens = metered(kind, true, pieces);
        (tokens.prompt, tokens.output)
    }

    #[test]
    fn counters_of_every_format() {
        let ollama = "{\"model\":\"m\",\"response\":\"a\",\"done\":false}\n{\"done\":true,\"prompt_eval_count\":7,\"eval_count\":42}\n";
        assert_eq!(tokens(LINES, &[ollama]), (Some(7), Some(42)));
        assert_eq!(tokens(LINES, &[&ollama[..60], &ollama[60..]]), (Some(7), Some(42)), "in two pieces");
        assert_eq!(
            tokens(
                JSON,
                &["{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}"]
            ),
            (Some(3), Some(4))
        );
        let openai =
            "data: {\"choices\":[]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
        assert_eq!(tokens(EVENTS, &[openai]), (Some(3), Some(4)));
        let anthropic = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n\
                         event: message_delta\ndata: {\"usage\":{\"output_tokens\":3}}\n\n\
                         event: message_delta\ndata: {\"usage\":{\"output_tokens\":5}}\n\n";
        assert_eq!(tokens(EVENTS, &[anthropic]), (Some(9), Some(5)), "cumulative, not added");
        let long = "data: {\"x\":1}\n\n".repeat(20_000);
        assert_eq!(
            tokens(
                EVENTS,
                &[
                    "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":9}}}\n\n",
                    &long,
                    "data: {\"usage\":{\"output_tokens\":5}}\n\n"
                ]
            ),
            (Some(9), Some(5))
        );
        assert_eq!(
            tokens(
                EVENTS,
                &["data: {\"response\":{\"usage\":{\"input_tokens\":2,\"output_tokens\":6}}}\n\n"]
            ),
            (Some(2), Some(6))
        );
        assert_eq!(tokens("text/plain", &["hello"]), (None, None), "unknown is not zero");
    }

    #[test]
    fn an_answer_that_broke_off_is_estimated_and_says_so() {
        let chunk = "data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n".repeat(7);
        let tokens = metered(EVENTS, false, &[&chunk]);
        assert_eq!((tokens.prompt, tokens.output, tokens.estimated), (None, Some(7), true));
        let anthropic = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n".to_owned()
            + &"event: content_block_delta\ndata: {}\n\n".repeat(4);
        let tokens = metered(EVENTS, false, &[&anthropic]);
        assert_eq!((tokens.prompt, tokens.output, tokens.estimated), (Some(9), Some(4), true));
        let native = "{\"response\":\"a\",\"done\":false}\n".repeat(3);
        let tokens = metered(LINES, false, &[&native]);
        assert_eq!((tokens.prompt, tokens.output, tokens.estimated), (None, Some(3), true));
        // It left after the counters: they are the server's own.
        let named = format!("{native}{{\"done\":true,\"prompt_eval_count\":7,\"eval_count\":2}}\n");
        let tokens = metered(LINES, false, &[&named]);
        assert_eq!((tokens.prompt, tokens.output, tokens.estimated), (Some(7), Some(2), false));
        assert_eq!(metered(JSON, false, &["{\"a\":"]), Tokens::default());
    }
}
