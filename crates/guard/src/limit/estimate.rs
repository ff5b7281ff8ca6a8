//! Tokens of requests whose server reported none.
//!
//! An estimate has to be near enough that a client gains nothing by leaving before the server's count comes, and nothing more:
//!
//! - a prompt has a token for every four bytes of the request's body, the usual ratio for English text; a run of more than 2 KiB in the
//!   alphabet of Base64 is an image or sound and counts as 1024 tokens;
//! - a stream has a token for each of its pieces of text, as the meter counts them;
//! - another answer has a token for every four bytes, up to 16384; what is no text has none.

use crate::log::Tokens;

/// Bytes of text per token.
const PER_TOKEN: u64 = 4;
/// The longest run of characters of Base64 that is taken for text, in bytes.
const LONGEST_WORD: usize = 2_048;
/// Tokens of a longer run.
const EMBEDDED: u64 = 1_024;
/// The most tokens of an answer that is no stream: longer ones hold images or vectors.
const MOST: u64 = 16_384;

/// The tokens that are counted for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Of prompt and answer.
    pub tokens: u64,
    /// Whether any of it is an estimate.
    pub estimated: bool,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// None came.
    #[default]
    None,
    /// A stream of events or lines.
    Stream,
    /// JSON or text at once.
    Text,
    /// Sound, an image, anything else.
    Other,
}

impl Form {
    /// The form of a content type; `streams`: whether the meter reads it piece by piece.
    #[must_use]
    pub fn of(content_type: &str, streams: bool) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            _ if streams => Self::Stream,
            "application/json" => Self::Text,
            kind if kind.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}

/// The tokens to count for an inference that was passed on.
///
/// `metered`: what the meter read. `whole`: whether the server's answer came to its end, so that what it does not report is nothing.
#[must_use]
pub fn counted(metered: Tokens, whole: bool, request: &Prompt, form: Form, bytes: u64) -> Counted {
    let is_complete = whole && !metered.estimated;
    let prompt = metered.prompt.or_else(|| metered.output.filter(|_| is_complete).map(|_| 0));
    let output = metered.output.or_else(|| metered.prompt.filter(|_| is_complete).map(|_| 0));
    let estimate = match form {
        Form::None | Form::Stream | Form::Other => 0,
        Form::Text => bytes.div_ceil(PER_TOKEN).min(MOST),
    };
    Counted {
        tokens: prompt.unwrap_or(request.tokens).saturating_add(output.unwrap_or(estimate)),
        estimated: metered.estimated || prompt.is_none() || output.is_none(),
    }
}

/// The estimated tokens of a request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    tokens: u64,
}

impl Prompt {
    /// Estimates a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        if body.len() <= LONGEST_WORD {
            return Self {
                tokens: (body.len() as u64).div_ceil(PER_TOKEN),
            };
        }
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'\\');
        let (mut text, mut embedded) = (body.len(), 0);
        // A run that is too long for a word is at one of these places, so that most bytes are not looked at.
        let (mut at, mut from) = (0, 0);
        while at < body.len() {
            if is_word(&body[at]) {
                let before = body[from..at].iter().rev().take_while(|byte| is_word(byte)).count();
                let behind = body[at..].iter().take_while(|byte| is_word(byte)).count();
                if before + behind > LONGEST_WORD {
                    text -= before + behind;
                    embedded += EMBEDDED;
                }
                from = at + behind;
            }
            at = from.max(at + 1).next_multiple_of(LONGEST_WORD);
        }
        Self {
            tokens: (text as u64).div_ceil(PER_TOKEN) + embedded,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_run_is_looked_at(runs in proptest::collection::vec((any::<bool>(), prop_oneof![4 => 1..40_usize, 1 => 2_000..5_000_usize]), 0..12)) {
            let (mut body, mut joined) = (Vec::new(), Vec::<(bool, usize)>::new());
            for (is_word, length) in runs {
                body.extend(std::iter::repeat_n(if is_word { b'x' } else { b' ' }, length));
                match joined.last_mut() {
                    Some(last) if last.0 == is_word => last.1 += length,
                    _ => joined.push((is_word, length)),
                }
            }
            let is_long = |run: &&(bool, usize)| run.0 && run.1 > LONGEST_WORD;
            let long = joined.iter().filter(is_long).count() as u64;
            let text: usize = joined.iter().filter(|run| !is_long(run)).map(|run| run.1).sum();
            prop_assert_eq!(Prompt::of(&body).tokens, (text as u64).div_ceil(PER_TOKEN) + long * EMBEDDED);
        }
    }

    #[test]
    fn an_image_is_no_novel() {
        assert_eq!(Prompt::of(b"12345").tokens, 2);
        let words = "word ".repeat(2_000);
        assert_eq!(Prompt::of(words.as_bytes()).tokens, 2_500);
        let image = format!("{{\"images\":[\"{}\"]}}", "iVBORw0K".repeat(100_000));
        assert!((1_024..1_040).contains(&Prompt::of(image.as_bytes()).tokens));
    }

    #[test]
    fn what_the_server_reports_counts_and_the_rest_is_estimated() {
        let prompt = Prompt { tokens: 50 };
        let count = |prompt_tokens, output, estimated, whole, form| {
            let metered = Tokens {
                prompt: prompt_tokens,
                output,
                estimated,
            };
            let counted = counted(metered, whole, &prompt, form, 400);
            (counted.tokens, counted.estimated)
        };
        assert_eq!(count(Some(7), Some(5), false, true, Form::Stream), (12, false));
        assert_eq!(
            count(Some(7), None, false, true, Form::Text),
            (7, false),
            "embeddings have a prompt only"
        );
        assert_eq!(count(None, Some(30), true, true, Form::Stream), (80, true));
        assert_eq!(count(None, None, false, true, Form::Text), (150, true));
        assert_eq!(count(None, None, false, true, Form::Other), (50, true));
        // A client that leaves early.
        assert_eq!(count(Some(7), Some(30), true, false, Form::Stream), (37, true));
        assert_eq!(count(None, Some(3), true, false, Form::Stream), (53, true));
        assert_eq!(count(None, None, false, false, Form::None), (50, true));
        assert_eq!(
            count(Some(7), Some(5), false, false, Form::Stream),
            (12, false),
            "it left after the counters"
        );
    }
}
