//! Exposure: what a server shows to a stranger.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Known, Reach, Timestamp};

/// The access of a stranger without credentials to the routes that matter (not to a health page).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Posture {
    /// The routes answer.
    Open,
    /// They require an API key or a token.
    Key,
    /// A person must sign in: form, Basic, notebook token.
    Login,
    /// They require a login, and anyone may register.
    Signup,
    /// No account exists yet: the first visitor becomes administrator.
    FirstAdmin,
    /// Refused without a way in.
    Forbidden,
}

impl Posture {
    /// The word in JSON and in product files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Key => "key",
            Self::Login => "login",
            Self::Signup => "signup",
            Self::FirstAdmin => "first-admin",
            Self::Forbidden => "forbidden",
        }
    }
}

impl fmt::Display for Posture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether a model server has something to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// It has a model.
    Active,
    /// It has none, but a stranger may be able to make it host one.
    Dormant,
}

impl Activity {
    /// The word in JSON and in the tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Dormant => "dormant",
        }
    }
}

/// What a model can do, in the field's words: `completion`, `tools`, `insert`, `vision`, `embedding`, `thinking`,
/// `image`, `audio`, `rerank`. Other words are kept as the server says them, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capability(String);

impl Capability {
    /// A capability by its word; case is folded.
    #[must_use]
    pub fn new(word: &str) -> Self {
        Self(word.trim().to_ascii_lowercase())
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The class of a system prompt or a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptClass {
    /// It is empty.
    Empty,
    /// A text that ships with a model family.
    Default,
    /// A text of the owner.
    Custom,
    /// A text that removes safeguards.
    Uncensored,
}

/// A text by hash and class; the text itself only on request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPrint {
    /// SHA-256 of the text with white space folded, `sha256:<hex>`: the same text on many hosts has one hash.
    pub sha256: String,
    /// Characters in the text.
    pub characters: u64,
    /// The class.
    pub class: PromptClass,
    /// The text, with `--keep-prompts` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A model that a server can serve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The name used in requests.
    pub name: String,
    /// The digest of its manifest or weights, hex without a prefix.
    pub digest: Known<String>,
    /// Architecture family, e.g. `llama`.
    pub family: Known<String>,
    /// Parameter count as reported by the server, e.g. `8.0B`.
    pub parameters: Known<String>,
    /// Quantisation, e.g. `Q4_K_M`.
    pub quantisation: Known<String>,
    /// File format, e.g. `gguf`.
    pub format: Known<String>,
    /// Bytes on the server's disk.
    pub size_bytes: Known<u64>,
    /// Context length in tokens.
    pub context_length: Known<u64>,
    /// What it can do; an empty list means none.
    pub capabilities: Known<Vec<Capability>>,
    /// Capabilities that the server's version cannot report. If they are not in the list, they are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities_untold: Vec<Capability>,
    /// Whether another service runs it and this server only forwards requests (`:cloud`).
    pub remote: Known<bool>,
    /// The host of that service.
    pub remote_host: Known<String>,
    /// Whether it is in memory.
    pub loaded: Known<bool>,
    /// When it was last modified.
    pub modified: Known<Timestamp>,
    /// Its chat template.
    pub template: Known<TextPrint>,
    /// Its system prompt.
    pub system_prompt: Known<TextPrint>,
    /// Whether its name or lineage says that safeguards were removed.
    pub uncensored_by_name: Known<bool>,
    /// Whether its system prompt removes them.
    pub uncensored_by_prompt: Known<bool>,
}

impl Model {
    /// A model of which only the name is known; all else is unknown, with a reason.
    #[must_use]
    pub fn named(name: impl Into<String>, why: crate::Why) -> Self {
        Self {
            name: name.into(),
            digest: Known::unknown(why),
            family: Known::unknown(why),
            parameters: Known::unknown(why),
            quantisation: Known::unknown(why),
            format: Known::unknown(why),
            size_bytes: Known::unknown(why),
            context_length: Known::unknown(why),
            capabilities: Known::unknown(why),
            capabilities_untold: Vec::new(),
            remote: Known::unknown(why),
            remote_host: Known::unknown(why),
            loaded: Known::unknown(why),
            modified: Known::unknown(why),
            template: Known::unknown(why),
            system_prompt: Known::unknown(why),
            uncensored_by_name: Known::unknown(why),
            uncensored_by_prompt: Known::unknown(why),
        }
    }
}

/// A model that is in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningModel {
    /// Its name.
    pub name: String,
    /// Total memory in bytes.
    pub size_bytes: Known<u64>,
    /// Accelerator memory in bytes.
    pub vram_bytes: Known<u64>,
    /// Context length it was loaded with, in tokens.
    pub context_length: Known<u64>,
    /// When it will be unloaded.
    pub expires: Known<Timestamp>,
}

