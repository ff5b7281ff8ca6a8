//! Simulated honeypots.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vigie_model::{Reply, RequestLine};

use crate::plan::{mix, pick};
use crate::{FleetError, Recording, Recordings};

/// A kind of honeypot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Honeypot {
    /// Answers every path with 200 and the same JSON.
    CatchAll,
    /// A list of models mixed with the fields of a chat reply.
    ChatFields,
    /// A different `Server` header in each reply.
    RotatingServer,
    /// Returns the output of `id` for root.
    Bait,
    /// Lists capabilities, but claims a version without them.
    ImpossibleVersion,
    /// Answers as every recorded product at once.
    EveryProduct,
}

impl Honeypot {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::CatchAll,
        Self::ChatFields,
        Self::RotatingServer,
        Self::Bait,
        Self::ImpossibleVersion,
        Self::EveryProduct,
    ];
}

impl fmt::Display for Honeypot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CatchAll => "catch-all",
            Self::ChatFields => "chat-fields",
            Self::RotatingServer => "rotating-server",
            Self::Bait => "bait",
            Self::ImpossibleVersion => "impossible-version",
            Self::EveryProduct => "every-product",
        })
    }
}

/// Ollama's route for the list of models.
const TAGS: &str = "/api/tags";
/// Ollama's route for the version.
const VERSION: &str = "/api/version";
/// A version of Ollama without capabilities.
const OLD_VERSION: &str = "0.1.20";
/// The `Server` headers of a rotating honeypot.
const SERVERS: [&str; 5] = ["nginx", "Apache", "uvicorn", "Werkzeug/3.0.1", "Microsoft-IIS/10.0"];

/// A honeypot, with the recordings that it imitates.
#[derive(Debug)]
pub(crate) struct Decoy {
    kind: Honeypot,
    imitated: Arc<Recording>,
    others: Vec<Arc<Recording>>,
}

impl Decoy {
    pub(crate) fn new(kind: Honeypot, recordings: &Recordings, seed: u64) -> Result<Self, FleetError> {
        // Honeypots on the internet imitate Ollama, so a suitable recording of Ollama is preferred.
        let lists_models = |recording: &Recording| {
            recording
                .get(TAGS)
                .is_some_and(|reply| object(reply).is_some_and(|o| o["models"].is_array()))
        };
        let reports_capabilities = |recording: &Recording| {
            recording.get(VERSION).is_some()
                && recording
                    .fixture()
                    .lines
                    .iter()
                    .filter_map(|line| line.reply.as_ref())
                    .any(|reply| {
                        reply.status == 200
                            && object(reply).is_some_and(|o| !o["capabilities"].is_null() || !o["models"][0]["capabilities"].is_null())
                    })
        };
        let suits = |recording: &Recording| match kind {
            Honeypot::ChatFields => lists_models(recording),
            Honeypot::ImpossibleVersion => recording.folder() == "ollama" && reports_capabilities(recording),
            _ => recording.get("/").is_some_and(|reply| reply.status == 200),
        };
        let mut suitable: Vec<&Arc<Recording>> = recordings.of("ollama").iter().filter(|r| suits(r)).collect();
        if suitable.is_empty() {
            suitable = recordings.iter().filter(|r| suits(r)).collect();
        }
        if suitable.is_empty() {
            return Err(FleetError::NoRecording {
                what: format!("the honeypot {kind}"),
                have: recordings.products().into_iter().collect::<Vec<_>>().join(", "),
            });
        }
        let imitated = Arc::clone(suitable[pick(mix(seed, kind as u64), suitable.len())]);
        let others = if kind == Honeypot::EveryProduct {
            recordings.iter().cloned().collect()
        } else {
            Vec::new()
        };
        Ok(Self { kind, imitated, others })
    }

    pub(crate) fn kind(&self) -> Honeypot {
        self.kind
    }

    pub(crate) fn port(&self) -> u16 {
        self.imitated.fixture().head.port
    }

    /// The reply to a request; `nth` is the number of earlier requests.
    pub(crate) fn answer(&self, request: &RequestLine, nth: usize) -> Reply {
        let path = vigie_http::path::without_query(&request.path);
        match self.kind {
            Honeypot::CatchAll => reply(200, &json!({"status": "ok", "models": [], "data": [], "path": path})),
            Honeypot::Bait => reply(
                200,
                &json!({"status": "ok", "models": [], "output": "uid=0(root) gid=0(root) groups=0(root)", "usage": {"total_tokens": 42}}),
            ),
            Honeypot::RotatingServer => {
                let mut reply = self.imitate(request);
                reply.headers.retain(|(name, _)| name != "server");
                reply.headers.push(("server".to_owned(), SERVERS[nth % SERVERS.len()].to_owned()));
                reply
            }
            Honeypot::ChatFields => {
                let mut reply = self.imitate(request);
                if path == TAGS
                    && let Some(Value::Object(mut fields)) = object(&reply)
                {
                    for (key, value) in [
                        ("role", json!("assistant")),
                        ("message", json!({"role": "assistant", "content": "Hello!"})),
                        ("total_duration", json!(1_234_567)),
                        ("eval_count", json!(12)),
                    ] {
                        fields.insert(key.to_owned(), value);
                    }
                    reply.body = Value::Object(fields).to_string().into_bytes();
                }
                reply
            }
            Honeypot::ImpossibleVersion if path == VERSION => reply(200, &json!({"version": OLD_VERSION})),
            Honeypot::ImpossibleVersion => self.imitate(request),
            Honeypot::EveryProduct => self
                .others
                .iter()
                .filter_map(|recording| {
                    let line = recording.fixture().answer(request)?;
                    // A catch-all line is not specific to the product.
                    (line.request.path != "*").then_some(line.reply.as_ref()?)
                })
                .find(|reply| reply.status == 200)
                .cloned()
                .unwrap_or_else(|| reply(404, &json!({"error": "not found"}))),
        }
    }

    fn imitate(&self, request: &RequestLine) -> Reply {
        self.imitated
            .line(request)
            .and_then(|line| line.reply.clone())
            .unwrap_or_else(|| reply(404, &json!({"error": "not found"})))
    }
}

fn object(reply: &Reply) -> Option<Value> {
    serde_json::from_slice::<Value>(&reply.body).ok().filter(Value::is_object)
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        version: "HTTP/1.1".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
        truncated: false,
    }
}
