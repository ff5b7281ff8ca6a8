//! The compiled catalogue.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use vigie_http::path::{EncodedSlash, lenient};
use vigie_model::{Effect, EvidenceWeight, LeakKind, PathPrefix, Posture, VersionOrder};

use crate::beside::{Beside, OpenAt};
use crate::clause::{Guards, Literal, Look, Place, SigId};
use crate::condition::{Asked, Body};
use crate::markers::Markers;
use crate::pointer::Pointer;
use crate::route::{Part, Route, Verb};
use crate::rule::{Kind, ListRule, Purpose, ReplyEnd, ValueRule};
use crate::table::effects::{EffectTable, Routes};

/// What makes two requests the same: they are sent once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The method.
    pub method: String,
    /// The path, or `session:ID` where the server names it.
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

/// A request of a product or of the openings.
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
    /// What must hold before.
    pub when: Vec<Look>,
    /// Where the reply ends.
    pub reply: ReplyEnd,
    /// The request that opened the stream on which it is answered.
    pub session: Option<String>,
    /// Whether a redirect is followed.
    pub follow: bool,
}

/// A request that every endpoint may get.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The request.
    pub request: Request,
    /// What must hold before.
    pub when: Vec<Look>,
    /// What must not.
    pub unless: Vec<Look>,
}

/// One piece of evidence.
#[derive(Clone, Debug)]
pub struct CompiledEvidence {
    /// Its id.
    pub id: String,
    /// How much it says.
    pub weight: EvidenceWeight,
    /// Why.
    pub why: String,
    /// Whether it names the product in a refusal too, where all else is refused.
    pub alone: bool,
    /// What it looks at.
    pub look: Look,
    /// What stands beside.
    pub guards: Guards,
    /// A text that every reply has on which it holds, for the index of evidence.
    pub literal: Option<Literal>,
}

/// Where a value is that a server says of itself.
#[derive(Clone, Debug)]
pub struct CompiledValue {
    /// The exchange.
    pub place: Place,
    /// What stands beside.
    pub guards: Guards,
    /// What to take.
    pub rule: ValueRule,
}

/// What a stranger meets.
#[derive(Clone, Debug)]
pub struct CompiledPosture {
    /// The posture.
    pub posture: Posture,
    /// What must hold.
    pub look: Look,
    /// What stands beside.
    pub guards: Guards,
}

/// How a list is read.
#[derive(Clone, Debug)]
pub struct CompiledList {
    /// What must hold.
    pub look: Look,
    /// What stands beside.
    pub guards: Guards,
    /// How.
    pub rule: ListRule,
}

/// A sign of pretence.
#[derive(Clone, Debug)]
pub struct CompiledTell {
    /// Its id.
    pub id: String,
    /// How much it adds.
    pub weight: f64,
    /// What was seen, in words.
    pub why: String,
    /// What must hold.
    pub look: Look,
    /// What stands beside.
    pub guards: Guards,
}

/// A value that is made for the answer in which it stands.
#[derive(Clone, Debug)]
pub struct CompiledMade {
    /// The reply it stands in.
    pub look: Look,
    /// What stands beside.
    pub guards: Guards,
    /// Where.
    pub at: Pointer,
}

