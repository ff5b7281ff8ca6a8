//! The counters that a server names in its answer, read from the JSON as it passes.

use memchr::memchr3;

/// The longest key, or number, that is kept: longer ones are not counters.
const WORD: usize = 32;

/// Reads the counters of one JSON document, or of one per line (with `data:` before it or without). Nothing of the answer is kept but the
/// word that is under way; text that only looks like a counter is inside a string, and not read.
#[derive(Debug)]
pub(super) struct Counters {
    /// A document ends with its line.
    by_line: bool,
    /// How many objects and lists are open.
    depth: usize,
    /// The keys under which the objects and lists at depth 2 and 3 were opened.
    opened: [Key; 2],
    /// The key whose value comes next.
    key: Key,
    /// The string read last: a key, if a colon follows.
    last: Key,
    state: State,
    word: Word,
    found: Found,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Text,
    /// In a string, behind a backslash.
    Escape,
    Number,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Other,
    Usage,
    Message,
    Response,
    Timings,
    PromptEvalCount,
    EvalCount,
    TokensEvaluated,
    TokensPredicted,
    PromptTokens,
    CompletionTokens,
    InputTokens,
    OutputTokens,
    CacheRead,
    CacheCreation,
    PromptN,
    CacheN,
    PredictedN,
}

impl Key {
    fn of(word: &[u8]) -> Self {
        match word {
            b"usage" => Self::Usage,
            b"message" => Self::Message,
            b"response" => Self::Response,
            b"timings" => Self::Timings,
            // Ollama.
            b"prompt_eval_count" => Self::PromptEvalCount,
            b"eval_count" => Self::EvalCount,
            // llama.cpp.
            b"tokens_evaluated" => Self::TokensEvaluated,
            b"tokens_predicted" => Self::TokensPredicted,
            b"prompt_n" => Self::PromptN,
            b"cache_n" => Self::CacheN,
            b"predicted_n" => Self::PredictedN,
            // OpenAI.
            b"prompt_tokens" => Self::PromptTokens,
            b"completion_tokens" => Self::CompletionTokens,
            // OpenAI's responses, and Anthropic, which counts what its cache holds apart.
            b"input_tokens" => Self::InputTokens,
            b"output_tokens" => Self::OutputTokens,
            b"cache_read_input_tokens" => Self::CacheRead,
            b"cache_creation_input_tokens" => Self::CacheCreation,
            _ => Self::Other,
        }
    }

    fn is_counter(self) -> bool {
        !matches!(self, Self::Other | Self::Usage | Self::Message | Self::Response | Self::Timings)
    }
}

/// What was found. Counters are cumulative, so the last of each kind holds: Ollama begins a stream of `/v1/messages` with a guess.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    prompt: Option<u64>,
    output: Option<u64>,
    cache_read: u64,
    cache_creation: u64,
    /// llama.cpp's timings, which it names unasked.
    timed_prompt: Option<u64>,
    timed_cache: u64,
    timed_output: Option<u64>,
}

#[derive(Debug, Default)]
struct Word {
    bytes: [u8; WORD],
    length: usize,
    is_spoiled: bool,
}

impl Word {
    fn clear(&mut self) {
        self.length = 0;
        self.is_spoiled = false;
    }

    fn push(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.length..self.length + bytes.len()) {
            Some(room) if !self.is_spoiled => {
                room.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            _ => self.is_spoiled = true,
        }
    }

    fn get(&self) -> Option<&[u8]> {
        (!self.is_spoiled).then(|| &self.bytes[..self.length])
    }
}

impl Counters {
    pub(super) fn new(by_line: bool) -> Self {
        Self {
            by_line,
            depth: 0,
            opened: [Key::Other; 2],
            key: Key::Other,
            last: Key::Other,
            state: State::Between,
            word: Word::default(),
            found: Found::default(),
        }
    }

    /// Tokens of the prompt; `None`: not named.
    pub(super) fn prompt(&self) -> Option<u64> {
        let found = &self.found;
        let named = found
            .prompt
            .map(|prompt| prompt.saturating_add(found.cache_read).saturating_add(found.cache_creation));
        named.or(found.timed_prompt.map(|prompt| prompt.saturating_add(found.timed_cache)))
    }

    /// Tokens of the output; `None`: not named.
    pub(super) fn output(&self) -> Option<u64> {
        self.found.output.or(self.found.timed_output)
    }

