//! What a server shows to a stranger.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Known, Reach, Timestamp};

/// What a stranger without credentials meets on the routes that matter (not on a health page).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Posture {
    /// They answer.
    Open,
    /// An API key or a token is asked for.
    Key,
    /// A person must sign in: form, Basic, notebook token.
    Login,
    /// A login, and anyone may register.
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
    /// It has none; where its routes allow, a stranger can still make it host one.
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

/// What a system prompt or a template is for, told without keeping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptClass {
    /// There is none.
    Empty,
    /// A text that ships with a model family.
    Default,
    /// A text of its owner's.
    Custom,
    /// A text that removes safeguards.
    Uncensored,
}

/// A text, told by its hash and its class; the text itself only where someone asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPrint {
    /// SHA-256 of the text with white space folded, `sha256:<hex>`: the same text on many hosts has one hash.
    pub sha256: String,
    /// Characters in the text.
    pub characters: u64,
    /// What it is for.
    pub class: PromptClass,
    /// The text, with `--keep-prompts` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A model that a server can serve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The name under which it is asked for.
    pub name: String,
    /// The digest of its manifest or weights, hex without a prefix.
    pub digest: Known<String>,
    /// Architecture family, e.g. `llama`.
    pub family: Known<String>,
    /// Parameter count as the server says it, e.g. `8.0B`.
    pub parameters: Known<String>,
    /// Quantisation, e.g. `Q4_K_M`.
    pub quantisation: Known<String>,
    /// File format, e.g. `gguf`.
    pub format: Known<String>,
    /// Bytes on the server's disk.
    pub size_bytes: Known<u64>,
    /// Tokens it can attend to.
    pub context_length: Known<u64>,
    /// What it can do; an empty list is known none.
    pub capabilities: Known<Vec<Capability>>,
    /// Capabilities that the server's version has no word for yet: absent from the list, they are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities_untold: Vec<Capability>,
    /// Whether another service runs it and this server only passes requests on (`:cloud`).
    pub remote: Known<bool>,
    /// That service's host, where told.
    pub remote_host: Known<String>,
    /// Whether it is in memory.
    pub loaded: Known<bool>,
    /// When its owner last changed it.
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
    /// A model of which only the name is known; everything else is unknown for that reason.
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
    /// Bytes it takes in all.
    pub size_bytes: Known<u64>,
    /// Bytes of it in the accelerator's memory.
    pub vram_bytes: Known<u64>,
    /// Context length it was loaded with, in tokens.
    pub context_length: Known<u64>,
    /// When it will be unloaded.
    pub expires: Known<Timestamp>,
}

/// What a tool could do in wrong hands, told from its name, description and input schema.
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
    /// None of these words.
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

/// What kind of thing is readable that should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakKind {
    /// A list of models beside a key or a login.
    Models,
    /// A configured system prompt.
    SystemPrompt,
    /// Prompts of other users.
    Prompts,
    /// Settings, paths, environment.
    Settings,
    /// Credentials, or a route that hands some out.
    Credentials,
    /// Stored documents, vectors, flows, runs.
    Data,
    /// Metrics with names of models or users.
    Metrics,
}

/// Something readable that should not be. The content itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// What kind of thing.
    pub what: LeakKind,
    /// Method and path of the request that showed it.
    pub request: String,
}

/// How many there are in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How many came.
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

/// `12`, or `2000+` where there may be more.
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, if self.or_more { "+" } else { "" })
    }
}

/// What a server shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// What a stranger meets.
    pub posture: Known<Posture>,
    /// The request that showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posture_from: Option<String>,
    /// Who can reach it.
    pub reach: Known<Reach>,
    /// Whether it has something to serve.
    pub activity: Known<Activity>,
    /// The models; an empty list is known none.
    pub models: Known<Vec<Model>>,
    /// Where `models` is not all that the server lists (the reply was cut, has further pages, or names more than a record keeps):
    /// how many came at least. Not there: the list is whole, or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_at_least: Option<u64>,
    /// The models in memory; an empty list is known none.
    pub running: Known<Vec<RunningModel>>,
    /// The same of `running`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_at_least: Option<u64>,
    /// What any of its models can do.
    pub capabilities: Known<Vec<Capability>>,
    /// The tools it lists.
    pub tools: Known<Vec<Tool>>,
    /// The same of `tools`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools_at_least: Option<u64>,
    /// What is readable that should not be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
    /// Whether the owner's own proof (`--prove`) got an answer from a model without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_proved: Option<bool>,
}

impl Exposure {
    /// How many models it lists, and whether that is a lower bound; `None`: it is not told.
    #[must_use]
    pub fn models_counted(&self) -> Option<Counted> {
        Counted::of(self.models.known().map(Vec::len), self.models_at_least)
    }

    /// How many tools it lists.
    #[must_use]
    pub fn tools_counted(&self) -> Option<Counted> {
        Counted::of(self.tools.known().map(Vec::len), self.tools_at_least)
    }

    /// An exposure of which nothing is known, for that reason.
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
