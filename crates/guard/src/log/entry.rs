//! What the log says. [`super::ocsf`] writes it in the names of OCSF 1.4.0.

use std::io;
use std::net::SocketAddr;

use serde_json::json;
use vigie_catalog::table::{Amount, Knob};
use vigie_model::Timestamp;

use super::line::Draft;
use super::ocsf::{self, Activity, Origin};
use super::prompt::PromptMark;
use super::text::StoredText;
use crate::limit::estimate::Counted;
use crate::ways::Standing;

/// An entry.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A request, passed on or refused.
    Request(Box<RequestEntry>),
    /// Something about the gateway itself.
    Change(Change),
}

/// Something about the gateway itself.
#[derive(Clone, Debug, PartialEq)]
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
        /// A key that changed; each has a line of its own.
        change: Option<KeyChange>,
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
    /// The wall clock was set, or the machine slept: times of lines before this one and after it do not compare.
    ClockSet {
        /// By how much, forward or back.
        seconds: f64,
    },
    /// The certificate ends soon, or has ended.
    CertificateEnds {
        /// When.
        until: Timestamp,
    },
    /// A detector noticed something.
    Alert {
        /// Which one, whom it is about, and its numbers; no text of a request.
        alert: serde_json::Value,
    },
    /// Somebody is slowed down or blocked for a time.
    Sanction {
        /// The detector that alerted.
        detector: &'static str,
        /// Whom it is about.
        subject: String,
        /// `slow` or `block`.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// Whether it could be done: not about loopback, and not about thousands at once.
        holds: bool,
    },
    /// An authority gave a certificate, or did not.
    Acme {
        /// The names of the certificate.
        domains: Vec<String>,
        /// When it ends; or why there is none.
        result: Result<Option<Timestamp>, String>,
    },
    /// Another process takes the connections from now on; this one finishes its requests.
    HandedOver {
        /// The id of the other process.
        to: u32,
    },
    /// Another version answers behind.
    Upstream {
        /// Which server; `None`: the only one.
        server: Option<String>,
        /// The version; `None`: not known, and the strictest table holds.
        version: Option<String>,
    },
    /// Where the server behind answers without the gateway, at the start and when it changes.
    Ways(Standing),
}

/// A change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// What happened to it.
    pub what: KeyEvent,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEvent {
    /// It is new.
    Created,
    /// It has another secret.
    Rotated,
    /// It does not work any more.
    Revoked,
    /// What it may do is another.
    Changed,
    /// It is not in the store any more.
    Removed,
}

impl KeyEvent {
    /// Its word in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Rotated => "rotated",
            Self::Revoked => "revoked",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
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
    /// The proxy that asked may pass it on; what became of it then is not known.
    Authorized,
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

/// The options of a request, in the words of the catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// What the request set.
    pub set: Vec<(Knob, Amount)>,
    /// What was put in or lowered, because the key has caps.
    pub put: Vec<(Knob, u32)>,
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
    /// What the client calls itself; see [`super::user_agent`].
    pub user_agent: String,
    /// The method.
    pub method: String,
    /// The target, without what may be a secret in its query.
    pub path: String,
    /// Its effect and the route that it took, once that is known.
    pub route: Option<(String, String)>,
    /// The models that it named.
    pub models: Vec<String>,
    /// Its options.
    pub options: Options,
    /// Length and keyed hash of its prompt, if it has one.
    pub prompt: Option<PromptMark>,
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
    /// Whether the answer came piece by piece.
    pub streamed: bool,
    /// Pieces of the answer that came one by one.
    pub chunks: u64,
    /// From the request to the first byte of the answer, in milliseconds.
    pub first_byte_ms: Option<f64>,
    /// From the request to its end, in milliseconds.
    pub duration_ms: f64,
    /// What became of it.
    pub outcome: Outcome,
    /// Its text and that of the answer, if they are kept.
    pub text: Option<StoredText>,
    /// The proxy that asked whether it may pass the request on; `None`: the client sent it to the gateway.
    pub asked_by: Option<&'static str>,
}

impl RequestEntry {
    /// The entry of a request of which nothing is known yet.
    #[must_use]
    pub fn begun(id: String, client: SocketAddr) -> Self {
        Self {
            id,
            begun: chrono::Utc::now(),
            client: Client {
                address: client,
                key: None,
            },
            user_agent: String::new(),
            method: String::new(),
            path: String::new(),
            route: None,
            models: Vec::new(),
            options: Options::default(),
            prompt: None,
            request_bytes: 0,
            status: None,
            response_bytes: 0,
            tokens: Tokens::default(),
            counted: None,
            streamed: false,
            chunks: 0,
            first_byte_ms: None,
            duration_ms: 0.0,
            outcome: Outcome::Aborted,
            text: None,
            asked_by: None,
        }
    }
}

/// What a client calls itself, in at most 120 printable characters of ASCII.
#[must_use]
pub fn user_agent(header: &str) -> String {
    header.chars().filter(|c| matches!(c, ' '..='~')).take(120).collect()
}

impl Change {
    /// Writes the entry, without its place in the chain.
    pub(super) fn draft(&self, origin: &Origin, now: Timestamp) -> io::Result<Draft> {
        let (activity, word, detail) = match self {
            Self::Started {
                listen,
                upstream,
                plain_http,
            } => (
                Activity::Start,
                "started",
                json!({"listen": listen, "upstream": upstream, "plain_http": plain_http}),
            ),
            Self::Stopped => (Activity::Stop, "stopped", json!({})),
            Self::Alert { alert } => return ocsf::lifecycle_of(Activity::Other, "alert", json!({ "alert": alert }), origin, now),
            Self::Sanction {
                detector,
                subject,
                what,
                seconds,
                holds,
            } => {
                let detail = json!({"detector": detector, "subject": subject, "what": what, "seconds": seconds, "holds": holds});
                return ocsf::lifecycle_of(Activity::Other, "sanction", detail, origin, now);
            }
            Self::Keys { count, change: None } => (Activity::Update, "keys", json!({"count": count, "changes": []})),
            Self::Keys {
                count,
                change: Some(change),
            } => return ocsf::key(change, *count, origin, now),
            Self::NotReloaded { why } => (Activity::Failure, "not-reloaded", json!({"why": why})),
            Self::Reloaded { changed, needs_restart } => (
                Activity::Update,
                "reloaded",
                json!({"changed": changed, "needs_restart": needs_restart}),
            ),
            Self::ClockSet { seconds } => (Activity::Other, "clock-set", json!({"seconds": seconds})),
            Self::CertificateEnds { until } => (Activity::Failure, "certificate-ends", json!({"until": until})),
            Self::Upstream { server: None, version } => (Activity::Update, "upstream", json!({"version": version})),
            Self::Upstream {
                server: Some(server),
                version,
            } => (Activity::Update, "upstream", json!({"server": server, "version": version})),
            Self::Ways(standing) => (
                match standing.word() {
                    "only" | "local" => Activity::Other,
                    _ => Activity::Failure,
                },
                "ways",
                json!({
                    "server": standing.server,
                    "standing": standing.word(),
                    "here": standing.is_here,
                    "unread": standing.unread,
                    "ways": standing.ways,
                    "unjudged": standing.unjudged,
                }),
            ),
            Self::Acme { domains, result } => (
                if result.is_ok() { Activity::Update } else { Activity::Failure },
                "acme",
                json!({"domains": domains, "until": result.as_ref().ok(), "why": result.as_ref().err()}),
            ),
            Self::HandedOver { to } => (Activity::Update, "handed-over", json!({"to": to})),
        };
        ocsf::lifecycle(activity, word, detail, origin, now)
    }
}
