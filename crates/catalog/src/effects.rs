//! The effect that the whole catalogue gives a request, found segment by segment: it is asked before each request.
//!
//! A catalogue has thousands of routes, and a scan meets few of them. Those that a build carries stand in shelves by the first
//! segments of their paths (build.rs), and a line of a shelf is read when a request falls into it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;
use vigie_model::Effect;

use crate::pointer::Pointer;
use crate::route::{Part, Route, Verb, bare, operation_fits, path_fits};

/// The routes of a build, made by build.rs: the leading fixed segments of their paths, three at most, and a line each
/// (`PRODUCT EFFECT ROUTE`, the product by its number, one space between words); in the order of the segments.
pub(crate) type Shelves = &'static [(&'static str, &'static str)];

/// What the end of a route's path leaves to be told: its effect, whose it is, and what else a request must have.
#[derive(Clone, Debug)]
struct Leaf {
    method: Verb,
    operation: Option<(Pointer, String)>,
    effect: Effect,
    product: u32,
}

/// Which effect a request has.
#[derive(Clone, Debug, Default)]
pub struct EffectTable {
    /// The routes that were added one by one.
    added: Node,
    shelves: Shelves,
}

/// The routes below a path.
#[derive(Clone, Debug, Default)]
struct Node {
    fixed: BTreeMap<String, Node>,
    one: Option<Box<Node>>,
    /// Routes that take whatever follows, one segment or more.
    rest: Vec<Leaf>,
    /// Routes that end here.
    end: Vec<Leaf>,
}

impl Node {
    fn add(&mut self, product: u32, route: &Route, effect: Effect) {
        let leaf = Leaf {
            method: Verb::of(&route.method),
            operation: route.operation.clone(),
            effect,
            product,
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
    /// The routes that a build carries.
    pub(crate) fn of_build(shelves: Shelves) -> Self {
        Self {
            added: Node::default(),
            shelves,
        }
    }

    /// Adds a route of a product.
    pub fn add(&mut self, product: u32, route: &Route, effect: Effect) {
        self.added.add(product, route, effect);
    }

    /// The worst effect that any product gives the request; `None`: no route fits, so it has no effect class.
    #[must_use]
    pub fn worst(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Effect> {
        self.fitting(None, method, path, body).into_iter().map(|(_, effect)| effect).max()
    }

    /// The worst effect that this one product gives it.
    #[must_use]
    pub fn of_product(&self, product: u32, method: &str, path: &str, body: Option<&Value>) -> Option<Effect> {
        self.fitting(Some(product), method, path, body)
            .into_iter()
            .map(|(_, effect)| effect)
            .max()
    }

    /// Who gives the request which effect, for error texts.
    pub fn blame(&self, method: &str, path: &str, body: Option<&Value>) -> impl Iterator<Item = (u32, Effect)> {
        self.fitting(None, method, path, body).into_iter()
    }

    /// The routes that fit, of one product or of all: whose they are, and their effects.
    fn fitting(&self, product: Option<u32>, method: &str, path: &str, body: Option<&Value>) -> Vec<(u32, Effect)> {
        let (verb, path) = (Verb::of(method), bare(path));
        let wanted = |whose: u32| product.is_none_or(|product| whose == product);
        let mut leaves = Vec::new();
        let mut segments = path.split('/');
        // What stands before the first slash.
        segments.next();
        self.added.find(segments, &mut leaves);
        let mut found: Vec<(u32, Effect)> = leaves
            .into_iter()
            .filter(|leaf| wanted(leaf.product) && leaf.method.takes(verb) && operation_fits(leaf.operation.as_ref(), body))
            .map(|leaf| (leaf.product, leaf.effect))
            .collect();
        // A route's fixed segments are the path's own, so it stands in the shelf of none, one, two or three of them.
        let below = path.split_once('/').map_or("", |(_, below)| below);
        let ends = below.match_indices('/').map(|(at, _)| at).chain([below.len()]).take(3);
        for shelf in ends.map(|end| &below[..end]).chain(["*"]) {
            let Ok(at) = self.shelves.binary_search_by_key(&shelf, |(name, _)| name) else {
                continue;
            };
            for line in self.shelves[at].1.lines() {
                match Line::read(line) {
                    Some(line) if !wanted(line.product) => {}
                    Some(line) => found.extend(line.effect(verb, path, body).map(|effect| (line.product, effect))),
                    None => found.push((product.unwrap_or(u32::MAX), UNREADABLE)),
                }
            }
        }
        found
    }
}

/// What cannot be read cannot be called harmless. (The tests read all lines of the catalogue: there is none.)
const UNREADABLE: Effect = Effect::Account;

/// A line of a shelf.
struct Line<'l> {
    product: u32,
    effect: &'l str,
    route: &'l str,
}

impl<'l> Line<'l> {
    fn read(line: &'l str) -> Option<Self> {
        let (product, rest) = line.split_once(' ')?;
        let (effect, route) = rest.split_once(' ')?;
        let product = product.parse().ok()?;
        Some(Self { product, effect, route })
    }

    /// The effect that it gives a request, if the route fits.
    fn effect(&self, verb: Verb, path: &str, body: Option<&Value>) -> Option<Effect> {
        let mut words = self.route.split(' ');
        let (method, route) = (words.next()?, words.next().unwrap_or_default());
        let method = Verb::of(method);
        if method != Verb::Other && (!method.takes(verb) || !path_fits(route, path)) {
            return None;
        }
        match (Route::parse(self.route), effect_of(self.effect)) {
            (Ok(route), Some(effect)) => operation_fits(route.operation.as_ref(), body).then_some(effect),
            _ => Some(UNREADABLE),
        }
    }
}

/// A product's routes by effect; those that a build carries are read when they are first asked for.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// A line each, `EFFECT ROUTE`.
    lines: &'static str,
    read: OnceLock<Vec<(Effect, Vec<Route>)>>,
}

impl Routes {
    /// Routes that were read.
    pub(crate) fn new(routes: Vec<(Effect, Vec<Route>)>) -> Self {
        Self {
            lines: "",
            read: OnceLock::from(routes),
        }
    }

