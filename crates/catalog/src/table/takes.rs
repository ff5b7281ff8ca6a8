//! The notation of `reads` and `takes` in a product's file: how the server parses a request, and where a request names what.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use crate::pattern::{FromScalar, OneOrMany};
use crate::pointer::Pointer;
use crate::route::condition::Test;
use crate::route::{Part, Route, Verb};
use crate::table::names::NameReading;
use crate::table::target::PathReading;

/// How the server parses JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonReading {
    /// Go's encoding/json: keys in any case; the last of equal keys wins; null leaves the value of an earlier equal key; the text after the
    /// first value is ignored.
    Go,
    /// Python's json: exact keys; the last of equal keys wins.
    Python,
    /// nlohmann's json: like Python's; a byte order mark is skipped.
    Nlohmann,
    /// serde: exact keys; equal keys are an error.
    Serde,
    /// JavaScript's JSON: like Python's.
    Node,
    /// Unknown: a key is recognised in any case.
    #[default]
    Unknown,
}

impl JsonReading {
    /// Whether `Model` matches `model`.
    pub(crate) fn ignores_case(self) -> bool {
        matches!(self, Self::Go | Self::Unknown)
    }
}

/// Whether the server checks a body's content type before it parses JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TypeReading {
    /// It parses JSON with any content type.
    #[default]
    Any,
    /// It parses JSON only if the content type is JSON.
    Json,
}

/// `reads` of a product's file.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reads {
    /// JSON bodies.
    pub json: JsonReading,
    /// Paths.
    pub path: PathReading,
    /// Names of models.
    #[serde(default)]
    pub names: NameReading,
    /// Content types.
    #[serde(default)]
    pub content_type: TypeReading,
}

/// The kind of body that a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyKind {
    /// A JSON object.
    Json,
    /// A multipart form.
    Form,
    /// Bytes that are stored without parsing.
    Bytes,
    /// No body.
    None,
}

/// A feature that a request may ask for beyond text from a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Offers tools to the model, or contains calls of them.
    Tools,
    /// Contains images, or asks for some.
    Images,
    /// Contains sound, or asks for some.
    Audio,
    /// Contains video.
    Video,
    /// Gives a URL or a path that the server fetches itself.
    Fetch,
    /// Searches the web, with the server's account.
    Search,
    /// Bypasses the model's template, supplies another one, or reads it.
    Template,
    /// Names an adapter, or other weights than the model's.
    Adapter,
    /// Supplies a grammar, a schema or an expression that the answer must match.
    Grammar,
    /// Supplies code or settings that the server runs with.
    Settings,
    /// Uses the state of another conversation: a stored answer, a slot, a session.
    State,
}

impl Ask {
    /// All, in order.
    pub const ALL: [Self; 11] = [
        Self::Tools,
        Self::Images,
        Self::Audio,
        Self::Video,
        Self::Fetch,
        Self::Search,
        Self::Template,
        Self::Adapter,
        Self::Grammar,
        Self::Settings,
        Self::State,
    ];

    /// The word in a product's file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Images => "images",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Fetch => "fetch",
            Self::Search => "search",
            Self::Template => "template",
            Self::Adapter => "adapter",
            Self::Grammar => "grammar",
            Self::Settings => "settings",
            Self::State => "state",
        }
    }
}

/// A set of features that a request asks for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Asks(u16);

impl Asks {
    /// Whether the set contains it.
    #[must_use]
    pub fn contains(self, ask: Ask) -> bool {
        self.0 & (1 << ask as u16) != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, in order.
    pub fn iter(self) -> impl Iterator<Item = Ask> {
        Ask::ALL.into_iter().filter(move |ask| self.contains(*ask))
    }

    pub(crate) fn insert(&mut self, ask: Ask) {
        self.0 |= 1 << ask as u16;
    }
}

impl std::ops::BitOr for Asks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Ask> for Asks {
    fn from_iter<I: IntoIterator<Item = Ask>>(all: I) -> Self {
        let mut set = Self::default();
        all.into_iter().for_each(|ask| set.insert(ask));
        set
    }
}

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Ask::word)).finish()
    }
}

/// A setting of a request that changes its cost or its answer, with one word for all products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knob {
    /// Maximum number of tokens to generate.
    MaxTokens,
    /// Minimum number of tokens to generate.
    MinTokens,
    /// Context length with which the model is loaded.
    Context,
    /// Number of answers.
    Choices,
    /// Number of answers to generate, of which the best are returned.
    Candidates,
    /// Number of prompts in one request: the elements of a list.
    Prompts,
    /// Time for which the model stays in memory afterwards.
    KeepAlive,
    /// Number of alternative tokens whose probabilities are returned for each token of the answer.
    Logprobs,
    /// The same for each token of the prompt.
    PromptLogprobs,
    /// Time limit of the request.
    Timeout,
    /// Priority in the queue.
    Priority,
    /// Options for loading the model: threads, layers on the GPU, batch size.
    Hardware,
    /// Number of steps for an image.
    Steps,
    /// Whether the answer is streamed.
    Stream,
    /// Whether a stream ends with its counters.
    Usage,
    /// Whether the model's end-of-text token is ignored.
    IgnoreEnd,
}