/// One product, compiled.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its file's name.
    pub id: String,
    /// As its makers write it.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Where its source is.
    pub source: String,
    /// Default ports.
    pub ports: Vec<u16>,
    /// How versions are ordered.
    pub versions: VersionOrder,
    /// Names in advisories.
    pub packages: Vec<String>,
    /// Products it answers as.
    pub emulates: Vec<u32>,
    /// First versions that tell a thing.
    pub since: BTreeMap<String, String>,
    /// Fixtures that look alike.
    pub neighbours: Vec<String>,
    /// What Shodan is asked for it.
    pub shodan: Vec<String>,
    /// What the Censys Platform is asked for it.
    pub censys: Vec<String>,
    /// The newest release that its file's author knew.
    pub newest: Option<String>,
    /// Named only if nothing else is.
    pub last_resort: bool,
    /// An interface that many products speak, and no product: its routes are those of the interface, and a server that speaks it
    /// need not have them.
    pub family: bool,
    /// Routes that are there only with an option or a plug-in.
    pub by_option: Option<Beside>,
    /// The requests that show it open, and which of its routes stand beside each.
    pub open_at: Vec<OpenAt>,
    /// Routes by effect.
    pub routes: Routes,
    /// How it reads requests, and what its routes take.
    pub reading: crate::table::effects::ReadingOf,
    /// Requests.
    pub requests: Vec<Request>,
    /// Evidence.
    pub evidence: Vec<CompiledEvidence>,
    /// The places in `evidence` of what rules it out.
    pub contradicts: Vec<usize>,
    /// Whether what counts also hangs on other exchanges: guards, or evidence that rules it out.
    pub guarded: bool,
    /// Version.
    pub version: Vec<CompiledValue>,
    /// Values that are no version.
    pub hidden: Vec<String>,
    /// Whether it never tells its version.
    pub version_never: bool,
    /// Which running copy or installation it is.
    pub instance: Vec<CompiledValue>,
    /// Postures.
    pub posture: Vec<CompiledPosture>,
    /// Models.
    pub models: Vec<CompiledList>,
    /// More of one model.
    pub details: Option<CompiledList>,
    /// Models in memory.
    pub running: Vec<CompiledList>,
    /// Tools.
    pub tools: Vec<CompiledList>,
    /// Leaks.
    pub leaks: Vec<(LeakKind, Look, Guards)>,
    /// Tells.
    pub tells: Vec<CompiledTell>,
    /// What its HTTP is written with.
    pub stack: Vec<crate::stack::Stack>,
    /// Its own `Server` header, where that holds its name.
    pub server: crate::pattern::OneOrMany<crate::pattern::Pattern>,
    /// What it says to a path that it does not have.
    pub unknown_path: Vec<Look>,
    /// Times that it takes when it answers.
    pub made_when_asked: Vec<CompiledMade>,
    /// Ids that it draws for each place where they stand.
    pub drawn_anew: Vec<CompiledMade>,
    /// The proof: the request's position and where the answer is.
    pub prove: Option<(usize, Pointer)>,
    /// The settings that decide how exposed it is.
    pub settings: Vec<crate::settings::Setting>,
    /// Remedies by finding, the settings in them spelled out.
    pub remedies: BTreeMap<String, String>,
}

impl Product {
    /// Whether it is what a server may be besides: tools stand beside an interface of the server's own.
    #[must_use]
    pub fn is_side(&self) -> bool {
        self.kind == Kind::Tools
    }

    /// Whether it has a route of that effect.
    #[must_use]
    pub fn has_effect(&self, effect: Effect) -> bool {
        self.routes.by_effect().iter().any(|(e, routes)| *e == effect && !routes.is_empty())
    }

    /// The first routes of that effect, for texts.
    pub fn routes_with(&self, effect: Effect) -> impl Iterator<Item = &Route> {
        let by_effect = self.routes.by_effect();
        by_effect.iter().filter(move |(e, _)| *e == effect).flat_map(|(_, routes)| routes)
    }
}

/// Why a request is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It has a harmful effect.
    #[error("{method} {path} has the effect {effect}, which a scan never causes")]
    Effect {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// The effect.
        effect: Effect,
    },
    /// No route fits it.
    #[error("{method} {path} fits no route of the catalogue, so its effect is not known")]
    NoRoute {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
}

/// Paths of one segment that clients are given as the address of a server; any other may as well be a prefix.
const OWN_PATHS: [&str; 3] = ["/v1", "/mcp", "/sse"];

/// What is known of the root of an endpoint when a server under a path of it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtRoot {
    /// Nothing: it may be any product.
    #[default]
    Unknown,
    /// This product answers there.
    Product(u32),
    /// No server answers there: what was asked for is not there.
    Nothing,
}

