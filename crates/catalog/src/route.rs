//! Routes: their notation, and which requests are theirs.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde_json::Value;

use crate::pointer::Pointer;

/// A segment of a route's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'p> {
    Text(&'p str),
    /// `{name}`: one segment.
    One,
    /// `{name...}`: one segment or more, last.
    Rest,
}

impl<'p> Part<'p> {
    fn of(segment: &'p str) -> Self {
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(name) if name.ends_with("...") => Self::Rest,
            Some(_) => Self::One,
            None => Self::Text(segment),
        }
    }
}

/// `METHOD PATH [if POINTER = VALUE] [since VERSION] [until VERSION]`.
#[derive(Clone, Debug)]
pub struct Route {
    text: String,
    /// The HTTP method, in capitals.
    pub method: String,
    path: String,
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
        check_path(path)?;
        let mut route = Self {
            text: text.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
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
        Verb::of(&self.method).takes(Verb::of(method)) && path_fits(&self.path, bare(path)) && operation_fits(self.operation.as_ref(), body)
    }

    /// The segments of its path.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.path.split('/').skip(1).map(Part::of)
    }

    /// The notation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A method that a route may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
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
    pub(crate) fn of(method: &str) -> Self {
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
    pub(crate) fn takes(self, request: Self) -> bool {
        self == request || self == Self::Any || (request == Self::Head && self == Self::Get)
    }
}

pub(crate) fn operation_fits(operation: Option<&(Pointer, String)>, body: Option<&Value>) -> bool {
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

/// Whether a path without its query is one of a route's.
pub(crate) fn path_fits(route: &str, path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    for part in route.split('/').skip(1).map(Part::of) {
        let Some(segment) = segments.next() else {
            return false;
        };
        match part {
            Part::Text(text) if text != segment => return false,
            Part::One if segment.is_empty() => return false,
            Part::Rest => return true,
            Part::Text(_) | Part::One => {}
        }
    }
    segments.next().is_none()
}

fn check_path(path: &str) -> Result<(), String> {
    let rest = path.strip_prefix('/').ok_or_else(|| format!("{path:?}: a path starts with /"))?;
    match rest.rsplit_once('/') {
        Some((before, _)) if before.split('/').any(|segment| Part::of(segment) == Part::Rest) => {
            Err(format!("{path:?}: what takes the rest ({{name...}}) stands last or not at all"))
        }
        _ => Ok(()),
    }
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

/// The path without its query.
pub(crate) fn bare(path: &str) -> &str {
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
}
