//! What is kept of a request for its span.

use vigie_model::Timestamp;

use super::trace::Trace;
use crate::admin::{error_type, operation, outcome};
use crate::log::{Outcome, RequestEntry, Tokens};

/// The longest model name in a span, in characters.
const MODEL: usize = 200;

/// A request that has ended: numbers, the key's id, and names of the gateway's own. Of what the client wrote it has the method, if it is a
/// known one, and the name of the model.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) trace: Trace,
    /// The request's id in the audit log, 16 hexadecimal digits.
    pub(super) id: String,
    pub(super) begun: Timestamp,
    pub(super) duration_ms: f64,
    pub(super) first_byte_ms: Option<f64>,
    /// Whether the answer came piece by piece.
    pub(super) streamed: bool,
    pub(super) method: &'static str,
    /// The path of the catalogue's route; `None`: the request was refused before it had one.
    pub(super) route: Option<String>,
    /// Empty: the request is no inference.
    pub(super) operation: &'static str,
    pub(super) model: Option<String>,
    pub(super) key: Option<String>,
    pub(super) tokens: Tokens,
    pub(super) status: Option<u16>,
    pub(super) outcome: &'static str,
    pub(super) error: Option<String>,
    /// Whether it is the gateway's or the server's fault.
    pub(super) is_fault: bool,
}

impl Span {
    pub(super) fn of(entry: &RequestEntry, trace: Trace) -> Self {
        let word = outcome(&entry.outcome);
        let route = entry.route.as_ref().and_then(|(_, route)| route.split(' ').nth(1));
        Self {
            trace,
            id: entry.id.clone(),
            begun: entry.begun,
            duration_ms: entry.duration_ms,
            first_byte_ms: entry.first_byte_ms,
            streamed: entry.streamed,
            method: method(&entry.method),
            route: route.map(str::to_owned),
            operation: operation(entry),
            model: entry.models.first().map(|model| model.chars().take(MODEL).collect()),
            key: entry.client.key.as_ref().map(|(id, _)| id.clone()),
            tokens: entry.tokens,
            status: entry.status,
            outcome: word,
            error: error_type(word, entry.status.unwrap_or(0)),
            is_fault: matches!(entry.outcome, Outcome::Failed { .. }) || entry.status.is_some_and(|status| status >= 500),
        }
    }

    /// Its name, from few words: `chat tiny:latest`, `GET /api/tags`.
    pub(super) fn name(&self) -> String {
        match (self.operation, &self.route, &self.model) {
            ("", Some(route), _) => format!("{} {route}", self.method),
            ("", None, _) => self.method.to_owned(),
            (operation, _, Some(model)) => format!("{operation} {model}"),
            (operation, _, None) => operation.to_owned(),
        }
    }
}

/// A method as the HTTP conventions have it: what is not known has one word.
fn method(method: &str) -> &'static str {
    let known = ["GET", "POST", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"];
    known.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}
