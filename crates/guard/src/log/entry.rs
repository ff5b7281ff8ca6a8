//! What the log says, in the names of OCSF 1.4.0 (class API Activity, 6003).

use std::net::SocketAddr;

use serde_json::{Value, json};
use vigie_model::Timestamp;

use super::ocsf::{self, RequestEvent};
use crate::limit::estimate::Counted;

/// An entry.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A request, passed on or refused.
    Request(Box<RequestEntry>),
    /// Something about the gateway itself.
    Change(Change),
}

/// Something about the gateway itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It starts to take requests.
    Started {
        /// Where.
        listen: String,
        /// The product behind it and its version.
        upstream: String,
        /// Whether without TLS.
        plain_http: bool,
    },
    /// It stops.
    Stopped,
    /// The key store was read anew.
    Keys {
        /// How many keys it has.
        count: usize,
        /// What changed, by the ids of keys.
        changes: Vec<String>,
    },
    /// A file could not be read anew; what was known before still holds.
    NotReloaded {
        /// Why.
        why: String,
    },
    /// The configuration was read anew and holds.
    Reloaded {
        /// The tables and keys that changed, without their values.
        changed: Vec<String>,
        /// Those that take effect only when the gateway starts again.
        needs_restart: Vec<String>,
    },
    /// The certificate ends soon, or has ended.
    CertificateEnds {
        /// When.
        until: Timestamp,
    },
    /// Another version answers behind.
    Upstream {
        /// Which server; `None`: the only one.
        server: Option<String>,
        /// The version; `None`: not known, and the strictest table holds.
        version: Option<String>,
    },
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub struct Client {
    /// From where.
    pub address: SocketAddr,
    /// The id and the name of its key.
    pub key: Option<(String, String)>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server's answer went to the client whole.
    Answered,
    /// The client left before its end.
    Aborted,
    /// It was not passed on.
    Refused {
        /// The word of the reason.
        reason: &'static str,
        /// More about it.
        detail: String,
    },
    /// The server behind gave no answer, or broke off.
    Failed {
        /// How.
        detail: String,
    },
}

/// Tokens, as the server counted them; `None`: it did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the prompt.
    pub prompt: Option<u64>,
    /// Of the answer.
    pub output: Option<u64>,
    /// Whether those of the answer are estimated by its pieces, because it ended before the server named them.
    pub estimated: bool,
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub struct RequestEntry {
    /// Its id.
    pub id: String,
    /// When its head had come.
    pub begun: Timestamp,
    /// Who sent it.
    pub client: Client,
    /// The method.
    pub method: String,
    /// The target, without what may be a secret in its query.
    pub path: String,
    /// Its effect and the route that it took, once that is known.
    pub route: Option<(String, String)>,
    /// The models that it named.
    pub models: Vec<String>,
    /// Bytes of its body.
    pub request_bytes: usize,
    /// The status that the client got; `None`: none.
    pub status: Option<u16>,
    /// Bytes of the answer.
    pub response_bytes: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// What was counted against the key's limits, and when; `None`: it was not admitted.
    pub counted: Option<(Counted, Timestamp)>,
    /// Pieces of the answer that came one by one.
    pub chunks: u64,
    /// From the request to the first byte of the answer, in milliseconds.
    pub first_byte_ms: Option<f64>,
    /// From the request to its end, in milliseconds.
    pub duration_ms: f64,
    /// What became of it.
    pub outcome: Outcome,
}

impl RequestEntry {
    /// A request of which nothing is known yet.
    pub(crate) fn begun(id: String, client: SocketAddr) -> Self {
        Self {
            id,
            begun: chrono::Utc::now(),
            client: Client {
                address: client,
                key: None,
            },
            method: String::new(),
            path: String::new(),
            route: None,
            models: Vec::new(),
            request_bytes: 0,
            status: None,
            response_bytes: 0,
            tokens: Tokens::default(),
            counted: None,
            chunks: 0,
            first_byte_ms: None,
            duration_ms: 0.0,
            outcome: Outcome::Aborted,
        }
    }
}

impl Entry {
    /// Writes the entry as a JSON object, without its place in the chain.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self::Request(request) => serde_json::to_writer(out, &RequestEvent::of(request)),
            Self::Change(change) => serde_json::to_writer(out, &change.event(chrono::Utc::now())),
        }
    }
}

impl Change {
    fn event(&self, now: Timestamp) -> Value {
        let (word, ok, detail) = match self {
            Self::Started {
                listen,
                upstream,
                plain_http,
            } => (
                "started",
                true,
                json!({"listen": listen, "upstream": upstream, "plain_http": plain_http}),
            ),
            Self::Stopped => ("stopped", true, json!({})),
            Self::Keys { count, changes } => ("keys", true, json!({"count": count, "changes": changes})),
            Self::NotReloaded { why } => ("not-reloaded", false, json!({"why": why})),
            Self::Reloaded { changed, needs_restart } => ("reloaded", true, json!({"changed": changed, "needs_restart": needs_restart})),
            Self::CertificateEnds { until } => ("certificate-ends", false, json!({"until": until})),
            Self::Upstream { server: None, version } => ("upstream", true, json!({"version": version})),
            Self::Upstream {
                server: Some(server),
                version,
            } => ("upstream", true, json!({"server": server, "version": version})),
        };
        let mut event = ocsf::event(now, ok);
        event["unmapped"] = detail;
        event["unmapped"]["event"] = json!(word);
        event
    }
}
