//! A product file as it is written: typed, with unknown keys refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;
use vigie_model::{Effect, EvidenceWeight, LeakKind, Posture, VersionOrder};

use crate::json_test::JsonTest;
use crate::pattern::{OneOrMany, Pattern, Take};
use crate::pointer::Pointer;
use crate::route::Route;
use crate::settings::SettingRule;

/// The schema of a product file.
pub const PRODUCT_SCHEMA: &str = "vigie.product/1";

/// What a product is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Serves models.
    Inference,
    /// Passes requests on to model servers.
    Gateway,
    /// Something people use in a browser.
    Application,
    /// Offers tools to models.
    Tools,
    /// Stores vectors.
    Vectors,
    /// Runs jobs, tracks experiments, shows traces.
    Platform,
}

impl Kind {
    /// The word in a product file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Gateway => "gateway",
            Self::Application => "application",
            Self::Tools => "tools",
            Self::Vectors => "vectors",
            Self::Platform => "platform",
        }
    }
}

/// One product, as its file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductFile {
    /// `vigie.product/1`.
    pub schema: String,
    /// The file's name.
    pub id: Spanned<String>,
    /// As its makers write it.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Where its source or documentation is.
    #[serde(default)]
    pub source: String,
    /// Default ports.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// How its versions are ordered.
    pub versions: VersionOrder,
    /// Names under which advisories list it.
    #[serde(default)]
    pub packages: Vec<String>,
    /// The newest release that the file's author knew.
    #[serde(default)]
    pub newest: Option<String>,
    /// Products whose interface it answers as.
    #[serde(default)]
    pub emulates: Vec<Spanned<String>>,
    /// First versions that tell a thing.
    #[serde(default)]
    pub since: BTreeMap<String, String>,
    /// Fixtures that look alike and are not it.
    #[serde(default)]
    pub neighbours: Vec<String>,
    /// Queries for services that scan the Internet themselves.
    #[serde(default)]
    pub discover: DiscoverRule,
    /// The last resort: named only if nothing else is.
    #[serde(default)]
    pub last_resort: bool,
    /// An interface that many products speak, and no product: its routes are those of the interface.
    #[serde(default)]
    pub family: bool,
    /// The effects and the beginnings of paths of routes that are there only with an option or a plug-in.
    #[serde(default)]
    pub by_option: Vec<Spanned<String>>,
    /// Routes by effect.
    #[serde(default)]
    pub routes: BTreeMap<Effect, Vec<Spanned<Route>>>,
    /// How it reads requests.
    #[serde(default)]
    pub reads: Option<crate::table::Reads>,
    /// What a request on a route names where.
    #[serde(default)]
    pub takes: Vec<crate::table::TakesRule>,
    /// Requests.
    #[serde(default)]
    pub requests: Vec<RequestRule>,
    /// Evidence.
    #[serde(default)]
    pub identify: Vec<EvidenceRule>,
    /// Where the version is.
    #[serde(default)]
    pub version: Vec<ValueRule>,
    /// Values that are no version.
    #[serde(default)]
    pub hidden: Vec<String>,
    /// The product has no version to tell.
    #[serde(default)]
    pub version_never: bool,
    /// Where it says which running copy or installation it is.
    #[serde(default)]
    pub instance: Vec<ValueRule>,
    /// What a stranger meets.
    #[serde(default)]
    pub posture: Vec<PostureRule>,
    /// The models.
    #[serde(default)]
    pub models: Vec<ListRule>,
    /// More of one model.
    #[serde(default)]
    pub details: Option<ListRule>,
    /// The models in memory.
    #[serde(default)]
    pub running: Vec<ListRule>,
    /// The tools.
    #[serde(default)]
    pub tools: Vec<ListRule>,
    /// What is readable that should not be.
    #[serde(default)]
    pub leaks: Vec<LeakRule>,
    /// Signs that something pretends to be this product.
    #[serde(default)]
    pub tells: Vec<TellRule>,
    /// What its HTTP is written with; empty: not told, so that nothing is read from it.
    #[serde(default)]
    pub stack: Vec<crate::stack::Stack>,
    /// Its own `Server` header, where that holds its name.
    #[serde(default)]
    pub server: OneOrMany<Pattern>,
    /// What it says to a path that it does not have: one of these holds.
    #[serde(default)]
    pub unknown_path: Vec<Clause>,
    /// Times in seconds that it takes at the moment at which it answers.
    #[serde(default)]
    pub made_when_asked: Vec<MadeRule>,
    /// Ids that it draws for each place where they stand.
    #[serde(default)]
    pub drawn_anew: Vec<MadeRule>,
    /// The owner's proof.
    #[serde(default)]
    pub prove: Option<ProveRule>,
    /// The settings that decide how exposed it is.
    #[serde(default)]
    pub settings: Vec<SettingRule>,
    /// Remedies by finding; `{id}` stands for a setting.
    #[serde(default)]
    pub remedies: BTreeMap<String, String>,
}

