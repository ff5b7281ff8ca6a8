//! Routes, and the effect that the whole catalogue gives a request.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde_json::Value;
use vigie_model::Effect;

use crate::pointer::Pointer;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `{name}`: one segment.
    One,
    /// `{name...}`: one segment or more, last.
    Rest,
}

/// `METHOD PATH [if POINTER = VALUE] [since VERSION] [until VERSION]`.
#[derive(Clone, Debug)]
pub struct Route {
    text: String,
    /// The HTTP method, in capitals.
    pub method: String,
    parts: Vec<Part>,
    /// The operation in the body: the pointer's value, as text, is this.
    pub operation: Option<(Pointer, String)>,
    /// The first version that has it.
    pub since: Option<String>,
    /// The last version that has it.
    pub until: Option<String>,
}

impl Route {
    /// Reads the notation.
    ///
    /// # Errors
    ///
    /// A method that is no method, a path that does not start with `/`, or words that belong nowhere.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let method = words.next().unwrap_or_default();
        if Verb::of(method) == Verb::Other {
            return Err(format!(
                "{text:?}: a route starts with GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or ANY"
            ));
        }
        let path = words.next().ok_or_else(|| format!("{text:?}: the path is missing"))?;
        let parts = parse_path(path)?;
        let mut route = Self {
            text: text.to_owned(),
            method: method.to_owned(),
            parts,
            operation: None,
            since: None,
            until: None,
        };
        while let Some(word) = words.next() {
            match word {
                "if" => {
                    let pointer = Pointer::parse(words.next().unwrap_or_default())?;
                    if words.next() != Some("=") {
                        return Err(format!("{text:?}: after if come a pointer, = and a value"));
                    }
                    let value = words
                        .next()
                        .ok_or_else(|| format!("{text:?}: the value after = is missing (\"\" for an empty text)"))?;
                    route.operation = Some((pointer, if value == "\"\"" { String::new() } else { value.to_owned() }));
                }
                "since" => route.since = Some(words.next().ok_or_else(|| format!("{text:?}: a version follows since"))?.to_owned()),
                "until" => route.until = Some(words.next().ok_or_else(|| format!("{text:?}: a version follows until"))?.to_owned()),
                other => {
                    return Err(format!(
                        "{text:?}: {other:?} belongs nowhere; if, since and until may follow the path"
                    ));
                }
            }
        }
        Ok(route)
    }

    /// Whether a request is one of this route's; the query never takes part.
    #[must_use]
    pub fn fits(&self, method: &str, path: &str, body: Option<&Value>) -> bool {
        if !Verb::of(&self.method).takes(Verb::of(method)) {
            return false;
        }
        let mut segments = bare(path).split('/').skip(1);
        for part in &self.parts {
            let Some(segment) = segments.next() else {
                return false;
            };
            match part {
                Part::Text(text) => {
                    if text != segment {
                        return false;
                    }
                }
                Part::One => {
                    if segment.is_empty() {
                        return false;
                    }
                }
                Part::Rest => return operation_fits(self.operation.as_ref(), body),
            }
        }
        segments.next().is_none() && operation_fits(self.operation.as_ref(), body)
    }

    /// The notation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A method that a route may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Any,
    /// Of a request: one that no route names.
    Other,
}

impl Verb {
    fn of(method: &str) -> Self {
        match method {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "ANY" => Self::Any,
            _ => Self::Other,
        }
    }

    /// Whether a request's method is this route's; a HEAD is judged as a GET too.
    fn takes(self, request: Self) -> bool {
        self == request || self == Self::Any || (request == Self::Head && self == Self::Get)
    }
}

fn operation_fits(operation: Option<&(Pointer, String)>, body: Option<&Value>) -> bool {
    let Some((pointer, expected)) = operation else {
        return true;
    };
    match body.and_then(|body| pointer.first(body)) {
        Some(Value::String(text)) => text == expected,
        Some(Value::Null) | None => expected.is_empty(),
        Some(other) => {
            let text = other.to_string();
            text == *expected
        }
    }
}