/// How the value of a [`Knob`] is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnobKind {
    Count,
    Items,
    Duration,
    Flag,
}

impl Knob {
    /// All, in order.
    pub const ALL: [Self; 16] = [
        Self::MaxTokens,
        Self::MinTokens,
        Self::Context,
        Self::Choices,
        Self::Candidates,
        Self::Prompts,
        Self::KeepAlive,
        Self::Logprobs,
        Self::PromptLogprobs,
        Self::Timeout,
        Self::Priority,
        Self::Hardware,
        Self::Steps,
        Self::Stream,
        Self::Usage,
        Self::IgnoreEnd,
    ];

    /// The word in a product's file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::MaxTokens => "max-tokens",
            Self::MinTokens => "min-tokens",
            Self::Context => "context",
            Self::Choices => "choices",
            Self::Candidates => "candidates",
            Self::Prompts => "prompts",
            Self::KeepAlive => "keep-alive",
            Self::Logprobs => "logprobs",
            Self::PromptLogprobs => "prompt-logprobs",
            Self::Timeout => "timeout",
            Self::Priority => "priority",
            Self::Hardware => "hardware",
            Self::Steps => "steps",
            Self::Stream => "stream",
            Self::Usage => "usage",
            Self::IgnoreEnd => "ignore-end",
        }
    }

    pub(crate) fn kind(self) -> KnobKind {
        match self {
            Self::Prompts => KnobKind::Items,
            Self::KeepAlive | Self::Timeout => KnobKind::Duration,
            Self::Stream | Self::Usage | Self::IgnoreEnd => KnobKind::Flag,
            _ => KnobKind::Count,
        }
    }
}

/// The role of a model in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The model that is used, read or changed.
    Model,
    /// The model from which another is made.
    Source,
    /// The model that is made or replaced.
    Target,
}

/// A place where a request names something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A pointer into the JSON body: `/options/num_ctx`.
    Body(Pointer),
    /// A segment of the path, by its name with braces: `{model}`.
    Segment(String),
    /// A key of the query: `?model`.
    Query(String),
    /// A field of the form: `form:model`.
    Form(String),
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(key) = text.strip_prefix('?').filter(|key| !key.is_empty()) {
            return Ok(Self::Query(key.to_owned()));
        }
        if let Some(field) = text.strip_prefix("form:").filter(|field| !field.is_empty()) {
            return Ok(Self::Form(field.to_owned()));
        }
        if text.starts_with('{') && matches!(Part::of(text), Part::One | Part::Rest) {
            return Ok(Self::Segment(text.to_owned()));
        }
        if text.is_empty() || !text.starts_with('/') {
            return Err(format!(
                "{text:?} is not a place: write a pointer into the body (/model), a segment of the path ({{model}}), a key of the query \
                 (?model) or a field of a form (form:model)"
            ));
        }
        let pointer = Pointer::parse(text)?;
        if !pointer.is_plain() {
            return Err(format!("{text:?}: in a place * must be a whole segment"));
        }
        if !text.is_ascii() {
            return Err(format!("{text:?}: keys must be ASCII"));
        }
        Ok(Self::Body(pointer))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(pointer) => write!(f, "{}", pointer.as_str()),
            Self::Segment(name) => f.write_str(name),
            Self::Query(key) => write!(f, "?{key}"),
            Self::Form(field) => write!(f, "form:{field}"),
        }
    }
}

