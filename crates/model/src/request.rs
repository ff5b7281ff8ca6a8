//! A request to a gateway, as the gateway's log records it.

use std::net::IpAddr;

use crate::{Known, Timestamp};

/// A request to a gateway and its outcome: one entry of the gateway's log.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayRequest {
    /// The gateway: a fingerprint of the key that signs its log, or a name that the user gave.
    pub gateway: String,
    /// The process that wrote the entry, from 1: several may write the log of one gateway, each with its own numbers.
    pub stream: u32,
    /// The number of the entry in the log, from 1.
    pub seq: u64,
    /// When the head of the request had arrived.
    pub time: Timestamp,
    /// When the entry was imported.
    pub recorded: Timestamp,
    /// The version of the gateway.
    pub version: Option<String>,
    /// The id that the gateway gave to the request.
    pub request: Option<String>,
    /// The id of the key. `refused`: the request had no valid key; `redacted`: it was erased from the log.
    pub key_id: Known<String>,
    /// The name of the key when the request was logged.
    pub key_name: Known<String>,
    /// The address of the client.
    pub address: Known<IpAddr>,
    /// The program that the client says it is.
    pub user_agent: Known<String>,
    /// The HTTP method.
    pub method: Known<String>,
    /// The path, without what may be a secret in its query.
    pub path: Known<String>,
    /// The route of the catalogue; `None`: the request was refused before a route was found.
    pub route: Option<String>,
    /// The effect of the route.
    pub effect: Option<String>,
    /// The first model that the request named.
    pub model: Option<String>,
    /// All models that the request named, in the order of the log.
    pub models: Vec<String>,
    /// The options of the request, as a JSON object.
    pub options: Option<String>,
    /// `answered`, `aborted` (the client left), `refused`, `failed` (the server gave no whole answer), or `authorized` (a proxy was told to
    /// pass it on, and what became of it is not known).
    pub outcome: String,
    /// The word for the reason of a refusal.
    pub refusal: Option<String>,
    /// More about a refusal or a failure.
    pub detail: Option<String>,
    /// The status that the client got; `None`: it left before.
    pub status: Option<u16>,
    /// Bytes of the request's body.
    pub request_bytes: Known<u64>,
    /// Bytes of the answer's body.
    pub response_bytes: Known<u64>,
    /// Tokens of the prompt, as the server counted them. `not-asked`: the request was not answered by the server.
    pub prompt_tokens: Known<u64>,
    /// Tokens of the answer.
    pub output_tokens: Known<u64>,
    /// Whether the tokens of the answer are estimated from its pieces.
    pub estimated: Option<bool>,
    /// The tokens that were counted against the limits of the key, which may be an estimate; `None`: the request was not admitted.
    pub counted_tokens: Option<u64>,
    /// The number of pieces in which the answer arrived.
    pub chunks: Option<u64>,
    /// Milliseconds from the request to the first byte of the answer; `None`: there was none.
    pub first_byte_ms: Option<f64>,
    /// Milliseconds from the request to its end.
    pub duration_ms: Option<f64>,
    /// Bytes of the prompt.
    pub prompt_bytes: Known<u64>,
    /// The keyed hash of the prompt.
    pub prompt_hash: Known<String>,
    /// Whether the personal part of the entry was erased from the log.
    pub erased: bool,
}

impl GatewayRequest {
    /// The day of the request, in UTC.
    #[must_use]
    pub fn day(&self) -> chrono::NaiveDate {
        self.time.date_naive()
    }
}
