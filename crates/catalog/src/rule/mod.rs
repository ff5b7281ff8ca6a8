//! Product files as they are written: typed, with unknown keys rejected.

mod value;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use vigie_model::{Effect, EvidenceWeight, LeakKind, Posture, VersionOrder};

use crate::pattern::{OneOrMany, Pattern, Take};
use crate::pointer::Pointer;
use crate::route::Route;
use crate::settings::SettingRule;

pub(crate) use value::FIELDS;
pub use value::{BodyType, Field, FieldPlace, Step, Tests};

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
    pub unknown_path: Vec<ConditionRule>,
    /// Times in seconds that it takes at the moment at which it answers.
    #[serde(default)]
    pub made_when_asked: Vec<FreshValueRule>,
    /// Ids that it draws for each place where they stand.
    #[serde(default)]
    pub drawn_anew: Vec<FreshValueRule>,
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
    pub when: Vec<ConditionRule>,
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
            pub also: Vec<ConditionRule>,
            /// At least one of these holds.
            #[serde(default)]
            pub either: Vec<ConditionRule>,
            /// None of these holds.
            #[serde(default)]
            pub unless: Vec<ConditionRule>,
        }

        impl $name {
            /// The clause it looks with.
            #[must_use]
            pub fn condition(&self) -> ConditionRule {
                ConditionRule {
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
            pub fn guards(&self) -> (&[ConditionRule], &[ConditionRule], &[ConditionRule]) {
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
    FreshValueRule {
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
    pub also: Vec<ConditionRule>,
    /// At least one of these holds.
    #[serde(default)]
    pub either: Vec<ConditionRule>,
    /// None of these holds.
    #[serde(default)]
    pub unless: Vec<ConditionRule>,
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

/// A look at one exchange; all its keys must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionRule {
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
pub struct GenericProbeRule {
    /// `METHOD PATH`, or `PRODUCT.REQUEST` for a request of a product's file.
    pub send: Spanned<String>,
    /// What must hold before.
    #[serde(default)]
    pub when: Vec<ConditionRule>,
    /// What must not hold before.
    #[serde(default)]
    pub unless: Vec<ConditionRule>,
}

/// `catalog/openings.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenericProbesFile {
    /// `vigie.openings/1`.
    pub schema: String,
    /// The catalogue's date, `YYYY-MM-DD`.
    pub date: String,
    /// Routes that belong to no product, by effect.
    #[serde(default)]
    pub routes: BTreeMap<Effect, Vec<Spanned<Route>>>,
    /// The generic probes, in order.
    #[serde(rename = "openings")]
    pub generic_probes: Vec<GenericProbeRule>,
}

/// `catalog/markers.yaml`: words that classify prompts, models and tools.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextClassifiersFile {
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