/// A harmful route that names a path, as the most lenient server reads it.
#[derive(Debug)]
pub(crate) struct HarmfulPath {
    method: Verb,
    /// In lower case, without empty ones; `None` stands for any.
    segments: Vec<Option<String>>,
    effect: Effect,
}

impl HarmfulPath {
    fn is_at(&self, path: &[String]) -> bool {
        self.segments.len() == path.len()
            && self
                .segments
                .iter()
                .zip(path)
                .all(|(own, one)| own.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(one)))
    }
}

/// What vigie knows of every product, checked and compiled.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) products: Vec<Product>,
    pub(crate) by_id: BTreeMap<String, u32>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) sig_ids: HashMap<Signature, SigId>,
    pub(crate) openings: Vec<Opening>,
    pub(crate) effects: EffectTable,
    pub(crate) harmful: std::sync::OnceLock<Vec<HarmfulPath>>,
    pub(crate) floor: Option<Arc<(EffectTable, BTreeMap<String, u32>)>>,
    pub(crate) judged: crate::judged::Judged,
    pub(crate) markers: Markers,
    pub(crate) hash: String,
    pub(crate) date: String,
}

impl Catalog {
    /// The products, by id.
    #[must_use]
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// One product.
    #[must_use]
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.by_id
            .get(id)
            .and_then(|number| self.products.get(usize::try_from(*number).ok()?))
    }

    /// A product's number.
    #[must_use]
    pub fn number(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// The product of that number.
    ///
    /// # Panics
    ///
    /// The number is not of this catalogue.
    #[must_use]
    pub fn nth(&self, number: u32) -> &Product {
        &self.products[number as usize]
    }

    /// The requests that every endpoint may get before it is recognised.
    #[must_use]
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }

    /// The hash over its files, `sha256:<hex>`.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Its date, `YYYY-MM-DD`.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.date
    }

    /// The words that classify prompts, models and tools.
    #[must_use]
    pub fn markers(&self) -> &Markers {
        &self.markers
    }

    /// The default ports of all products, each once, in order.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.products.iter().flat_map(|product| product.ports.iter().copied()).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Says whether a request may be sent: by the worst effect that any file gives it until the product is `known`, by that
    /// product's own afterwards, and never below the floor of the embedded catalogue.
    ///
    /// This is the check that the transport makes again, from the bytes it is about to send.
    ///
    /// # Errors
    ///
    /// The effect is not harmless (or, with `prove`, not `infer`), or no route fits.
    pub fn permit(&self, known: Option<u32>, method: &str, path: &str, body: Option<&str>, prove: bool) -> Result<Effect, Forbidden> {
        let words = (known, prove, method, path, body.unwrap_or_default());
        if let Some(effect) = self.judged.allowed(words) {
            return Ok(effect);
        }
        let effect = self.judge(known, method, path, body, prove)?;
        self.judged.keep(words, effect);
        Ok(effect)
    }

    fn judge(&self, known: Option<u32>, method: &str, path: &str, body: Option<&str>, prove: bool) -> Result<Effect, Forbidden> {
        let body = body.filter(|text| !text.is_empty());
        let json = body.map(serde_json::from_str::<Value>);
        let request = Asked {
            method,
            path,
            body: match &json {
                None => Body::None,
                Some(Ok(json)) => Body::Json(json),
                Some(Err(_)) => Body::Unread,
            },
        };
        let by_files = match known {
            Some(product) => self.effects.of_product(product, &request),
            None => self.effects.worst(&request),
        };
        let no_route = || Forbidden::NoRoute {
            method: method.to_owned(),
            path: path.to_owned(),
        };
        let effect = by_files.ok_or_else(no_route)?;
        let floored = self.floor.as_ref().and_then(|floor| {
            let (table, ids) = floor.as_ref();
            let same = known.and_then(|known| ids.get(&self.nth(known).id));
            match same {
                Some(product) => table.of_product(*product, &request),
                None => table.worst(&request),
            }
        });
        let effect = effect.max(floored.unwrap_or(effect));
        if effect.is_harmless() || (prove && effect == Effect::Infer) {
            Ok(effect)
        } else {
            Err(Forbidden::Effect {
                method: method.to_owned(),
                path: path.to_owned(),
                effect,
            })
        }
    }

    /// As [`Catalog::permit`], of a request that is sent under a prefix: its effect is that of its own path, and as it is sent it must be
    /// no route with a forbidden effect of what answers at the root, of any product as long as that is not known: `/vllm/v1/models` is
    /// passed on with its owner's key where the root is a gateway with such a route.
    ///
    /// # Errors
    ///
    /// As [`Catalog::permit`].
    pub fn permit_under(
        &self,
        under: Option<(&PathPrefix, AtRoot)>,
        known: Option<u32>,
        method: &str,
        path: &str,
        body: Option<&str>,
        prove: bool,
    ) -> Result<Effect, Forbidden> {
        let effect = self.permit(known, method, path, body, prove)?;
        let Some((prefix, at_root)) = under else { return Ok(effect) };
        let no_route = || Forbidden::NoRoute {
            method: method.to_owned(),
            path: path.to_owned(),
        };
        // A value of a reply that stands in the path must not lead out of the prefix.
        if !vigie_http::path::stays_below(path) {
            return Err(no_route());
        }
        let sent = prefix.join(path);
        let harm = self.harm_at(at_root, method, &sent, body);
        match harm.max(self.harm_of_path(method, &sent)) {
            Some(harm) if !(prove && harm == Effect::Infer) => Err(Forbidden::Effect {
                method: method.to_owned(),
                path: sent,
                effect: harm,
            }),
            _ => Ok(effect),
        }
    }

    /// The worst forbidden effect of the routes that a path names for some server, whatever answers at the root: servers ignore a slash
    /// at the end or twice, the case of letters, and decode. A route whose first segment stands for any, or whose last takes the rest,
    /// names no path of its own; what answers at the root decides about those.
    fn harm_of_path(&self, method: &str, path: &str) -> Option<Effect> {
        let verb = Verb::of(method);
        let readings = [EncodedSlash::Separates, EncodedSlash::Belongs].map(|slash| lenient(path, slash));
        self.harmful()
            .iter()
            .filter(|route| route.method.takes(verb) && readings.iter().any(|path| route.is_at(path.segments())))
            .map(|route| route.effect)
            .max()
    }

    /// The harmful routes that name a path, of every product here and in the floor.
    fn harmful(&self) -> &[HarmfulPath] {
        self.harmful.get_or_init(|| {
            let mut all = Vec::new();
            let embedded = self.floor.is_some().then(Self::embedded);
            let floor = embedded.iter().flat_map(|catalog| catalog.products());
            for (effect, routes) in self.products.iter().chain(floor).flat_map(|product| product.routes.by_effect()) {
                // A condition on the body or the query is judged with the request itself.
                let own = routes.iter().filter(|route| !effect.is_harmless() && route.condition.is_none());
                for route in own {
                    let parts: Vec<Part<'_>> = route.parts().collect();
                    if !matches!(parts.first(), Some(Part::Text(text)) if !text.is_empty()) || parts.contains(&Part::Rest) {
                        continue;
                    }
                    let segments = parts.into_iter().filter(|part| *part != Part::Text(""));
                    let segments = segments.map(|part| match part {
                        Part::Text(text) => Some(text.to_ascii_lowercase()),
                        Part::One | Part::Rest => None,
                    });
                    all.push(HarmfulPath {
                        method: Verb::of(&route.method),
                        segments: segments.collect(),
                        effect: *effect,
                    });
                }
            }
            all
        })
    }

    /// Whether a path is itself a harmful route of some product for a GET: nothing is looked for under it.
    #[must_use]
    pub fn is_harmful_prefix(&self, prefix: &PathPrefix) -> bool {
        self.harm_of_path("GET", prefix.as_str()).is_some()
    }

    /// Whether a path may be a gateway's way to what is behind it, where a request is sent on with its owner's key (`/vllm/…` at a
    /// LiteLLM): then the root is asked first, and the path only if nothing answers there, or a product that has no such route.
    #[must_use]
    pub fn asks_root_first(&self, prefix: &PathPrefix) -> bool {
        self.openings.iter().any(|opening| {
            let request = &opening.request;
            let body = request.body.as_deref().unwrap_or_default();
            self.permit_under(
                Some((prefix, AtRoot::Unknown)),
                None,
                &request.method,
                &request.path,
                Some(body),
                false,
            )
            .is_err()
        })
    }

    /// The worst effect that the request has at the root, here or by the catalogue that is the floor, if it is a forbidden one.
    fn harm_at(&self, root: AtRoot, method: &str, path: &str, body: Option<&str>) -> Option<Effect> {
        let product = match root {
            AtRoot::Unknown => None,
            AtRoot::Product(number) => Some(number),
            AtRoot::Nothing => return None,
        };
        let body = body.filter(|text| !text.is_empty());
        let json = body.map(serde_json::from_str::<Value>);
        let request = Asked {
            method,
            path,
            body: match &json {
                None => Body::None,
                Some(Ok(json)) => Body::Json(json),
                Some(Err(_)) => Body::Unread,
            },
        };
        let by_floor = self.floor.as_ref().and_then(|floor| {
            let (table, ids) = floor.as_ref();
            match product.map(|product| ids.get(&self.nth(product).id)) {
                Some(Some(product)) => table.of_product(*product, &request),
                _ => table.worst(&request),
            }
        });
        let by_files = match product {
            Some(product) => self.effects.of_product(product, &request),
            None => self.effects.worst(&request),
        };
        let worst = by_files.max(by_floor)?;
        (!worst.is_harmless()).then_some(worst)
    }

    /// The prefix of a server of whom a URL names one of its own paths: of `/ollama/api/tags` it is `/ollama`, of `/v1`, the base that
    /// clients are given, none. `None`: the path ends with no path that a scan asks for, so it is a prefix as it is.
    #[must_use]
    pub fn prefix_before(&self, path: &PathPrefix) -> Option<Option<PathPrefix>> {
        let asked = self
            .signatures
            .iter()
            .map(|signature| vigie_http::path::without_query(&signature.path).trim_end_matches('/'));
        let before = asked
            .filter(|own| own.matches('/').count() > 1 && !own.contains('{'))
            .chain(OWN_PATHS)
            .filter_map(|own| path.as_str().strip_suffix(own))
            .min_by_key(|before| before.len())?;
        PathPrefix::parse(before).ok()
    }

    /// The number of a request, if some file makes it.
    #[must_use]
    pub fn sig(&self, signature: &Signature) -> Option<SigId> {
        self.sig_ids.get(signature).copied()
    }

    /// Every request that some file makes, by number.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The signature behind a number.
    #[must_use]
    pub fn signature(&self, sig: SigId) -> Option<&Signature> {
        self.signatures.get(sig as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmful_path_is_found_however_a_server_reads_it() {
        let catalog = Catalog::embedded();
        for path in [
            "/api/mcp-servers/force-reload",
            "/api/mcp-servers%2Fforce-reload",
            "/api%252Fmcp-servers/force-reload",
            "/x/..//API/mcp-servers;a=b/force-reload/",
            "/api\\mcp-servers/force%2dreload",
        ] {
            assert!(catalog.harm_of_path("GET", path).is_some(), "{path}");
        }
        assert_eq!(catalog.harm_of_path("GET", "/x/mcp-servers/force-reload"), None);
    }
}
