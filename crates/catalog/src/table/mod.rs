//! The table of a product's routes, which the scanner, the host audit and the gateway share: it classifies a request or reports it as
//! unknown. Who may send a request is for its callers to decide.
//!
//! [`RouteTable::compile`] builds it from a product's file for one version. [`RouteTable::decide`] returns the route of a request, the
//! worst effect that it can have however it is parsed, the models that it names and where, the features that it asks for, and the settings
//! in it. The book's page "The route table" describes the part of the file for that (`reads` and `takes`).
//!
//! ```
//! use vigie_catalog::table::{Body, Json, Knob, Request, Role, RouteTable};
//! use vigie_catalog::Catalog;
//! use vigie_model::Effect;
//!
//! let catalog = Catalog::embedded();
//! let ollama = catalog.product("ollama").expect("the catalogue has Ollama");
//! let table = RouteTable::compile(ollama, Some("0.17.4"));
//!
//! let json = Json::parse(br#"{"model": "Tiny", "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 64}}"#)?;
//! let request = Request {
//!     method: "POST",
//!     target: "/api/chat",
//!     content_type: Some("application/json"),
//!     body: Body::Json(&json),
//! };
//! let decision = table.decide(&request)?;
//! assert_eq!(decision.effect, Effect::Infer);
//! let model = decision.model(Role::Model).expect("it names one");
//! assert_eq!(table.names().canonical(&model.name), "tiny:latest");
//! assert_eq!(decision.set(Knob::MaxTokens).map(|set| set.raw), Some("64"));
//! assert!(decision.doubts.is_empty());
//!
//! // Go ignores the case of JSON keys: the empty "Prompt" replaces "hi", so this request only loads the model.
//! let json = Json::parse(br#"{"model": "tiny", "prompt": "hi", "Prompt": ""}"#)?;
//! let request = Request { target: "/api/generate", body: Body::Json(&json), ..request };
//! assert_eq!(table.decide(&request)?.effect, Effect::Load);
//!
//! // A request without a known route is unknown.
//! assert!(table.decide(&Request { target: "/api/new", ..request }).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decision;
mod doubt;
pub(crate) mod effects;
mod expression;
mod form;
mod json;
mod names;
mod plan;
mod reach;
mod shape;
pub(crate) mod takes;
mod target;
pub(crate) mod version;

use std::collections::BTreeMap;
use std::str::Split;

use vigie_model::{Effect, VersionOrder};

pub use decision::{Amount, At, Body, Decision, Named, Reason, Request, Set, Unknown};
pub use doubt::Doubts;
pub use effects::{EffectTable, ReadingOf, Routes};
pub use form::{Form, FormError, MAX_PARTS, Part};
pub use json::{Item, Json, JsonError, JsonKind, MAX_DEPTH, MAX_NODES};
pub use names::NameReading;
pub use reach::Reach;
pub use takes::{Ask, AskRule, Asks, BodyKind, ByWord, JsonReading, Knob, ListPlace, Place, Reading, Reads, Role, TakesRule, TypeReading};
pub use target::PathReading;

use crate::catalog::product::Product;
use crate::route::{Part as Segment, Route, Verb};
use crate::table::expression::Compiler;
use crate::table::plan::Found;
use crate::table::shape::{Shape, Written};
use crate::table::target::Target;
use crate::table::version::{Holds, Release, holds};

/// Maximum number of routes whose paths match one request; no reasonable catalogue has more.
const MAX_FITTING: usize = 8;

/// The methods that a table distinguishes.
const VERBS: [Verb; 8] = [
    Verb::Get,
    Verb::Head,
    Verb::Post,
    Verb::Put,
    Verb::Patch,
    Verb::Delete,
    Verb::Options,
    Verb::Other,
];

/// The routes of a product, compiled for one version: classifies every request to its interface.
#[derive(Clone, Debug)]
pub struct RouteTable {
    reads: Reads,
    version: Option<String>,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
}

/// A segment of the tree of paths.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The children by their fixed segments, sorted.
    fixed: Vec<(Box<str>, u32)>,
    one: Option<u32>,
    /// The leaf of a path that ends with a placeholder for all following segments.
    rest: Option<u32>,
    /// The leaf of the path that ends here.
    end: Option<u32>,
}