impl FromScalar for Place {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A place with a test on its value, by which a request asks for something: `/tools`, `/messages/*/content/*/type = image`. Without a
/// test, any value passes except null, false, and an empty string, list or object.
#[derive(Clone, Debug)]
pub struct AskRule {
    pub(crate) place: Place,
    pub(crate) test: Option<Test>,
    text: String,
}

impl FromScalar for AskRule {
    fn from_text(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let place = Place::parse(words.next().unwrap_or_default())?;
        let mut words = words.peekable();
        let test = match words.peek() {
            None => None,
            Some(_) => Some(Test::parse(&mut words)?),
        };
        match words.next() {
            Some(word) => Err(format!("{text:?}: unexpected {word:?}")),
            None => Ok(Self {
                place,
                test,
                text: text.to_owned(),
            }),
        }
    }
}

impl<'de> Deserialize<'de> for AskRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_text(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl fmt::Display for AskRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The place where a reply lists models.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPlace {
    /// The list in the reply.
    pub each: Pointer,
    /// The places where an element of the list names its model.
    #[serde(default)]
    pub name: OneOrMany<Pointer>,
}

impl FromScalar for Pointer {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

/// One entry of `takes` of a product's file.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakesRule {
    /// The routes to which it applies, `METHOD PATH`, as under `routes`.
    pub on: Vec<Spanned<String>>,
    /// The first version that takes this.
    #[serde(default)]
    pub since: Option<Spanned<String>>,
    /// The last one.
    #[serde(default)]
    pub until: Option<Spanned<String>>,
    /// The body; by default a form if a place is a field of one, no body for GET and HEAD, and JSON otherwise.
    #[serde(default)]
    pub body: Option<BodyKind>,
    /// All keys of the body, or all fields of the form, in addition to those of the places; a pointer (`/options/seed`) is a key of an
    /// object in the body.
    #[serde(default)]
    pub keys: Vec<String>,
    /// The model that is used; of several places the first that names one.
    #[serde(default)]
    pub model: OneOrMany<Place>,
    /// The model from which another is made.
    #[serde(default)]
    pub source: OneOrMany<Place>,
    /// The model that is made.
    #[serde(default)]
    pub target: OneOrMany<Place>,
    /// The features that it may ask for.
    #[serde(default)]
    pub asks: ByWord<Ask, AskRule>,
    /// The settings; of several places the first that has a value.
    #[serde(default)]
    pub knobs: ByWord<Knob, Place>,
    /// Where the reply lists models.
    #[serde(default)]
    pub list: Option<ListPlace>,
}

/// Words with one value or several.
#[derive(Clone, Debug)]
pub struct ByWord<K, V>(pub Vec<(K, Vec<V>)>);

impl<K, V> Default for ByWord<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: FromScalar + Deserialize<'de>> Deserialize<'de> for ByWord<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words<K, V>(std::marker::PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de> + Ord, V: FromScalar + Deserialize<'de>> Visitor<'de> for Words<K, V> {
            type Value = ByWord<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("words with places")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all: BTreeMap<K, Vec<V>> = BTreeMap::new();
                while let Some((word, places)) = map.next_entry::<K, OneOrMany<V>>()? {
                    all.entry(word).or_default().extend(places.0);
                }
                Ok(ByWord(all.into_iter().collect()))
            }
        }

        deserializer.deserialize_map(Words(std::marker::PhantomData))
    }
}

/// `reads` and `takes` of a product's file.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Reading {
    /// How the server reads requests; `None`: the file does not say.
    #[serde(default)]
    pub reads: Option<Reads>,
    /// The entries for its routes.
    #[serde(default)]
    pub takes: Vec<TakesRule>,
}

impl TakesRule {
    /// All places.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        let names = self.model.0.iter().chain(&self.source.0).chain(&self.target.0);
        let asks = self.asks.0.iter().flat_map(|(_, rules)| rules.iter().map(|rule| &rule.place));
        let knobs = self.knobs.0.iter().flat_map(|(_, places)| places);
        names.chain(asks).chain(knobs)
    }

    /// The kind of body that its routes take.
    pub(crate) fn body_kind(&self, verb: Verb) -> BodyKind {
        self.body.unwrap_or_else(|| {
            if self.places().any(|place| matches!(place, Place::Form(_))) {
                BodyKind::Form
            } else if matches!(verb, Verb::Get | Verb::Head) {
                BodyKind::None
            } else {
                BodyKind::Json
            }
        })
    }

    /// The errors of it with the routes of the product, each with the entry of `on` that has the error.
    pub(crate) fn faults(&self, routes: &[&Route]) -> Vec<(&Spanned<String>, String)> {
        let mut faults = Vec::new();
        for on in &self.on {
            let mut words = on.value.split_whitespace();
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if words.next().is_some() || !routes.iter().any(|route| route.method == method && route.path() == path) {
                faults.push((on, format!("{:?} is not a route of this file; spell it as under routes", on.value)));
                continue;
            }
            for place in self.places() {
                match place {
                    Place::Segment(name) if !path.split('/').any(|segment| segment == name) => {
                        faults.push((on, format!("{:?} has no segment {name}", on.value)));
                    }
                    Place::Body(_) | Place::Form(_) if matches!(self.body_kind(Verb::of(method)), BodyKind::None | BodyKind::Bytes) => {
                        faults.push((on, format!("{:?} takes no body, so {place} cannot be in it", on.value)));
                    }
                    Place::Form(_) if self.body_kind(Verb::of(method)) == BodyKind::Json => {
                        faults.push((on, format!("{:?} takes JSON, and {place} is a field of a form", on.value)));
                    }
                    Place::Body(_) if self.body_kind(Verb::of(method)) == BodyKind::Form => {
                        faults.push((on, format!("{:?} takes a form, and {place} is a pointer into JSON", on.value)));
                    }
                    _ => {}
                }
            }
        }
        faults
    }
}
