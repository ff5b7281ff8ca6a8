//! What is known of one request.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vigie_model::{Effect, Timestamp};

use crate::content::Content;

/// One request, as far as it is known. What is not known is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When it came.
    pub time: Timestamp,
    /// The id of the key that it was sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Its method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Its path, without a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// The models that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Tokens of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Bytes of the request's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
    /// From its head to the end of the answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// What was read of its content; absent: nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was answered by the server.
    Answered,
    /// The client left before the end of the answer.
    Aborted,
    /// The key does not have what it asks for, or there is no such route.
    NotGranted,
    /// It had no credential that is valid.
    NoKey,
    /// It was refused for another reason: a limit, a size, its form.
    Refused,
    /// The server gave no answer.
    Failed,
}

impl Event {
    /// An event of which only the time is known.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self {
            time,
            key: None,
            address: None,
            method: None,
            path: None,
            effect: None,
            models: Vec::new(),
            outcome: None,
            status: None,
            prompt_tokens: None,
            output_tokens: None,
            request_bytes: None,
            duration_ms: None,
            content: None,
        }
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.time.timestamp()
    }

    /// Whether it was refused, or the server answered that it may not or has no such thing.
    pub(crate) fn is_rejected(&self) -> bool {
        match self.outcome {
            Some(Outcome::NotGranted | Outcome::NoKey | Outcome::Refused) => true,
            Some(Outcome::Failed) => false,
            Some(Outcome::Answered | Outcome::Aborted) | None => self.status.is_some_and(|status| matches!(status, 401 | 403..=405)),
        }
    }

    /// Whether it ran a model, or is taken for that: an answer was given or begun.
    pub(crate) fn infers(&self) -> bool {
        let runs = match self.effect {
            Some(effect) => effect == Effect::Infer,
            None => self.path.as_deref().is_some_and(is_inference_path),
        };
        runs && !self.is_rejected()
    }

    /// Tokens of prompt and answer; `None`: neither is known.
    pub(crate) fn tokens(&self) -> Option<u64> {
        match (self.prompt_tokens, self.output_tokens) {
            (None, None) => None,
            (prompt, output) => Some(prompt.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        }
    }
}

/// Paths of inference, for logs that do not know effects.
fn is_inference_path(path: &str) -> bool {
    const ENDS: [&str; 10] = [
        "/generate",
        "/chat",
        "/completions",
        "/completion",
        "/embeddings",
        "/embed",
        "/responses",
        "/messages",
        "/generate_stream",
        "/infill",
    ];
    ENDS.iter().any(|end| path.ends_with(end))
}