/// Queries for services that scan the Internet themselves, each in the service's own language.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoverRule {
    /// Shodan's.
    #[serde(default)]
    pub shodan: Vec<Spanned<String>>,
    /// The Censys Platform's.
    #[serde(default)]
    pub censys: Vec<Spanned<String>>,
}

/// When a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To a candidate.
    Identify,
    /// Once the product is recognised.
    Read,
    /// Once per model.
    Model,
    /// The owner's proof; the one that may infer.
    Prove,
}

/// Where a reply ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyEnd {
    /// Where the body ends.
    #[default]
    Body,
    /// At the first event that is a JSON-RPC answer (or with the body, where it is no event stream).
    EventStream,
    /// At the first event of any kind; the stream stays open for `session` requests.
    Session,
}

/// One request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRule {
    /// Its id within the file.
    pub id: Spanned<String>,
    /// `METHOD PATH`.
    pub send: Spanned<String>,
    /// When it is sent.
    #[serde(rename = "for")]
    pub purpose: Purpose,
    /// What must hold before.
    #[serde(default)]
    pub when: Vec<Clause>,
    /// Headers beyond the ones every request carries.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The JSON body.
    #[serde(default)]
    pub body: Option<Value>,
    /// Where the reply ends.
    #[serde(default)]
    pub reply: ReplyEnd,
    /// The request that opened the stream on which this one is answered.
    #[serde(default)]
    pub session: Option<String>,
    /// Whether a redirect to the same endpoint is followed.
    #[serde(default)]
    pub follow: bool,
}

/// Declares a rule: its own fields and those of a clause, and `clause()` to get at the latter.
macro_rules! rule {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $kind,)*
            /// The exchange it looks at.
            pub on: Spanned<String>,
            /// The status is one of these.
            #[serde(default)]
            pub status: OneOrMany<u16>,
            /// What the body is.
            #[serde(default, rename = "type")]
            pub kind: Option<BodyType>,
            /// Headers that fit.
            #[serde(default)]
            pub header: BTreeMap<String, Pattern>,
            /// The HTML title fits.
            #[serde(default)]
            pub title: Option<Pattern>,
            /// The body fits.
            #[serde(default)]
            pub body: OneOrMany<Pattern>,
            /// JSON values pass.
            #[serde(default)]
            pub json: Tests,
            /// The `location` header fits.
            #[serde(default)]
            pub location: Option<Pattern>,
            /// Whether no HTTP reply came.
            #[serde(default)]
            pub failed: Option<bool>,
            /// All of these hold as well.
            #[serde(default)]
            pub also: Vec<Clause>,
            /// At least one of these holds.
            #[serde(default)]
            pub either: Vec<Clause>,
            /// None of these holds.
            #[serde(default)]
            pub unless: Vec<Clause>,
        }

        impl $name {
            /// The clause it looks with.
            #[must_use]
            pub fn clause(&self) -> Clause {
                Clause {
                    on: self.on.clone(),
                    status: self.status.clone(),
                    kind: self.kind,
                    header: self.header.clone(),
                    title: self.title.clone(),
                    body: self.body.clone(),
                    json: self.json.clone(),
                    location: self.location.clone(),
                    failed: self.failed,
                }
            }

            /// The other clauses: all, at least one, none.
            #[must_use]
            pub fn guards(&self) -> (&[Clause], &[Clause], &[Clause]) {
                (&self.also, &self.either, &self.unless)
            }
        }
    };
}

rule! {
    /// One piece of evidence.
    EvidenceRule {
        /// Its id within the file.
        id: Spanned<String>,
        /// How much it says.
        evidence: EvidenceWeight,
        /// Why it says so.
        #[serde(default)]
        why: String,
        /// A constant of a refusal, which no other product words alike: it names the product alone where all else is refused.
        #[serde(default)]
        alone: bool,
    }
}

rule! {
    /// What a stranger meets if it holds.
    PostureRule {
        /// The posture.
        posture: Posture,
        /// Of an open one: the effects and the beginnings of paths of the routes that are served where this answers; left out, all.
        #[serde(default)]
        beside: Option<Vec<Spanned<String>>>,
    }
}

