//! The effect of a request according to the whole catalogue, for the scanner, which checks each request before the product is known. A
//! [`RouteTable`](super::RouteTable) decides for one product.
//!
//! A catalogue has thousands of routes, and a scan needs few of them. The embedded routes are grouped by the first segments of their
//! paths (build.rs), and a group is parsed when the first request needs it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use vigie_model::Effect;

use crate::route::condition::{Asked, Reading as Way, RouteCondition};
use crate::route::{Part, Route, Verb, bare};
use crate::table::Reading;

/// The embedded routes, made by build.rs: the leading fixed segments of their paths, three at most, with one line per route
/// (`PRODUCT EFFECT ROUTE`, the product by its number, one space between words); sorted by the segments.
pub(crate) type Shelves = &'static [(&'static str, &'static str)];

/// Leaf of the route trie: effect, product, further conditions on the request.
#[derive(Clone, Debug)]
struct Leaf {
    method: Verb,
    condition: Option<RouteCondition>,
    effect: Effect,
    product: u32,
    known: bool,
}

/// The routes of all products, for looking up the effect of a request.
#[derive(Clone, Debug, Default)]
pub struct EffectTable {
    /// The routes that were added one by one.
    added: Node,
    shelves: Shelves,
    /// The parsed lines of each group that has been used.
    read: Vec<OnceLock<Vec<Line>>>,
}

/// The routes below a path.
#[derive(Clone, Debug, Default)]
struct Node {
    fixed: BTreeMap<String, Node>,
    one: Option<Box<Node>>,
    /// Routes with a placeholder for the rest of the path, one segment or more.
    rest: Vec<Leaf>,
    /// Routes that end here.
    end: Vec<Leaf>,
}

impl Node {
    fn add(&mut self, product: u32, route: &Route, effect: Effect) {
        let leaf = Leaf {
            method: Verb::of(&route.method),
            condition: route.condition.clone(),
            effect,
            product,
            known: route.known,
        };
        let mut node = self;
        for part in route.parts() {
            node = match part {
                Part::Text(text) => node.fixed.entry(text.to_owned()).or_default(),
                Part::One => node.one.get_or_insert_default(),
                Part::Rest => return node.rest.push(leaf),
            };
        }
        node.end.push(leaf);
    }

    fn find<'t>(&'t self, mut segments: std::str::Split<'_, char>, found: &mut Vec<&'t Leaf>) {
        let Some(segment) = segments.next() else {
            return found.extend(&self.end);
        };
        found.extend(&self.rest);
        if let Some(node) = self.fixed.get(segment) {
            node.find(segments.clone(), found);
        }
        if let Some(node) = &self.one
            && !segment.is_empty()
        {
            node.find(segments, found);
        }
    }
}

impl EffectTable {
    /// A table with the embedded routes.
    pub(crate) fn of_build(shelves: Shelves) -> Self {
        Self {
            added: Node::default(),
            shelves,
            read: vec![OnceLock::new(); shelves.len()],
        }
    }

    /// Adds a route of a product.
    pub fn add(&mut self, product: u32, route: &Route, effect: Effect) {
        self.added.add(product, route, effect);
    }

    /// The worst effect that the request has in any product; `None`: no route matches, so it has no effect class.
    #[must_use]
    pub fn worst(&self, request: &Asked<'_>) -> Option<Effect> {
        self.fitting(None, request).into_iter().map(|(_, effect)| effect).max()
    }

    /// The worst effect that the request has in this product.
    #[must_use]
    pub fn of_product(&self, product: u32, request: &Asked<'_>) -> Option<Effect> {
        self.fitting(Some(product), request).into_iter().map(|(_, effect)| effect).max()
    }

    /// The products with a matching route and the effect in each, for error texts.
    pub fn blame(&self, request: &Asked<'_>) -> impl Iterator<Item = (u32, Effect)> {
        self.fitting(None, request).into_iter()
    }

