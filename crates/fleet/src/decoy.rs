//! Servers that pretend.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vigie_model::{Reply, RequestLine};

use crate::plan::{mix, pick};
use crate::{FleetError, Recording, Recordings};

/// A kind of bait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Honeypot {
    /// Answers every path with 200 and the same JSON.
    CatchAll,
    /// Lists models with the fields of a chat answer among them.
    ChatFields,
    /// Names another server software in each answer.
    RotatingServer,
    /// Shows what an intruder looks for: the output of `id` for root.
    Bait,
    /// Lists capabilities and says it is a version that had none.
    ImpossibleVersion,
    /// Answers as every product at once.
    EveryProduct,
}

impl Honeypot {
    /// One of each.
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

/// The list of models of Ollama's interface.
const TAGS: &str = "/api/tags";
/// The version of Ollama's interface.
const VERSION: &str = "/api/version";
/// A version before Ollama told capabilities.
const OLD_VERSION: &str = "0.1.20";
/// What the rotating one calls itself, in turn.
const SERVERS: [&str; 5] = ["nginx", "Apache", "uvicorn", "Werkzeug/3.0.1", "Microsoft-IIS/10.0"];

/// A honeypot, and what it pretends with.
#[derive(Debug)]
pub(crate) struct Decoy {
    kind: Honeypot,
    pose: Arc<Recording>,
    others: Vec<Arc<Recording>>,
}

impl Decoy {
    pub(crate) fn new(kind: Honeypot, recordings: &Recordings, seed: u64) -> Result<Self, FleetError> {
        // One that pretends to be a product pretends to be Ollama where that was recorded, as those on the internet do.
        let lists_models = |recording: &Recording| {
            recording
                .get(TAGS)
                .is_some_and(|reply| object(reply).is_some_and(|o| o["models"].is_array()))
        };
        let tells_capabilities = |recording: &Recording| {
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
            Honeypot::ImpossibleVersion => recording.folder() == "ollama" && tells_capabilities(recording),
            _ => recording.get("/").is_some_and(|reply| reply.status == 200),
        };
        let mut suiting: Vec<&Arc<Recording>> = recordings.of("ollama").iter().filter(|r| suits(r)).collect();
        if suiting.is_empty() {
            suiting = recordings.iter().filter(|r| suits(r)).collect();
        }
        if suiting.is_empty() {
            return Err(FleetError::NoRecording {
                what: format!("what the honeypot {kind} would pretend with"),
                have: recordings.products().into_iter().collect::<Vec<_>>().join(", "),
            });
        }
        let pose = Arc::clone(suiting[pick(mix(seed, kind as u64), suiting.len())]);
        let others = if kind == Honeypot::EveryProduct {
            recordings.iter().cloned().collect()
        } else {
            Vec::new()
        };
        Ok(Self { kind, pose, others })
    }

    pub(crate) fn kind(&self) -> Honeypot {
        self.kind
    }

    pub(crate) fn port(&self) -> u16 {
        self.pose.fixture().head.port
    }

    /// What it says; `nth` counts the requests it was sent.
    pub(crate) fn answer(&self, request: &RequestLine, nth: usize) -> Reply {
        let path = vigie_http::path::without_query(&request.path);
        match self.kind {
            Honeypot::CatchAll => reply(200, &json!({"status": "ok", "models": [], "data": [], "path": path})),
            Honeypot::Bait => reply(
                200,
                &json!({"status": "ok", "models": [], "output": "uid=0(root) gid=0(root) groups=0(root)", "usage": {"total_tokens": 42}}),
            ),
            Honeypot::RotatingServer => {
                let mut said = self.posed(request);
                said.headers.retain(|(name, _)| name != "server");
                said.headers.push(("server".to_owned(), SERVERS[nth % SERVERS.len()].to_owned()));
                said
            }
            Honeypot::ChatFields => {
                let mut said = self.posed(request);
                if path == TAGS
                    && let Some(Value::Object(mut fields)) = object(&said)
                {
                    for (key, value) in [
                        ("role", json!("assistant")),
                        ("message", json!({"role": "assistant", "content": "Hello!"})),
                        ("total_duration", json!(1_234_567)),
                        ("eval_count", json!(12)),
                    ] {
                        fields.insert(key.to_owned(), value);
                    }
                    said.body = Value::Object(fields).to_string().into_bytes();
                }
                said
            }
            Honeypot::ImpossibleVersion if path == VERSION => reply(200, &json!({"version": OLD_VERSION})),
            Honeypot::ImpossibleVersion => self.posed(request),
            Honeypot::EveryProduct => self
                .others
                .iter()
                .filter_map(|recording| {
                    let line = recording.fixture().answer(request)?;
                    // A page for everything else is no answer of a product.
                    (line.request.path != "*").then_some(line.reply.as_ref()?)
                })
                .find(|reply| reply.status == 200)
                .cloned()
                .unwrap_or_else(|| reply(404, &json!({"error": "not found"}))),
        }
    }

    fn posed(&self, request: &RequestLine) -> Reply {
        self.pose
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
