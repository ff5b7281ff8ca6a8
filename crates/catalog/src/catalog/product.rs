//! Products and their rules, compiled.

use std::collections::BTreeMap;

use vigie_model::{Effect, EvidenceWeight, LeakKind, Posture, VersionOrder};

use crate::condition::{Condition, ExchangeRef, Guards, Literal, SigId};
use crate::pattern::{OneOrMany, Pattern};
use crate::pointer::Pointer;
use crate::route::Route;
use crate::route_filter::{OpenRequest, RouteFilter};
use crate::rule::{Kind, ListRule, Purpose, ReplyEnd, ValueRule};
use crate::runs::Runs;
use crate::settings::Setting;
use crate::stack::Stack;
use crate::table::effects::{ReadingOf, Routes};

/// Identity of a request: two requests with the same signature are sent once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The method.
    pub method: String,
    /// The path, or `session:ID` where the server chooses it.
    pub path: String,
    /// The body.
    pub body: Option<String>,
}

impl Signature {
    /// A GET.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            body: None,
        }
    }
}

/// A request of a product, or a generic probe.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id within the file.
    pub id: String,
    /// Its number.
    pub sig: SigId,
    /// The method.
    pub method: String,
    /// The path; values in `{…}` are filled in.
    pub path: String,
    /// Headers; values in `{…}` are filled in.
    pub headers: Vec<(String, String)>,
    /// The JSON body as text; `{model}` is filled in.
    pub body: Option<String>,
    /// When it is sent.
    pub purpose: Purpose,
    /// Conditions that must hold before it is sent.
    pub when: Vec<Condition>,
    /// Where the reply ends.
    pub reply: ReplyEnd,
    /// The request that opened the event stream on which it is answered.
    pub session: Option<String>,
    /// Whether a redirect is followed.
    pub follow: bool,
}

/// A generic probe: a request that every endpoint may get before it is recognised.
#[derive(Clone, Debug)]
pub struct GenericProbe {
    /// The request.
    pub request: Request,
    /// Conditions that must hold before it is sent.
    pub when: Vec<Condition>,
    /// Conditions of which none may hold before it is sent.
    pub unless: Vec<Condition>,
}

/// One evidence rule.
#[derive(Clone, Debug)]
pub struct CompiledEvidence {
    /// Its id.
    pub id: String,
    /// Its weight.
    pub weight: EvidenceWeight,
    /// Why it is evidence.
    pub why: String,
    /// Whether it names the product even in a refusal, where all other routes are refused.
    pub alone: bool,
    /// Its own condition.
    pub condition: Condition,
    /// Its further conditions.
    pub guards: Guards,
    /// A text in every reply on which it holds, for the index of evidence.
    pub literal: Option<Literal>,
}

/// Where a value is that a server reports of itself.
#[derive(Clone, Debug)]
pub struct CompiledValue {
    /// The exchange that has it.
    pub exchange: ExchangeRef,
    /// Its further conditions.
    pub guards: Guards,
    /// What to take.
    pub rule: ValueRule,
}

/// One posture rule.
#[derive(Clone, Debug)]
pub struct CompiledPosture {
    /// The posture.
    pub posture: Posture,
    /// Its own condition.
    pub condition: Condition,
    /// Its further conditions.
    pub guards: Guards,
}

/// One list rule.
#[derive(Clone, Debug)]
pub struct CompiledList {
    /// Its own condition.
    pub condition: Condition,
    /// Its further conditions.
    pub guards: Guards,
    /// How the list is read.
    pub rule: ListRule,
}

/// A sign of deception.
#[derive(Clone, Debug)]
pub struct CompiledTell {
    /// Its id.
    pub id: String,
    /// Its weight, 0 to 1.
    pub weight: f64,
    /// What was found, in words.
    pub why: String,
    /// Its own condition.
    pub condition: Condition,
    /// Its further conditions.
    pub guards: Guards,
}

/// A value that the product generates for each reply.
#[derive(Clone, Debug)]
pub struct FreshValue {
    /// The reply that has it.
    pub condition: Condition,
    /// Its further conditions.
    pub guards: Guards,
    /// Where it is.
    pub at: Pointer,
}