    /// The next bytes of the answer, wherever they are cut.
    pub(super) fn piece(&mut self, mut rest: &[u8]) {
        while let Some(&byte) = rest.first() {
            match self.state {
                State::Text => {
                    // A raw line feed is in no string: a line that is no JSON ends with its line.
                    let Some(end) = memchr3(b'"', b'\\', b'\n', rest) else {
                        return self.word.push(rest);
                    };
                    self.word.push(&rest[..end]);
                    match rest[end] {
                        b'"' => {
                            self.state = State::Between;
                            self.last = self.word.get().map_or(Key::Other, Key::of);
                        }
                        b'\\' => {
                            self.state = State::Escape;
                            self.word.is_spoiled = true;
                        }
                        _ if self.by_line => self.end_line(),
                        _ => {}
                    }
                    rest = &rest[end + 1..];
                    continue;
                }
                State::Escape => self.state = State::Text,
                State::Number if byte.is_ascii_digit() => self.word.push(&[byte]),
                State::Number => {
                    self.state = State::Between;
                    if matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n') {
                        self.count();
                    }
                    self.key = Key::Other;
                    continue;
                }
                State::Between => self.between(byte),
            }
            rest = &rest[1..];
        }
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b'"' if self.depth > 0 => {
                self.state = State::Text;
                self.word.clear();
            }
            b':' => self.key = self.last,
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                if let Some(opened) = self.depth.checked_sub(2).and_then(|at| self.opened.get_mut(at)) {
                    *opened = self.key;
                }
                (self.key, self.last) = (Key::Other, Key::Other);
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                (self.key, self.last) = (Key::Other, Key::Other);
            }
            b'0'..=b'9' if self.key.is_counter() => {
                self.state = State::Number;
                self.word.clear();
                self.word.push(&[byte]);
            }
            b'\n' if self.by_line => self.end_line(),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            // A comma, or a value that is no counter.
            _ => (self.key, self.last) = (Key::Other, Key::Other),
        }
    }

    fn end_line(&mut self) {
        self.depth = 0;
        self.state = State::Between;
        (self.key, self.last) = (Key::Other, Key::Other);
    }

    /// Takes the number that was read, if it stands where a counter does.
    fn count(&mut self) {
        let digits = self.word.get().and_then(|word| std::str::from_utf8(word).ok());
        let Some(number) = digits.and_then(|digits| digits.parse::<u64>().ok()) else {
            return;
        };
        let is_usage = match self.depth {
            2 => self.opened[0] == Key::Usage,
            3 => matches!(self.opened[0], Key::Message | Key::Response) && self.opened[1] == Key::Usage,
            _ => false,
        };
        let is_timings = self.depth == 2 && self.opened[0] == Key::Timings;
        let found = &mut self.found;
        let set = |counter: &mut Option<u64>| *counter = Some(number);
        match self.key {
            Key::PromptEvalCount | Key::TokensEvaluated if self.depth == 1 => set(&mut found.prompt),
            Key::EvalCount | Key::TokensPredicted if self.depth == 1 => set(&mut found.output),
            Key::PromptTokens | Key::InputTokens if is_usage => set(&mut found.prompt),
            Key::CompletionTokens | Key::OutputTokens if is_usage => set(&mut found.output),
            Key::CacheRead if is_usage => found.cache_read = number,
            Key::CacheCreation if is_usage => found.cache_creation = number,
            Key::PromptN if is_timings => set(&mut found.timed_prompt),
            Key::CacheN if is_timings => found.timed_cache = number,
            Key::PredictedN if is_timings => set(&mut found.timed_output),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(by_line: bool, text: &[u8], step: usize) -> (Option<u64>, Option<u64>) {
        let mut counters = Counters::new(by_line);
        text.chunks(step).for_each(|piece| counters.piece(piece));
        (counters.prompt(), counters.output())
    }

    #[test]
    fn only_counters_in_their_place_are_read() {
        for (text, prompt, output) in [
            (r#"{"prompt_eval_count" : 7 ,"eval_count": 42}"#, Some(7), Some(42)),
            (
                r#"{"usage":{"input_tokens":1,"cache_read_input_tokens":30,"output_tokens":2}}"#,
                Some(31),
                Some(2),
            ),
            (r#"{"timings":{"cache_n":28,"prompt_n":1,"predicted_n":3}}"#, Some(29), Some(3)),
            (r#"{"usage":{"prompt_tokens":5},"timings":{"prompt_n":1}}"#, Some(5), None),
            (r#"{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}"#, None, None),
            (r#"{"x":{"usage":{"prompt_tokens":9}}}"#, None, None),
            (r#"{"usage":[{"prompt_tokens":9}]}"#, None, None),
            (r#"{"usage":{"details":{"prompt_tokens":9}}}"#, None, None),
            (r#"{"eval_count":-3}"#, None, None),
            (r#"{"eval_count":3.5}"#, None, None),
            (r#"{"eval_count":"3"}"#, None, None),
            (r#"{"eval_count":[3]}"#, None, None),
            (r#"{"eval_count":99999999999999999999999}"#, None, None),
            (r#"{"a":"eval_count","b":3}"#, None, None),
            (r#"{"usage":null,"eval_count":3}"#, None, Some(3)),
            (
                r#"{"message":{"usage":{"input_tokens":30}}}{"usage":{"input_tokens":19}}"#,
                Some(19),
                None,
            ),
        ] {
            for step in [1, 2, 7, 1_000] {
                assert_eq!(read(false, text.as_bytes(), step), (prompt, output), "{text} by {step}");
            }
        }
    }

    #[test]
    fn counters_behind_a_long_list_are_read() {
        let numbers = "0.123456,".repeat(100_000);
        let text = format!("{{\"data\":[{{\"embedding\":[{numbers}1]}}],\"usage\":{{\"prompt_tokens\":5,\"total_tokens\":5}}}}");
        assert_eq!(read(false, text.as_bytes(), 8_192), (Some(5), None));
    }

    #[test]
    fn a_line_that_is_no_json_does_not_spoil_the_next() {
        let text = "data: {\"broken\": \"text\n\n: it's a comment {\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
        assert_eq!(read(true, text.as_bytes(), 5), (Some(1), Some(2)));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_read_the_same(text: Vec<u8>, step in 1_usize..9, by_line: bool) {
            prop_assert_eq!(read(by_line, &text, step), read(by_line, &text, usize::MAX));
        }
    }
}