/// What a tool could do in the wrong hands, derived from its name, description and input schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolRisk {
    /// Runs commands or code.
    CodeExecution,
    /// Reads or writes files.
    FileAccess,
    /// Makes network requests.
    Network,
    /// Queries a database.
    Database,
    /// Reads secrets.
    Secrets,
    /// Acts with an administrator's rights.
    Privileged,
    /// None of these.
    Other,
}

/// A tool that an MCP server (or another) lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its risk classes, the worst first; never empty.
    pub risks: Vec<ToolRisk>,
}

/// The kind of a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakKind {
    /// The list of models of a server that otherwise requires a key or a login.
    Models,
    /// A configured system prompt.
    SystemPrompt,
    /// Prompts of other users.
    Prompts,
    /// Settings, paths, environment.
    Settings,
    /// Credentials, or a route that returns credentials.
    Credentials,
    /// Stored documents, vectors, flows, runs.
    Data,
    /// Metrics with names of models or users.
    Metrics,
}

/// Data that is readable but should not be. The content is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// The kind of data.
    pub what: LeakKind,
    /// Method and path of the request that returned it.
    pub request: String,
}

/// The length of a list, possibly a lower bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The number of entries.
    pub count: u64,
    /// Whether there may be more.
    pub or_more: bool,
}

impl Counted {
    fn of(kept: Option<usize>, at_least: Option<u64>) -> Option<Self> {
        let kept = kept? as u64;
        Some(Self {
            count: at_least.map_or(kept, |least| least.max(kept)),
            or_more: at_least.is_some(),
        })
    }
}

/// `12`, or `2000+` if there may be more.
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, if self.or_more { "+" } else { "" })
    }
}

/// What a server shows to a stranger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// The access posture.
    pub posture: Known<Posture>,
    /// The request that showed the posture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posture_from: Option<String>,
    /// Who can reach the server.
    pub reach: Known<Reach>,
    /// Whether it has a model to serve.
    pub activity: Known<Activity>,
    /// The models; an empty list means none.
    pub models: Known<Vec<Model>>,
    /// If `models` is incomplete (the reply was cut, has further pages, or lists more than a record keeps): the minimum number of models.
    /// Absent if the list is complete or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_at_least: Option<u64>,
    /// The models in memory; an empty list means none.
    pub running: Known<Vec<RunningModel>>,
    /// The same for `running`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_at_least: Option<u64>,
    /// The capabilities of all models together.
    pub capabilities: Known<Vec<Capability>>,
    /// The tools it lists.
    pub tools: Known<Vec<Tool>>,
    /// The same for `tools`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools_at_least: Option<u64>,
    /// Data that is readable but should not be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
    /// Whether the owner's proof (`--prove`) got an answer from a model without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_proved: Option<bool>,
}

impl Exposure {
    /// The number of models, and whether it is a lower bound; `None`: unknown.
    #[must_use]
    pub fn models_counted(&self) -> Option<Counted> {
        Counted::of(self.models.known().map(Vec::len), self.models_at_least)
    }

    /// The number of tools.
    #[must_use]
    pub fn tools_counted(&self) -> Option<Counted> {
        Counted::of(self.tools.known().map(Vec::len), self.tools_at_least)
    }

    /// An exposure of which nothing is known, with a reason.
    #[must_use]
    pub fn unknown(why: crate::Why) -> Self {
        Self {
            posture: Known::unknown(why),
            posture_from: None,
            reach: Known::unknown(crate::Why::NotAsked),
            activity: Known::unknown(why),
            models: Known::unknown(why),
            models_at_least: None,
            running: Known::unknown(why),
            running_at_least: None,
            capabilities: Known::unknown(why),
            tools: Known::unknown(why),
            tools_at_least: None,
            leaks: Vec::new(),
            inference_proved: None,
        }
    }
}
