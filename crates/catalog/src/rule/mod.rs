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
use crate::runs::Runs;
use crate::settings::SettingRule;

pub(crate) use value::FIELDS;
pub use value::{BodyType, Field, FieldPlace, Step, Tests};

/// The schema of a product file.
pub const PRODUCT_SCHEMA: &str = "vigie.product/1";

/// The kind of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Serves models itself.
    Inference,
    /// Forwards requests to model servers.
    Gateway,
    /// An application that people use in a browser.
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

/// A product file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductFile {
    /// `vigie.product/1`.
    pub schema: String,
    /// The name of the file without extension.
    pub id: Spanned<String>,
    /// The name as its makers write it.
    pub name: String,
    /// The kind of product.
    pub kind: Kind,
    /// Where its source or documentation is.
    #[serde(default)]
    pub source: String,
    /// Default ports.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// How its versions are ordered.
    pub versions: VersionOrder,
    /// Names of its packages in advisories.
    #[serde(default)]
    pub packages: Vec<String>,
    /// The newest release that the author of the file knew.
    #[serde(default)]
    pub newest: Option<String>,
    /// Products whose interface it offers.
    #[serde(default)]
    pub emulates: Vec<Spanned<String>>,
    /// First versions that report a thing.
    #[serde(default)]
    pub since: BTreeMap<String, String>,
    /// Fixtures of similar servers that are not this product.
    #[serde(default)]
    pub neighbours: Vec<String>,
    /// Queries for services that scan the Internet themselves.
    #[serde(default)]
    pub discover: DiscoverRule,
    /// Whether it is named only if no other product is.
    #[serde(default)]
    pub last_resort: bool,
    /// Whether it is an interface that many products offer rather than a product.
    #[serde(default)]
    pub family: bool,
    /// Effects and beginnings of paths of the routes that exist only with an option or a plug-in.
    #[serde(default)]
    pub by_option: Vec<Spanned<String>>,
    /// Routes by effect.
    #[serde(default)]
    pub routes: BTreeMap<Effect, Vec<Spanned<Route>>>,
    /// How it parses requests.
    #[serde(default)]
    pub reads: Option<crate::table::takes::Reads>,
    /// What a request on a route names where.
    #[serde(default)]
    pub takes: Vec<crate::table::takes::TakesRule>,
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
    /// Whether it never reports its version.
    #[serde(default)]
    pub version_never: bool,
    /// Where the id of the running copy or installation is.
    #[serde(default)]
    pub instance: Vec<ValueRule>,
    /// Posture rules.
    #[serde(default)]
    pub posture: Vec<PostureRule>,
    /// The models.
    #[serde(default)]
    pub models: Vec<ListRule>,
    /// Details of one model.
    #[serde(default)]
    pub details: Option<ListRule>,
    /// The models in memory.
    #[serde(default)]
    pub running: Vec<ListRule>,
    /// The tools.
    #[serde(default)]
    pub tools: Vec<ListRule>,
    /// Leaks: data that is readable and should not be.
    #[serde(default)]
    pub leaks: Vec<LeakRule>,
    /// Signs that something pretends to be this product.
    #[serde(default)]
    pub tells: Vec<TellRule>,
    /// The HTTP stacks on which it is built; empty: unknown, so they are not compared.
    #[serde(default)]
    pub stack: Vec<crate::stack::Stack>,
    /// Its own `Server` header, if that contains its name.
    #[serde(default)]
    pub server: OneOrMany<Pattern>,
    /// Its reply to an absent path: one of these conditions holds.
    #[serde(default)]
    pub unknown_path: Vec<ConditionRule>,
    /// Times in seconds that it sets when it answers.
    #[serde(default)]
    pub made_when_asked: Vec<FreshValueRule>,
    /// Ids that it generates for each place.
    #[serde(default)]
    pub drawn_anew: Vec<FreshValueRule>,
    /// The owner's proof.
    #[serde(default)]
    pub prove: Option<ProveRule>,
    /// How it is started: by it a service in a configuration file, or a process, is recognised.
    #[serde(default)]
    pub runs: Runs,
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
    /// Sent to a candidate.
    Identify,
    /// Sent once the product is recognised.
    Read,
    /// Sent once per model.
    Model,
    /// The owner's proof, the only request that may infer.
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
    /// Conditions that must hold before it is sent.
    #[serde(default)]
    pub when: Vec<ConditionRule>,
    /// Headers besides those of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The JSON body.
    #[serde(default)]
    pub body: Option<Value>,
    /// Where the reply ends.
    #[serde(default)]
    pub reply: ReplyEnd,
    /// The request that opened the event stream on which this one is answered.
    #[serde(default)]
    pub session: Option<String>,
    /// Whether a redirect to the same endpoint is followed.
    #[serde(default)]
    pub follow: bool,
}