/// Leaf of the route trie: the routes of one path.
#[derive(Clone, Debug)]
struct Leaf {
    /// The routes by the number of the method in [`VERBS`].
    shapes: [Option<Box<Shape>>; VERBS.len()],
    is_rest: bool,
}

/// The lines of one path in a product's file.
#[derive(Default)]
struct OfPath<'f> {
    lines: Vec<Written<'f>>,
    takes: Vec<(Verb, &'f TakesRule, &'f str)>,
}

impl RouteTable {
    /// The table of a product for one version. If the version is unknown, cannot be compared, or is marked in the product's file as not a
    /// version, the table is the strictest: it has the routes of all versions, a request has the worst effect that it has in any version,
    /// and it names every model that any version would read.
    #[must_use]
    pub fn compile(product: &Product, version: Option<&str>) -> Self {
        let known = version.filter(|version| !product.hidden.iter().any(|hidden| hidden == version));
        let release = known.and_then(|version| Release::parse(product.versions, version));
        let reading = product.reading.get();
        let in_version = |since: Option<&str>, until: Option<&str>| {
            let bound = |text: Option<&str>| text.and_then(|text| Release::parse(product.versions, text));
            holds(release.as_ref(), bound(since).as_ref(), bound(until).as_ref())
        };
        let mut paths: BTreeMap<String, OfPath<'_>> = BTreeMap::new();
        for (effect, routes) in product.routes.by_effect() {
            for route in routes {
                let holds = in_version(route.since.as_deref(), route.until.as_deref());
                if holds != Holds::No {
                    paths.entry(pattern(route.path())).or_default().lines.push(Written {
                        route,
                        effect: *effect,
                        holds,
                    });
                }
            }
        }
        for rule in &reading.takes {
            let text = |version: &Option<serde_saphyr::Spanned<String>>| version.as_ref().map(|version| version.value.clone());
            if in_version(text(&rule.since).as_deref(), text(&rule.until).as_deref()) == Holds::No {
                continue;
            }
            for on in &rule.on {
                if let Some((method, path)) = on.value.split_once(' ')
                    && let Some(of_path) = paths.get_mut(&pattern(path))
                {
                    of_path.takes.push((Verb::of(method), rule, path));
                }
            }
        }
        let mut table = Self {
            reads: reading.reads.unwrap_or_default(),
            version: release.and(known).map(str::to_owned),
            nodes: vec![Node::default()],
            leaves: Vec::new(),
        };
        let mut compiler = Compiler::default();
        for (path, of_path) in &paths {
            table.add(path, of_path, &mut compiler);
        }
        table
    }

    fn add(&mut self, path: &str, of_path: &OfPath<'_>, compiler: &mut Compiler) {
        let shapes = VERBS.map(|verb| {
            let lines: Vec<&Written<'_>> = of_path
                .lines
                .iter()
                .filter(|line| Verb::of(&line.route.method).takes(verb))
                .collect();
            let takes: Vec<(&TakesRule, &str)> = of_path
                .takes
                .iter()
                .filter(|(own, _, _)| own.takes(verb))
                .map(|(_, rule, path)| (*rule, *path))
                .collect();
            (!lines.is_empty()).then(|| Box::new(Shape::compile(&lines, &takes, verb, compiler)))
        });
        let mut at = 0_usize;
        let mut is_rest = false;
        for segment in path.split('/').skip(1) {
            let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let node = &mut self.nodes[at];
            let next = match Segment::of(segment) {
                Segment::Rest => {
                    is_rest = true;
                    break;
                }
                Segment::One => *node.one.get_or_insert(next),
                Segment::Text(text) => match node.fixed.binary_search_by(|(known, _)| (**known).cmp(text)) {
                    Ok(place) => node.fixed[place].1,
                    Err(place) => {
                        node.fixed.insert(place, (text.into(), next));
                        next
                    }
                },
            };
            at = next as usize;
            if at == self.nodes.len() {
                self.nodes.push(Node::default());
            }
        }
        let number = u32::try_from(self.leaves.len()).ok();
        let node = &mut self.nodes[at];
        *(if is_rest { &mut node.rest } else { &mut node.end }) = number;
        self.leaves.push(Leaf { shapes, is_rest });
    }