    /// The product and effect of each matching route, of one product or of all.
    fn fitting(&self, known: Option<u32>, request: &Asked<'_>) -> Vec<(u32, Effect)> {
        let (verb, path) = (Verb::of(request.method), bare(request.path));
        let wanted = |whose: u32, once_known: bool| known.map_or(!once_known, |product| whose == product);
        let mut leaves = Vec::new();
        let mut segments = path.split('/');
        // The part before the first slash.
        segments.next();
        self.added.find(segments, &mut leaves);
        let mut found: Vec<(u32, Effect)> = leaves
            .into_iter()
            .filter(|leaf| wanted(leaf.product, leaf.known) && leaf.method.takes(verb))
            .filter(|leaf| leaf.condition.as_ref().is_none_or(|c| c.holds(request, reading(leaf.effect))))
            .map(|leaf| (leaf.product, leaf.effect))
            .collect();
        // A matching route has the same fixed segments as the path, so it is in the group of the first none, one, two or three of them.
        let below = path.split_once('/').map_or("", |(_, below)| below);
        let ends = below.match_indices('/').map(|(at, _)| at).chain([below.len()]).take(3);
        for group in ends.map(|end| &below[..end]).chain(["*"]) {
            let Ok(at) = self.shelves.binary_search_by_key(&group, |(name, _)| name) else {
                continue;
            };
            for line in self.read[at].get_or_init(|| self.shelves[at].1.lines().map(read_line).collect()) {
                match line {
                    Some((product, effect, route)) => {
                        if wanted(*product, route.known) && route.fits(request, reading(*effect)) {
                            found.push((*product, *effect));
                        }
                    }
                    None => found.push((known.unwrap_or(u32::MAX), UNREADABLE)),
                }
            }
        }
        found
    }
}

/// A harmless effect must match however the request is parsed, a harmful one in at least one way.
fn reading(effect: Effect) -> Way {
    if effect.is_harmless() { Way::Exact } else { Way::Possible }
}

/// A line that cannot be parsed must not count as harmless. (The tests parse all lines of the catalogue.)
const UNREADABLE: Effect = Effect::Account;

/// Parses a line of a group: the product, and the effect of a route; `None`: the line is invalid.
type Line = Option<(u32, Effect, Route)>;

fn read_line(line: &str) -> Line {
    let (product, rest) = line.split_once(' ')?;
    let (effect, route) = rest.split_once(' ')?;
    Some((product.parse().ok()?, effect_of(effect)?, Route::parse(route).ok()?))
}

/// A product's routes by effect; embedded ones are parsed when they are first needed.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// One line per route, `EFFECT ROUTE`.
    lines: &'static str,
    read: OnceLock<Vec<(Effect, Vec<Route>)>>,
}

impl Routes {
    /// Routes that are already parsed.
    pub(crate) fn new(routes: Vec<(Effect, Vec<Route>)>) -> Self {
        Self {
            lines: "",
            read: OnceLock::from(routes),
        }
    }

    /// Embedded routes.
    pub(crate) fn of_build(lines: &'static str) -> Self {
        Self {
            lines,
            read: OnceLock::new(),
        }
    }

    /// The routes, by effect, from harmless to harmful.
    pub fn by_effect(&self) -> &[(Effect, Vec<Route>)] {
        self.read.get_or_init(|| {
            let mut all: BTreeMap<Effect, Vec<Route>> = BTreeMap::new();
            for line in self.lines.lines() {
                if let Some((effect, route)) = line.split_once(' ')
                    && let (Some(effect), Ok(route)) = (effect_of(effect), Route::parse(route))
                {
                    all.entry(effect).or_default().push(route);
                }
            }
            all.into_iter().collect()
        })
    }
}

/// `reads` and `takes` of a product; the embedded ones are parsed when they are first needed.
#[derive(Clone, Debug, Default)]
pub struct ReadingOf {
    /// JSON with `reads` and `takes`.
    text: &'static str,
    read: OnceLock<Reading>,
}

impl ReadingOf {
    /// Values that are already parsed.
    pub(crate) fn new(reading: Reading) -> Self {
        Self {
            text: "",
            read: OnceLock::from(reading),
        }
    }

    /// Embedded values.
    pub(crate) fn of_build(text: &'static str) -> Self {
        Self {
            text,
            read: OnceLock::new(),
        }
    }

    /// The parsed values. (The tests parse all embedded ones.)
    pub fn get(&self) -> &Reading {
        self.read.get_or_init(|| serde_json::from_str(self.text).unwrap_or_default())
    }
}