fn parse_path(path: &str) -> Result<Vec<Part>, String> {
    let rest = path.strip_prefix('/').ok_or_else(|| format!("{path:?}: a path starts with /"))?;
    let count = rest.split('/').count();
    rest.split('/')
        .enumerate()
        .map(
            |(index, segment)| match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(name) if name.ends_with("...") && index + 1 == count => Ok(Part::Rest),
                Some(name) if name.ends_with("...") => Err(format!("{path:?}: {{{name}}} stands last or not at all")),
                Some(_) => Ok(Part::One),
                None => Ok(Part::Text(segment.to_owned())),
            },
        )
        .collect()
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Route {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// What the end of a route's path leaves to be told: its effect, whose it is, and what else a request must have.
#[derive(Clone, Debug)]
struct Leaf {
    method: Verb,
    operation: Option<(Pointer, String)>,
    effect: Effect,
    product: u32,
}

/// Which effect a request has. It is asked before each request, so routes are found segment by segment.
#[derive(Clone, Debug, Default)]
pub struct EffectTable {
    root: Node,
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
    /// Adds a route of a product.
    pub fn add(&mut self, product: u32, route: &Route, effect: Effect) {
        let leaf = Leaf {
            method: Verb::of(&route.method),
            operation: route.operation.clone(),
            effect,
            product,
        };
        let mut node = &mut self.root;
        for part in &route.parts {
            node = match part {
                Part::Text(text) => node.fixed.entry(text.clone()).or_default(),
                Part::One => node.one.get_or_insert_default(),
                Part::Rest => return node.rest.push(leaf),
            };
        }
        node.end.push(leaf);
    }

    /// The worst effect that any product gives the request; `None`: no route fits, so it has no effect class.
    #[must_use]
    pub fn worst(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Effect> {
        self.fitting(method, path, body).map(|leaf| leaf.effect).max()
    }

    /// The worst effect that this one product gives it.
    #[must_use]
    pub fn of_product(&self, product: u32, method: &str, path: &str, body: Option<&Value>) -> Option<Effect> {
        self.fitting(method, path, body)
            .filter(|leaf| leaf.product == product)
            .map(|leaf| leaf.effect)
            .max()
    }

    /// Who gives the request that effect or a worse one, for error texts.
    pub fn blame<'t>(&'t self, method: &'t str, path: &str, body: Option<&'t Value>) -> impl Iterator<Item = (u32, Effect)> + 't {
        self.fitting(method, path, body).map(|leaf| (leaf.product, leaf.effect))
    }

    fn fitting<'t>(&'t self, method: &'t str, path: &str, body: Option<&'t Value>) -> impl Iterator<Item = &'t Leaf> + 't {
        let mut segments = bare(path).split('/');
        segments.next();
        let verb = Verb::of(method);
        let mut found = Vec::new();
        self.root.find(segments, &mut found);
        found
            .into_iter()
            .filter(move |leaf| leaf.method.takes(verb) && operation_fits(leaf.operation.as_ref(), body))
    }
}

/// The path without its query.
fn bare(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(text: &str) -> Route {
        Route::parse(text).expect("parses")
    }

    #[test]
    fn paths() {
        assert!(route("GET /").fits("GET", "/?x=1", None));
        assert!(!route("GET /").fits("GET", "/a", None));
        assert!(!route("GET /").fits("POST", "/", None));
        assert!(route("GET /v1/models/{model}").fits("GET", "/v1/models/x", None));
        assert!(!route("GET /v1/models/{model}").fits("GET", "/v1/models/", None));
        assert!(!route("GET /v1/models/{model}").fits("GET", "/v1/models/x/y", None));
        assert!(route("GET /static/{rest...}").fits("GET", "/static/a/b", None));
        assert!(!route("GET /mcp").fits("GET", "/mcp/", None), "a trailing slash is another path");
        assert!(route("GET /mcp/").fits("GET", "/mcp/", None));
        assert!(Route::parse("FETCH /").is_err());
        assert!(Route::parse("GET x").is_err());
        assert!(Route::parse("GET /a sometimes").is_err());
        assert!(Route::parse("GET /{a...}/b").is_err());
    }

    #[test]
    fn operations() {
        let list = route("POST /mcp if /method = tools/list");
        assert!(list.fits("POST", "/mcp", Some(&json!({"method": "tools/list"}))));
        assert!(!list.fits("POST", "/mcp", Some(&json!({"method": "tools/call"}))));
        assert!(!list.fits("POST", "/mcp", None));
        let empty = route("POST /api/generate if /prompt = \"\"");
        assert!(empty.fits("POST", "/api/generate", Some(&json!({"model": "x"}))));
        assert!(!empty.fits("POST", "/api/generate", Some(&json!({"prompt": "hi"}))));
    }

    #[test]
    fn the_worst_effect_counts_and_none_is_none() {
        let mut table = EffectTable::default();
        table.add(0, &route("GET /health"), Effect::Identify);
        table.add(1, &route("GET /health"), Effect::Infer);
        table.add(2, &route("GET /{any...}"), Effect::Identify);
        assert_eq!(table.worst("GET", "/health", None), Some(Effect::Infer));
        assert_eq!(table.worst("HEAD", "/health", None), Some(Effect::Infer));
        assert_eq!(table.of_product(0, "GET", "/health", None), Some(Effect::Identify));
        assert_eq!(table.worst("GET", "/other", None), Some(Effect::Identify));
        assert_eq!(table.worst("POST", "/other", None), None);
    }
}
