//! The one table of a product's routes that the scanner, the audit of a host and the gateway ask: what a request is, or that it is
//! unknown. Who may send it is the asker's business.
//!
//! [`RouteTable::compile`] makes it of a product's file for one version; [`RouteTable::decide`] says which route a request takes, the
//! worst effect that it has by any reading, the models that it names and where, what it asks for, and what it sets. The book's page
//! "The route table" describes what the file says about that (`reads` and `takes`).
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
//! // Go reads the keys of JSON in any case, so that this one only loads the model.
//! let json = Json::parse(br#"{"model": "tiny", "prompt": "hi", "Prompt": ""}"#)?;
//! let request = Request { target: "/api/generate", body: Body::Json(&json), ..request };
//! assert_eq!(table.decide(&request)?.effect, Effect::Load);
//!
//! // What no route is known for is unknown.
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
mod shape;
pub(crate) mod takes;
mod target;
mod version;

use std::collections::BTreeMap;
use std::str::Split;

use vigie_model::{Effect, VersionOrder};

pub use decision::{Amount, At, Body, Decision, Named, Reason, Request, Set, Unknown};
pub use doubt::Doubts;
pub use effects::{EffectTable, ReadingOf, Routes};
pub use form::{Form, FormError, MAX_PARTS, Part};
pub use json::{Item, Json, JsonError, JsonKind, MAX_DEPTH, MAX_NODES};
pub use names::NameReading;
pub use takes::{Ask, AskRule, Asks, BodyKind, ByWord, JsonReading, Knob, ListPlace, Place, Reading, Reads, Role, TakesRule, TypeReading};
pub use target::PathReading;

use crate::catalog::product::Product;
use crate::route::{Part as Segment, Route, Verb};
use crate::table::expression::Compiler;
use crate::table::plan::Found;
use crate::table::shape::{Shape, Written};
use crate::table::target::Target;
use crate::table::version::{Holds, Release, holds};

/// The most routes whose paths fit one request; more is a catalogue that nobody writes.
const MAX_FITTING: usize = 8;

/// The methods that a table tells apart.
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

/// What every request on a product's interface is, for one version of it.
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
    /// By the segment, in order.
    fixed: Vec<(Box<str>, u32)>,
    one: Option<u32>,
    /// The leaf that takes whatever follows.
    rest: Option<u32>,
    /// The leaf of the path that ends here.
    end: Option<u32>,
}

/// The end of a route's path.
#[derive(Clone, Debug)]
struct Leaf {
    /// By the number of the method in [`VERBS`].
    shapes: [Option<Box<Shape>>; VERBS.len()],
    is_rest: bool,
}

/// What a path has in a product's file.
#[derive(Default)]
struct OfPath<'f> {
    lines: Vec<Written<'f>>,
    takes: Vec<(Verb, &'f TakesRule, &'f str)>,
}

impl RouteTable {
    /// The table of a product for one version. With a version that is not known, cannot be compared or is one that the product's file
    /// calls no version, it is the strictest: every route that any version has counts, a request has the worst effect that any version
    /// gives it, and names whatever any version would read.
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

    /// The version that it is for; `None`: not known, and the table is the strictest.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// How the product reads the names of models.
    #[must_use]
    pub fn names(&self) -> NameReading {
        self.reads.names
    }

    /// How the product reads requests.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// What body the route of a request takes, before the body is read; `None`: the product's file does not say.
    ///
    /// # Errors
    ///
    /// No route fits.
    pub fn expects(&self, method: &str, target: &str) -> Result<Option<BodyKind>, Unknown> {
        let target = self.read_target(target)?;
        let shapes = self.fitting(method, &target)?;
        Ok(shapes.iter().find_map(Shape::body))
    }

    /// What a request is.
    ///
    /// It takes no lock and allocates only for what it returns; its cost does not depend on how many products there are.
    ///
    /// # Errors
    ///
    /// No route fits, or the body is not what the route takes.
    pub fn decide<'t, 'r>(&'t self, request: &Request<'r>) -> Result<Decision<'t, 'r>, Unknown> {
        let target = self.read_target(request.target)?;
        let shapes = self.fitting(request.method, &target)?;
        let mut best: Option<Decision<'t, 'r>> = None;
        let mut reason = Reason::NoEffect;
        let mut refused = false;
        for shape in shapes.iter() {
            let mut found = Found::default();
            if let Err(why) = shape.look(self.reads, request, &target, &mut found) {
                reason = why;
                refused = true;
                continue;
            }
            let Some(line) = shape.line(request, &target, &found) else {
                continue;
            };
            let mut decision = Decision {
                effect: line.effect,
                route: &line.text,
                path: target.canonical(),
                models: found.models,
                asks: found.asks,
                sets: found.sets,
                doubts: found.doubts | target.doubts,
                in_some_versions: line.maybe,
                shape,
            };
            best = Some(match best {
                None => decision,
                // Several routes have this path: which of them the server takes is its own order of routes.
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

    fn read_target<'r>(&self, target: &'r str) -> Result<Target<'r>, Unknown> {
        Target::read(self.reads.path, target).map_err(|what| Unknown {
            reason: Reason::Target(what),
            worst: None,
        })
    }

    /// What the routes have that fit a method and a path.
    fn fitting(&self, method: &str, target: &Target<'_>) -> Result<Fitting<'_>, Unknown> {
        let mut segments = target.path.split('/');
        // What stands before the first slash.
        segments.next();
        let mut leaves = Leaves::default();
        self.gather(0, segments, &mut leaves);
        let verb = Verb::of(method);
        let number = VERBS.iter().position(|known| *known == verb).unwrap_or(VERBS.len() - 1);
        let mut fitting = Fitting::default();
        let mut is_path = false;
        for leaf in &leaves.all[..leaves.count] {
            let Some(leaf) = self.leaves.get(*leaf as usize) else { continue };
            // Nobody knows what lies below a path whose slashes some servers read and some do not.
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

/// The leaves whose paths fit.
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

/// What the routes have that fit.
#[derive(Default)]
struct Fitting<'t> {
    all: [Option<&'t Shape>; MAX_FITTING],
    count: usize,
}

impl<'t> Fitting<'t> {
    fn iter(&self) -> impl Iterator<Item = &'t Shape> {
        self.all[..self.count].iter().filter_map(|shape| *shape)
    }
}

/// A path with its placeholders without their names: two routes that differ in those alone have one place in the tree.
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

/// What of a product's routes is too large to be decided at a fixed cost.
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
