//! What the log says, in the names of OCSF 1.4.0 (class API Activity, 6003).

use std::net::SocketAddr;

use serde_json::{Value, json};
use vigie_model::Timestamp;

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
    /// Another version answers behind.
    Upstream {
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

impl Entry {
    /// The entry as it is written, without its place in the chain.
    pub(super) fn to_json(&self, now: Timestamp) -> Value {
        match self {
            Self::Request(request) => request.to_json(),
            Self::Change(change) => change.to_json(now),
        }
    }
}

fn event(time: Timestamp, activity: u8, ok: bool) -> Value {
    json!({
        "time": time.timestamp_millis(),
        "class_uid": 6003,
        "category_uid": 6,
        "activity_id": activity,
        "type_uid": 600_300 + u32::from(activity),
        "severity_id": if ok { 1 } else { 2 },
        "status_id": if ok { 1 } else { 2 },
        "metadata": {"version": "1.4.0", "product": {"name": "vigie guard", "vendor_name": "vigie", "version": env!("CARGO_PKG_VERSION")}},
    })
}

impl RequestEntry {
    fn to_json(&self) -> Value {
        let (outcome, detail) = match &self.outcome {
            Outcome::Answered => ("answered", None),
            Outcome::Aborted => ("aborted", None),
            Outcome::Refused { reason, detail } => (*reason, Some(detail)),
            Outcome::Failed { detail } => ("failed", Some(detail)),
        };
        // OCSF: 1 create, 2 read, 3 update, 4 delete, 99 other.
        let activity = match self.method.as_str() {
            "GET" | "HEAD" => 2,
            "DELETE" => 4,
            "PUT" | "PATCH" => 3,
            "POST" => 1,
            _ => 99,
        };
        let refused = matches!(self.outcome, Outcome::Refused { .. });
        let mut event = event(self.begun, activity, matches!(self.outcome, Outcome::Answered));
        event["duration"] = json!(self.duration_ms);
        event["src_endpoint"] = json!({"ip": self.client.address.ip(), "port": self.client.address.port()});
        event["http_request"] = json!({"http_method": self.method, "url": {"path": self.path}, "length": self.request_bytes});
        event["http_response"] = json!({"code": self.status, "length": self.response_bytes});
        event["api"] = json!({"operation": self.route.as_ref().map(|(_, route)| route), "request": {"uid": self.id}});
        if let Some((id, name)) = &self.client.key {
            event["actor"] = json!({"user": {"uid": id, "name": name}});
        }
        event["status_code"] = json!(outcome);
        if let Some(detail) = detail {
            event["status_detail"] = json!(detail);
        }
        event["unmapped"] = json!({
            "event": if refused { "refused" } else { "request" },
            "effect": self.route.as_ref().map(|(effect, _)| effect),
            "models": self.models,
            "prompt_tokens": self.tokens.prompt,
            "output_tokens": self.tokens.output,
            "estimated": self.tokens.estimated,
            "chunks": self.chunks,
            "first_byte_ms": self.first_byte_ms,
        });
        if let Some((counted, at)) = &self.counted {
            event["unmapped"]["counted"] = json!({
                "requests": 1,
                "tokens": counted.tokens,
                "estimated": counted.estimated,
                "at": at.timestamp_millis(),
            });
        }
        event
    }
}

impl Change {
    fn to_json(&self, now: Timestamp) -> Value {
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
            Self::Upstream { version } => ("upstream", true, json!({"version": version})),
        };
        let mut event = event(now, 99, ok);
        event["unmapped"] = detail;
        event["unmapped"]["event"] = json!(word);
        event
    }
}