rule! {
    /// Something readable.
    LeakRule {
        /// What.
        what: LeakKind,
    }
}

rule! {
    /// A sign of pretence.
    TellRule {
        /// Its id.
        id: String,
        /// How much it adds, from 0 to 1.
        weight: f64,
        /// What was seen, in words: `a digest is no digest`.
        #[serde(default)]
        why: String,
    }
}

rule! {
    /// A value that is made for the answer in which it stands.
    MadeRule {
        /// Where it is.
        at: Pointer,
    }
}

rule! {
    /// How a list of models or tools is read.
    ListRule {
        /// The list, or the object whose members are the elements.
        #[serde(default)]
        each: Option<Pointer>,
        /// Values of `each` that mean an empty list.
        #[serde(default)]
        none: Vec<Value>,
        /// Which elements count.
        #[serde(default, rename = "where")]
        filter: Tests,
        /// Fields.
        fields: BTreeMap<String, Field>,
        /// Words of the product, in the field's words.
        #[serde(default)]
        map: BTreeMap<String, BTreeMap<String, Vec<String>>>,
        /// What is true of every element.
        #[serde(default)]
        always: BTreeMap<String, Value>,
        /// Tests over the whole reply any of which says that the list goes on elsewhere, on a further page.
        #[serde(default)]
        more: Tests,
        /// Tests over the element any of which says that another service runs the model.
        #[serde(default)]
        remote_if: Tests,
    }
}

/// Where a value is that a server says of itself; `json`, `header`, `body` and `title` say what to take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// The exchange it looks at.
    pub on: Spanned<String>,
    /// The status is one of these.
    #[serde(default)]
    pub status: OneOrMany<u16>,
    /// Take this value.
    #[serde(default)]
    pub json: Option<Pointer>,
    /// Take this header.
    #[serde(default)]
    pub header: Option<String>,
    /// Take the group from the body.
    #[serde(default)]
    pub body: Option<Take>,
    /// Take the group from the title.
    #[serde(default)]
    pub title: Option<Take>,
    /// Take the group from what was taken.
    #[serde(default)]
    pub take: Option<Take>,
    /// Further steps.
    #[serde(default)]
    pub then: Vec<Step>,
    /// All of these hold as well.
    #[serde(default)]
    pub also: Vec<Clause>,
    /// At least one of these holds.
    #[serde(default)]
    pub either: Vec<Clause>,
    /// None of these holds.
    #[serde(default)]
    pub unless: Vec<Clause>,
}

/// A step on the way from what was found to what is meant.
#[derive(Clone, Debug)]
pub enum Step {
    /// Decode Base64.
    Base64,
    /// Parse as JSON and take this value.
    Json(Pointer),
    /// Take the group.
    Take(Take),
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StepVisitor;

        impl<'de> Visitor<'de> for StepVisitor {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64, {json: POINTER} or {take: REGEX}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Step, E> {
                if text == "base64" {
                    Ok(Step::Base64)
                } else {
                    Err(E::custom(format!(
                        "{text:?} is no step: base64, {{json: POINTER}} or {{take: REGEX}}"
                    )))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Step, A::Error> {
                let step = match map.next_key::<String>()?.as_deref() {
                    Some("json") => Step::Json(map.next_value()?),
                    Some("take") => Step::Take(map.next_value()?),
                    other => {
                        return Err(de::Error::custom(format!(
                            "{other:?} is no step: base64, {{json: POINTER}} or {{take: REGEX}}"
                        )));
                    }
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom("one step, one key"));
                }
                Ok(step)
            }
        }

        deserializer.deserialize_any(StepVisitor)
    }
}

/// The fields that a list rule may name.
pub(crate) const FIELDS: [&str; 20] = [
    "name",
    "digest",
    "family",
    "parameters",
    "quantisation",
    "format",
    "size_bytes",
    "context_length",
    "capabilities",
    "modified",
    "remote",
    "remote_host",
    "loaded",
    "template",
    "system_prompt",
    "vram_bytes",
    "expires",
    "description",
    "schema",
    "lineage",
];

/// Where a field of a list's element is.
#[derive(Clone, Debug)]
pub struct Field(pub Vec<FieldPlace>);

/// One place of a field.
#[derive(Clone, Debug)]
pub enum FieldPlace {
    /// A value within the element.
    At(Pointer, Option<Take>),
    /// The member's key, where `each` is an object.
    Key,
}

impl FieldPlace {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "@key" {
            Ok(Self::Key)
        } else {
            Ok(Self::At(Pointer::parse(text)?, None))
        }
    }
}

