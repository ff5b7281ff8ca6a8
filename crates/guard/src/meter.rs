//! Tokens of an answer, as the server counted them, whatever its format.

use serde_json::Value;

use crate::log::Tokens;

/// The end of an answer is kept up to this many bytes: counters stand in its last lines.
const KEPT: usize = 64 * 1024;

/// Reads an answer that passes by.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    tail: Vec<u8>,
    /// The first bytes, where Anthropic's streams count the prompt.
    start: Vec<u8>,
    pub(crate) bytes: u64,
    pub(crate) pieces: u64,
}

impl Meter {
    /// A piece of the answer.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.pieces += 1;
        if self.start.len() < 4 * 1024 {
            let room = 4 * 1024 - self.start.len();
            self.start.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        if piece.len() >= KEPT {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - KEPT..]);
        } else {
            self.tail.extend_from_slice(piece);
            if self.tail.len() > 2 * KEPT {
                self.tail.drain(..self.tail.len() - KEPT);
            }
        }
    }

    /// The tokens that the answer names.
    pub(crate) fn tokens(&self) -> Tokens {
        let mut tokens = Tokens::default();
        // The first event of an Anthropic stream has the prompt, the last one the output.
        for text in [&self.start, &self.tail] {
            for document in documents(text) {
                read(&document, &mut tokens);
            }
        }
        tokens
    }
}

/// The JSON documents of a text: one, or one per line, with `data:` before it or without.
fn documents(text: &[u8]) -> Vec<Value> {
    if let Ok(value) = serde_json::from_slice(text) {
        return vec![value];
    }
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let line = line.trim_ascii();
            let line = line.strip_prefix(b"data:").map_or(line, |data| data.trim_ascii());
            // Most lines are pieces of text without counters.
            let counts = memchr::memmem::find(line, b"_count").or_else(|| memchr::memmem::find(line, b"usage"));
            counts.and_then(|_| serde_json::from_slice(line).ok())
        })
        .collect()
}

/// Takes the counters of a document; a later one counts, for they only grow.
fn read(document: &Value, tokens: &mut Tokens) {
    let usage = [&document["usage"], &document["message"]["usage"], &document["response"]["usage"]];
    let usage = usage.into_iter().filter(|usage| usage.is_object());
    for (place, prompt, output) in std::iter::once((document, "prompt_eval_count", "eval_count"))
        .chain(usage.clone().map(|usage| (usage, "prompt_tokens", "completion_tokens")))
        .chain(usage.map(|usage| (usage, "input_tokens", "output_tokens")))
    {
        if let Some(count) = place[prompt].as_u64() {
            tokens.prompt = Some(tokens.prompt.unwrap_or(0).max(count));
        }
        if let Some(count) = place[output].as_u64() {
            tokens.output = Some(tokens.output.unwrap_or(0).max(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(pieces: &[&str]) -> (Option<u64>, Option<u64>) {
        let mut meter = Meter::default();
        pieces.iter().for_each(|piece| meter.piece(piece.as_bytes()));
        let tokens = meter.tokens();
        (tokens.prompt, tokens.output)
    }

    #[test]
    fn counters_of_every_format() {
        let ollama = "{\"model\":\"m\",\"response\":\"a\",\"done\":false}\n{\"done\":true,\"prompt_eval_count\":7,\"eval_count\":42}\n";
        assert_eq!(tokens(&[ollama]), (Some(7), Some(42)));
        assert_eq!(tokens(&[&ollama[..60], &ollama[60..]]), (Some(7), Some(42)), "in two pieces");
        assert_eq!(
            tokens(&["{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}"]),
            (Some(3), Some(4))
        );
        let openai =
            "data: {\"choices\":[]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
        assert_eq!(tokens(&[openai]), (Some(3), Some(4)));
        let anthropic = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n\
                         event: message_delta\ndata: {\"usage\":{\"output_tokens\":5}}\n\n";
        assert_eq!(tokens(&[anthropic]), (Some(9), Some(5)));
        let long = "data: {\"x\":1}\n\n".repeat(20_000);
        assert_eq!(
            tokens(&[
                "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":9}}}\n\n",
                &long,
                "data: {\"usage\":{\"output_tokens\":5}}\n\n"
            ]),
            (Some(9), Some(5))
        );
        assert_eq!(
            tokens(&["data: {\"response\":{\"usage\":{\"input_tokens\":2,\"output_tokens\":6}}}\n\n"]),
            (Some(2), Some(6))
        );
        assert_eq!(tokens(&["hello"]), (None, None), "unknown is not zero");
    }
}