/// Hands the keys of a condition, and those of the guards that a rule may have besides, to the macro `$then`.
///
/// They are fields of each rule, written out by macro: serde's `flatten` would buffer the map, and an error in it would lose its line.
macro_rules! with_keys {
    ($then:ident! $($rule:tt)*) => {
        $then! {
            {
                /// The exchange that it refers to.
                on: Spanned<String>,
                /// The status is one of these.
                #[serde(default)]
                status: OneOrMany<u16>,
                /// The type of the body.
                #[serde(default, rename = "type")]
                kind: Option<BodyType>,
                /// Headers that fit.
                #[serde(default)]
                header: BTreeMap<String, Pattern>,
                /// The HTML title fits.
                #[serde(default)]
                title: Option<Pattern>,
                /// The body fits.
                #[serde(default)]
                body: OneOrMany<Pattern>,
                /// JSON values pass.
                #[serde(default)]
                json: Tests,
                /// The `location` header fits.
                #[serde(default)]
                location: Option<Pattern>,
                /// Whether no HTTP reply came.
                #[serde(default)]
                failed: Option<bool>,
            }
            {
                /// All of these hold as well.
                #[serde(default)]
                also: Vec<ConditionRule>,
                /// At least one of these holds.
                #[serde(default)]
                either: Vec<ConditionRule>,
                /// None of these holds.
                #[serde(default)]
                unless: Vec<ConditionRule>,
            }
            $($rule)*
        }
    };
}

/// Declares a struct with these fields.
macro_rules! fields {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $kind,)*
        }
    };
}

/// Declares a condition without guards.
macro_rules! condition {
    ({ $($key:tt)* } { $($guard:tt)* } $(#[$meta:meta])* $name:ident) => {
        fields! { $(#[$meta])* $name { $($key)* } }
    };
}

/// Declares a rule with its own fields and the guards; `guards()` returns the latter.
macro_rules! guarded {
    ({ $($key:tt)* } { $($guard:tt)* } $(#[$meta:meta])* $name:ident { $($field:tt)* }) => {
        fields! { $(#[$meta])* $name { $($field)* $($guard)* } }

        impl $name {
            /// Its further conditions: all, at least one, none.
            #[must_use]
            pub fn guards(&self) -> (&[ConditionRule], &[ConditionRule], &[ConditionRule]) {
                (&self.also, &self.either, &self.unless)
            }
        }
    };
}

/// Declares a rule with its own fields, those of a condition and the guards; `condition()` returns the condition.
macro_rules! rule {
    (
        { $($(#[$key_meta:meta])* $key:ident: $key_kind:ty,)* } { $($guard:tt)* }
        $(#[$meta:meta])* $name:ident { $($field:tt)* }
    ) => {
        guarded! {
            {} { $($guard)* }
            $(#[$meta])* $name { $($field)* $($(#[$key_meta])* $key: $key_kind,)* }
        }

        impl $name {
            /// Its own condition.
            #[must_use]
            pub fn condition(&self) -> ConditionRule {
                ConditionRule { $($key: Clone::clone(&self.$key),)* }
            }
        }
    };
}

with_keys! { rule!
    /// One piece of evidence.
    EvidenceRule {
        /// Its id within the file.
        id: Spanned<String>,
        /// Its weight.
        evidence: EvidenceWeight,
        /// Why it is evidence.
        #[serde(default)]
        why: String,
        /// Whether it is a constant of a refusal that no other product sends, so that it names the product where all other routes are refused.
        #[serde(default)]
        alone: bool,
    }
}

with_keys! { rule!
    /// The posture if the condition holds.
    PostureRule {
        /// The posture.
        posture: Posture,
        /// Of an open one: the effects and the beginnings of paths of the routes that are served where this answers; left out, all.
        #[serde(default)]
        beside: Option<Vec<Spanned<String>>>,
    }
}

with_keys! { rule!
    /// Something readable.
    LeakRule {
        /// What.
        what: LeakKind,
    }
}

with_keys! { rule!
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

with_keys! { rule!
    /// A value that is made for the answer in which it stands.
    FreshValueRule {
        /// Where it is.
        at: Pointer,
    }
}

with_keys! { rule!
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

with_keys! { guarded!
    /// Where a value is that a server reports of itself; `json`, `header`, `body` and `title` say what to take.
    ValueRule {
        /// The exchange that it refers to.
        on: Spanned<String>,
        /// The status is one of these.
        #[serde(default)]
        status: OneOrMany<u16>,
        /// Take this value.
        #[serde(default)]
        json: Option<Pointer>,
        /// Take this header.
        #[serde(default)]
        header: Option<String>,
        /// Take the group from the body.
        #[serde(default)]
        body: Option<Take>,
        /// Take the group from the title.
        #[serde(default)]
        title: Option<Take>,
        /// Take the group from what was taken.
        #[serde(default)]
        take: Option<Take>,
        /// Further steps.
        #[serde(default)]
        then: Vec<Step>,
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

with_keys! { condition!
    /// A condition on one exchange, as written; all its keys must hold.
    ConditionRule
}

/// A generic probe: a request that every endpoint may get before it is recognised.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenericProbeRule {
    /// `METHOD PATH`, or `PRODUCT.REQUEST` for a request of a product's file.
    pub send: Spanned<String>,
    /// Conditions that must hold before it is sent.
    #[serde(default)]
    pub when: Vec<ConditionRule>,
    /// Conditions of which none may hold before it is sent.
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
    /// Model names that mark removed safeguards.
    pub uncensored_names: Vec<String>,
    /// System prompts that remove safeguards.
    pub uncensored_prompts: Vec<String>,
    /// System prompts that ship with a model family.
    pub default_prompts: Vec<String>,
    /// Words in a tool's name, description or input schema, by risk.
    pub tool_risks: BTreeMap<vigie_model::ToolRisk, Vec<String>>,
}