impl<'de> Deserialize<'de> for FieldPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlaceVisitor;

        impl<'de> Visitor<'de> for PlaceVisitor {
            type Value = FieldPlace;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pointer, \"@key\" or {at: POINTER, take: REGEX}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FieldPlace, E> {
                FieldPlace::parse(text).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldPlace, A::Error> {
                let (mut at, mut take) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "at" => at = Some(map.next_value()?),
                        "take" => take = Some(map.next_value()?),
                        other => {
                            return Err(de::Error::custom(format!("{other:?} is not a key here: at, take")));
                        }
                    }
                }
                at.map(|at| FieldPlace::At(at, take)).ok_or_else(|| de::Error::missing_field("at"))
            }
        }

        deserializer.deserialize_any(PlaceVisitor)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;

        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pointer, \"@key\", {at: POINTER, take: REGEX} or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Field, E> {
                FieldPlace::parse(text).map(|place| Field(vec![place])).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
                FieldPlace::deserialize(de::value::MapAccessDeserializer::new(map)).map(|place| Field(vec![place]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
                let mut places = Vec::new();
                while let Some(place) = seq.next_element()? {
                    places.push(place);
                }
                Ok(Field(places))
            }
        }

        deserializer.deserialize_any(FieldVisitor)
    }
}

/// The owner's proof.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProveRule {
    /// The request, with `for: prove`.
    pub request: Spanned<String>,
    /// Where the answer's text is.
    pub answer: Pointer,
}

/// What a body is, judged by itself and not by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyType {
    /// It parses as JSON.
    Json,
    /// It is a page.
    Html,
    /// It is neither, and has something in it.
    Text,
    /// Its content type says so.
    EventStream,
    /// There is none.
    Empty,
}

/// Pointers and the tests their values must pass.
#[derive(Clone, Debug, Default)]
pub struct Tests(pub Vec<(Pointer, JsonTest)>);

impl<'de> Deserialize<'de> for Tests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TestsVisitor;

        impl<'de> Visitor<'de> for TestsVisitor {
            type Value = Tests;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from pointers to JSON tests")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tests, A::Error> {
                let mut tests = Vec::new();
                while let Some(pointer) = map.next_key::<Pointer>()? {
                    tests.push((pointer, map.next_value()?));
                }
                Ok(Tests(tests))
            }
        }

        deserializer.deserialize_map(TestsVisitor)
    }
}

/// A look at one exchange; all its keys must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// The exchange it looks at.
    pub on: Spanned<String>,
    /// The status is one of these.
    #[serde(default)]
    pub status: OneOrMany<u16>,
    /// What the body is.
    #[serde(default, rename = "type")]
    pub kind: Option<BodyType>,
    /// Headers that fit.
    #[serde(default)]
    pub header: BTreeMap<String, Pattern>,
    /// The HTML title fits.
    #[serde(default)]
    pub title: Option<Pattern>,
    /// The body fits.
    #[serde(default)]
    pub body: OneOrMany<Pattern>,
    /// JSON values pass.
    #[serde(default)]
    pub json: Tests,
    /// The `location` header fits.
    #[serde(default)]
    pub location: Option<Pattern>,
    /// Whether no HTTP reply came.
    #[serde(default)]
    pub failed: Option<bool>,
}

/// One request that every endpoint may get before it is recognised.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningRule {
    /// `METHOD PATH`, or `PRODUCT.REQUEST` for a request of a product's file.
    pub send: Spanned<String>,
    /// What must hold before.
    #[serde(default)]
    pub when: Vec<Clause>,
    /// What must not hold before.
    #[serde(default)]
    pub unless: Vec<Clause>,
}

/// `catalog/openings.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningsFile {
    /// `vigie.openings/1`.
    pub schema: String,
    /// The catalogue's date, `YYYY-MM-DD`.
    pub date: String,
    /// Routes that belong to no product, by effect.
    #[serde(default)]
    pub routes: BTreeMap<Effect, Vec<Spanned<Route>>>,
    /// The requests, in order.
    pub openings: Vec<OpeningRule>,
}

/// `catalog/markers.yaml`: words that classify prompts, models and tools.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkersFile {
    /// `vigie.markers/1`.
    pub schema: String,
    /// Model names that say that safeguards were removed.
    pub uncensored_names: Vec<String>,
    /// System prompts that remove safeguards.
    pub uncensored_prompts: Vec<String>,
    /// System prompts that ship with a model family.
    pub default_prompts: Vec<String>,
    /// Words in a tool's name, description or input schema, by risk.
    pub tool_risks: BTreeMap<vigie_model::ToolRisk, Vec<String>>,
}