    /// The routes that a build carries.
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

fn effect_of(word: &str) -> Option<Effect> {
    Effect::ALL.into_iter().find(|effect| effect.word() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_effect_counts_and_none_is_none() {
        let mut table = EffectTable::default();
        table.add(0, &Route::parse("GET /health").expect("a route"), Effect::Identify);
        table.add(1, &Route::parse("GET /health").expect("a route"), Effect::Infer);
        table.add(2, &Route::parse("GET /{any...}").expect("a route"), Effect::Identify);
        assert_eq!(table.worst("GET", "/health", None), Some(Effect::Infer));
        assert_eq!(table.worst("HEAD", "/health", None), Some(Effect::Infer));
        assert_eq!(table.of_product(0, "GET", "/health", None), Some(Effect::Identify));
        assert_eq!(table.worst("GET", "/other", None), Some(Effect::Identify));
        assert_eq!(table.worst("POST", "/other", None), None);
    }

    #[test]
    fn a_shelf_answers_like_the_routes_that_stand_in_it() {
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
                        built.of_product(product, method, path, None),
                        added.of_product(product, method, path, None),
                    );
                    assert_eq!(one, other, "{method} {path} of {product}");
                }
            }
        }
    }

    #[test]
    fn a_shelf_that_cannot_be_read_allows_nothing() {
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
            assert_eq!(table.worst("GET", "/a", None), Some(Effect::Account), "{line}");
            assert_eq!(table.of_product(0, "GET", "/a", None), Some(Effect::Account), "{line}");
            assert_eq!(table.worst("GET", "/b", None), None, "{line}");
        }
    }
}