fn effect_of(word: &str) -> Option<Effect> {
    Effect::ALL.into_iter().find(|effect| effect.word() == word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::route::condition::Body;

    fn asked<'r>(method: &'r str, path: &'r str) -> Asked<'r> {
        Asked {
            method,
            path,
            body: Body::None,
        }
    }

    #[test]
    fn a_value_makes_a_harmless_route_harmful() {
        let lines = "0 enumerate POST /api/show\n0 account POST /api/show if /model ~ :cloud$\n";
        let table = EffectTable::of_build(Box::leak(Box::new([("api/show", lines)])));
        let effect = |body: Body<'_>| {
            table.worst(&Asked {
                body,
                ..asked("POST", "/api/show")
            })
        };
        assert_eq!(effect(Body::Json(&json!({"model": "x"}))), Some(Effect::Enumerate));
        assert_eq!(effect(Body::Json(&json!({"Model": "x:cloud"}))), Some(Effect::Account));
        assert_eq!(effect(Body::Unread), Some(Effect::Account), "it may name any model");
    }

    #[test]
    fn a_line_marked_known_applies_only_to_a_known_product() {
        let lines = "0 account GET /v1/models known\n1 enumerate GET /v1/models\n";
        let built = EffectTable::of_build(Box::leak(Box::new([("v1/models", lines)])));
        let mut added = EffectTable::default();
        added.add(0, &Route::parse("GET /v1/models known").expect("a route"), Effect::Account);
        added.add(1, &Route::parse("GET /v1/models").expect("a route"), Effect::Enumerate);
        for table in [built, added] {
            assert_eq!(table.worst(&asked("GET", "/v1/models")), Some(Effect::Enumerate));
            assert_eq!(table.of_product(0, &asked("GET", "/v1/models")), Some(Effect::Account));
            assert_eq!(table.of_product(1, &asked("GET", "/v1/models")), Some(Effect::Enumerate));
        }
    }

    #[test]
    fn the_worst_effect_wins() {
        let mut table = EffectTable::default();
        table.add(0, &Route::parse("GET /health").expect("a route"), Effect::Identify);
        table.add(1, &Route::parse("GET /health").expect("a route"), Effect::Infer);
        table.add(2, &Route::parse("GET /{any...}").expect("a route"), Effect::Identify);
        assert_eq!(table.worst(&asked("GET", "/health")), Some(Effect::Infer));
        assert_eq!(table.worst(&asked("HEAD", "/health")), Some(Effect::Infer));
        assert_eq!(table.of_product(0, &asked("GET", "/health")), Some(Effect::Identify));
        assert_eq!(table.worst(&asked("GET", "/other")), Some(Effect::Identify));
        assert_eq!(table.worst(&asked("POST", "/other")), None);
    }

    #[test]
    fn embedded_routes_give_the_same_effects_as_added_ones() {
        const SHELVES: Shelves = &[
            ("*", "0 infer ANY /{any...}\n1 write GET /{one}/b/c\n"),
            ("a", "0 identify GET /a\n1 load POST /a/{x}\n"),
            ("a/b", "0 enumerate GET /a/b\n1 write DELETE /a/b/{x...}\n"),
        ];
        let built = EffectTable::of_build(SHELVES);
        let mut added = EffectTable::default();
        for line in SHELVES.iter().flat_map(|(_, lines)| lines.lines()) {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let (product, effect) = (words[0].parse().expect("a number"), effect_of(words[1]).expect("an effect"));
            added.add(product, &Route::parse(words[2]).expect("a route"), effect);
        }
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b",
            "/a/b?x=/c",
            "/a/b/c",
            "/a/x",
            "/z/b/c",
            "/*",
            "",
            "a/b",
            "//",
            "/a//b",
        ] {
            for method in ["GET", "POST", "DELETE", "HEAD"] {
                for product in 0..2 {
                    let (one, other) = (
                        built.of_product(product, &asked(method, path)),
                        added.of_product(product, &asked(method, path)),
                    );
                    assert_eq!(one, other, "{method} {path} of {product}");
                }
            }
        }
    }

    #[test]
    fn an_invalid_embedded_line_allows_nothing() {
        for line in [
            "0 harmless GET /a",
            "0 identify FETCH /a",
            "0 identify GET /a sometimes",
            "x identify GET /a",
            "0",
            "",
        ] {
            let line: &'static str = Box::leak(format!("{line}\n0 identify GET /a\n").into_boxed_str());
            let table = EffectTable::of_build(Box::leak(Box::new([("a", line)])));
            assert_eq!(table.worst(&asked("GET", "/a")), Some(Effect::Account), "{line}");
            assert_eq!(table.of_product(0, &asked("GET", "/a")), Some(Effect::Account), "{line}");
            assert_eq!(table.worst(&asked("GET", "/b")), None, "{line}");
        }
    }
}