/// One product, compiled.
#[derive(Clone, Debug)]
pub struct Product {
    /// The name of its file without extension.
    pub id: String,
    /// The name as its makers write it.
    pub name: String,
    /// The kind of product.
    pub kind: Kind,
    /// Where its source code or documentation is.
    pub source: String,
    /// Default ports.
    pub ports: Vec<u16>,
    /// How versions are ordered.
    pub versions: VersionOrder,
    /// Names of packages in advisories.
    pub packages: Vec<String>,
    /// Products whose interface it offers.
    pub emulates: Vec<u32>,
    /// First versions that report a thing.
    pub since: BTreeMap<String, String>,
    /// Fixtures of similar servers that are not this product.
    pub neighbours: Vec<String>,
    /// Queries for Shodan.
    pub shodan: Vec<String>,
    /// Queries for the Censys Platform.
    pub censys: Vec<String>,
    /// The newest release that the author of its file knew.
    pub newest: Option<String>,
    /// Whether it is named only if no other product is.
    pub last_resort: bool,
    /// Whether it is an interface that many products offer rather than a product: a server with it need not have all its routes.
    pub family: bool,
    /// Routes that exist only with an option or a plug-in.
    pub by_option: Option<RouteFilter>,
    /// The requests whose answer shows that it is open, each with the routes that are then open too.
    pub open_at: Vec<OpenRequest>,
    /// Routes by effect.
    pub routes: Routes,
    /// How it parses requests, and what its routes take.
    pub reading: ReadingOf,
    /// Requests.
    pub requests: Vec<Request>,
    /// Evidence.
    pub evidence: Vec<CompiledEvidence>,
    /// Positions in `evidence` of the rules that contradict the product.
    pub contradicts: Vec<usize>,
    /// Whether its score depends on several exchanges: an evidence rule has guards, or contradicts.
    pub guarded: bool,
    /// Rules for the version.
    pub version: Vec<CompiledValue>,
    /// Values that are no version.
    pub hidden: Vec<String>,
    /// Whether it never reports its version.
    pub version_never: bool,
    /// Rules for the id of the running copy or installation.
    pub instance: Vec<CompiledValue>,
    /// Posture rules.
    pub posture: Vec<CompiledPosture>,
    /// Lists of models.
    pub models: Vec<CompiledList>,
    /// Details of one model.
    pub details: Option<CompiledList>,
    /// Lists of models in memory.
    pub running: Vec<CompiledList>,
    /// Lists of tools.
    pub tools: Vec<CompiledList>,
    /// Leaks.
    pub leaks: Vec<(LeakKind, Condition, Guards)>,
    /// Signs of deception.
    pub tells: Vec<CompiledTell>,
    /// The HTTP stacks on which it is built.
    pub stack: Vec<Stack>,
    /// Its own `Server` header, if that contains its name.
    pub server: OneOrMany<Pattern>,
    /// Its replies to absent paths.
    pub unknown_path: Vec<Condition>,
    /// Times that it sets when it answers.
    pub made_when_asked: Vec<FreshValue>,
    /// Ids that it generates for each place.
    pub drawn_anew: Vec<FreshValue>,
    /// The proof of inference: the position of its request, and where the answer is.
    pub prove: Option<(usize, Pointer)>,
    /// How it is started.
    pub runs: Runs,
    /// The settings that decide how exposed it is.
    pub settings: Vec<Setting>,
    /// Remedies by finding, with the settings expanded.
    pub remedies: BTreeMap<String, String>,
}

impl Product {
    /// Whether it is a side product: tools, which a server offers beside its main interface.
    #[must_use]
    pub fn is_side(&self) -> bool {
        self.kind == Kind::Tools
    }

    /// Whether it has a route with that effect.
    #[must_use]
    pub fn has_effect(&self, effect: Effect) -> bool {
        self.routes.by_effect().iter().any(|(e, routes)| *e == effect && !routes.is_empty())
    }

    /// The routes with that effect.
    pub fn routes_with(&self, effect: Effect) -> impl Iterator<Item = &Route> {
        let by_effect = self.routes.by_effect();
        by_effect.iter().filter(move |(e, _)| *e == effect).flat_map(|(_, routes)| routes)
    }

    /// The routes with an effect that are open if `from` (`METHOD PATH`) is. All of them without `from`, or if no open posture rule
    /// names that request.
    pub fn open_routes<'p>(&'p self, effect: Effect, from: Option<&str>) -> impl Iterator<Item = &'p Route> {
        let filters: Vec<Option<&RouteFilter>> = from
            .map(|from| {
                let named = self.open_at.iter().filter(|open| open.matches(from));
                // The longest path is the request itself: `/api/v1/models` also ends with `/v1/models`.
                let longest = named.clone().map(|open| open.path.len()).max();
                named
                    .filter(|open| Some(open.path.len()) == longest)
                    .map(|open| open.routes.as_ref())
                    .collect()
            })
            .unwrap_or_default();
        self.routes_with(effect).filter(move |route| {
            filters.is_empty()
                || filters
                    .iter()
                    .any(|filter| filter.is_none_or(|filter| filter.accepts(effect, route)))
        })
    }
}