    /// The version that it was compiled for; `None`: unknown, and the table is the strictest.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// How the product compares the names of models.
    #[must_use]
    pub fn names(&self) -> NameReading {
        self.reads.names
    }

    /// How the product reads requests.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// The kind of body that the route of a request takes, before the body is read; `None`: the product's file does not say.
    ///
    /// # Errors
    ///
    /// No route matches.
    pub fn expects(&self, method: &str, target: &str) -> Result<Option<BodyKind>, Unknown> {
        Ok(self.fit(method, target)?.body())
    }

    /// The routes that a method and a target fit, before the body is read.
    ///
    /// # Errors
    ///
    /// No route matches.
    pub fn fit<'t, 'r>(&'t self, method: &str, target: &'r str) -> Result<Fit<'t, 'r>, Unknown> {
        let target = self.read_target(target)?;
        let shapes = self.fitting(method, &target)?;
        Ok(Fit {
            reads: self.reads,
            target,
            shapes,
        })
    }

    /// Classifies a request.
    ///
    /// It takes no lock and allocates only for the result; its cost does not depend on the number of products.
    ///
    /// # Errors
    ///
    /// No route matches, or the route does not take this body.
    pub fn decide<'t, 'r>(&'t self, request: &Request<'r>) -> Result<Decision<'t, 'r>, Unknown> {
        self.fit(request.method, request.target)?.decide(request)
    }

    fn read_target<'r>(&self, target: &'r str) -> Result<Target<'r>, Unknown> {
        Target::read(self.reads.path, target).map_err(|what| Unknown {
            reason: Reason::Target(what),
            worst: None,
        })
    }

    /// The matching routes of a method and a path.
    fn fitting(&self, method: &str, target: &Target<'_>) -> Result<Fitting<'_>, Unknown> {
        let mut segments = target.path.split('/');
        // The part before the first slash.
        segments.next();
        let mut leaves = Leaves::default();
        self.gather(0, segments, &mut leaves);
        let verb = Verb::of(method);
        let number = VERBS.iter().position(|known| *known == verb).unwrap_or(VERBS.len() - 1);
        let mut fitting = Fitting::default();
        let mut is_path = false;
        for leaf in &leaves.all[..leaves.count] {
            let Some(leaf) = self.leaves.get(*leaf as usize) else { continue };
            // Some servers decode an escaped slash and some do not, so the route is unknown.
            if leaf.is_rest && target.doubts.contains(Doubts::ENCODED_SLASH) {
                continue;
            }
            is_path = true;
            if let Some(shape) = &leaf.shapes[number] {
                fitting.all[fitting.count] = Some(shape);
                fitting.count += 1;
            }
        }
        if fitting.count == 0 || leaves.overflow {
            return Err(Unknown {
                reason: if is_path { Reason::Method } else { Reason::NoRoute },
                worst: None,
            });
        }
        Ok(fitting)
    }

    fn gather(&self, at: u32, mut segments: Split<'_, char>, leaves: &mut Leaves) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        let Some(segment) = segments.next() else {
            return leaves.push(node.end);
        };
        leaves.push(node.rest);
        if self.reads.path.ignores_case() {
            for (_, next) in node.fixed.iter().filter(|(fixed, _)| fixed.eq_ignore_ascii_case(segment)) {
                self.gather(*next, segments.clone(), leaves);
            }
        } else if let Ok(place) = node.fixed.binary_search_by(|(fixed, _)| (**fixed).cmp(segment)) {
            self.gather(node.fixed[place].1, segments.clone(), leaves);
        }
        if let Some(one) = node.one
            && !segment.is_empty()
        {
            self.gather(one, segments, leaves);
        }
    }
}

/// The routes that a method and a target fit.
#[derive(Debug)]
pub struct Fit<'t, 'r> {
    reads: Reads,
    target: Target<'r>,
    shapes: Fitting<'t>,
}

impl<'t, 'r> Fit<'t, 'r> {
    /// The kind of body that the route takes; `None`: the product's file does not say.
    #[must_use]
    pub fn body(&self) -> Option<BodyKind> {
        self.shapes.iter().find_map(Shape::body)
    }

    /// Classifies a request with this method and this target; see [`RouteTable::decide`].
    ///
    /// # Errors
    ///
    /// The route does not take this body.
    pub fn decide(&self, request: &Request<'r>) -> Result<Decision<'t, 'r>, Unknown> {
        let (target, shapes) = (&self.target, &self.shapes);
        let mut best: Option<Decision<'t, 'r>> = None;
        let mut reason = Reason::NoEffect;
        let mut refused = false;
        for shape in shapes.iter() {
            let mut found = Found::default();
            if let Err(why) = shape.look(self.reads, request, target, &mut found) {
                reason = why;
                refused = true;
                continue;
            }
            let Some(line) = shape.line(request, target, &found) else {
                continue;
            };
            let mut decision = Decision {
                effect: line.effect,
                route: &line.text,
                path: target.canonical(),
                models: found.models,
                asks: found.asks,
                images: found.images,
                sets: found.sets,
                doubts: found.doubts | target.doubts,
                in_some_versions: line.maybe,
                shape,
            };
            best = Some(match best {
                None => decision,
                // Several routes match this path: the server's own order of routes decides which of them it uses.
                Some(mut other) => {
                    if decision.effect > other.effect {
                        std::mem::swap(&mut other, &mut decision);
                    }
                    other.merge(decision);
                    other
                }
            });
        }
        match best {
            Some(decision) if !refused => Ok(decision),
            _ => Err(Unknown {
                reason,
                worst: shapes.iter().filter_map(Shape::worst).max(),
            }),
        }
    }
}

/// The leaves whose paths match.
#[derive(Default)]
struct Leaves {
    all: [u32; MAX_FITTING],
    count: usize,
    overflow: bool,
}

impl Leaves {
    fn push(&mut self, leaf: Option<u32>) {
        let Some(leaf) = leaf else { return };
        match self.all.get_mut(self.count) {
            Some(place) => {
                *place = leaf;
                self.count += 1;
            }
            None => self.overflow = true,
        }
    }
}

/// The matching routes.
#[derive(Debug, Default)]
struct Fitting<'t> {
    all: [Option<&'t Shape>; MAX_FITTING],
    count: usize,
}

impl<'t> Fitting<'t> {
    fn iter(&self) -> impl Iterator<Item = &'t Shape> {
        self.all[..self.count].iter().filter_map(|shape| *shape)
    }
}

/// A path with unnamed placeholders: two routes that differ only in the names of their placeholders share a leaf.
fn pattern(path: &str) -> String {
    let segments = path.split('/').map(|segment| match Segment::of(segment) {
        Segment::Text(text) => text,
        Segment::One => "{}",
        Segment::Rest => "{...}",
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Whether a version of a product can be compared with others.
pub(crate) fn is_version(order: VersionOrder, text: &str) -> bool {
    Release::parse(order, text).is_some()
}

/// The parts of a product's routes that are too large for a decision at a fixed cost.
pub(crate) fn too_large(routes: &[&Route], takes: &[TakesRule]) -> Vec<String> {
    let mut paths: BTreeMap<String, OfPath<'_>> = BTreeMap::new();
    for route in routes {
        paths.entry(pattern(route.path())).or_default().lines.push(Written {
            route,
            effect: Effect::Identify,
            holds: Holds::Yes,
        });
    }
    let conditions = |of_path: &OfPath<'_>| of_path.lines.iter().filter(|line| line.route.condition.is_some()).count();
    let mut faults: Vec<String> = paths
        .iter()
        .filter(|(_, of_path)| conditions(of_path) > plan::MAX_CONDITIONS)
        .map(|(path, _)| format!("{path} has more than {} lines with a condition", plan::MAX_CONDITIONS))
        .collect();
    if takes.iter().any(|rule| rule.keys.len() + rule.places().count() > plan::MAX_KEYS) {
        faults.push(format!("an entry of takes names more than {} keys and places", plan::MAX_KEYS));
    }
    faults
}
