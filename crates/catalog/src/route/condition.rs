//! Condition of a route on a value in the body, the path or the query of a request.
//!
//! The effect of one route may depend on a value: `POST /api/show` of Ollama reads a local model, but for a cloud model it signs the
//! request with its owner's key and forwards it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::path::{Part, bare};
use crate::pattern::Pattern;
use crate::pointer::Pointer;

/// The parts of a request on which its effect depends.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'r> {
    /// The method, in capitals.
    pub method: &'r str,
    /// The path with its query.
    pub path: &'r str,
    /// The body.
    pub body: Body<'r>,
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub enum Body<'r> {
    /// No body.
    None,
    /// JSON.
    Json(&'r Value),
    /// Not JSON, but a server may still parse it: Go's decoder ignores what follows the first value.
    Unread,
}

impl<'r> From<Option<&'r Value>> for Body<'r> {
    fn from(json: Option<&'r Value>) -> Self {
        json.map_or(Self::None, Self::Json)
    }
}

/// How a condition is evaluated where servers parse one request differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It must hold for every server: for harmless routes.
    Exact,
    /// It must hold for some server: keys in any case, any of several values, a body that is not JSON. For harmful routes.
    Possible,
}

/// A condition of a route: `POINTER`, `{SEGMENT}` or `?KEY`, then `= VALUE`, `~ REGEX`, `exists` or `empty`.
#[derive(Clone, Debug)]
pub struct RouteCondition {
    pub(crate) place: ValuePlace,
    pub(crate) test: Test,
}

/// Where the value is.
#[derive(Clone, Debug)]
pub(crate) enum ValuePlace {
    /// At a pointer into the JSON body.
    Body(Pointer),
    /// The path segment with that number, decoded; the flag: that one and all after it.
    Segment(usize, bool),
    /// The value of that key of the query, decoded.
    Query(String),
}

/// What the value must be.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// Equal to this text; an empty text also means absent or null.
    Is(String),
    /// A text that the expression matches.
    Fits(Pattern),
    /// Present, with any value except null.
    Exists,
    /// Absent, null, or an empty text, list or object.
    Empty,
}

impl Test {
    /// Parses the words after a place: `= VALUE`, `~ REGEX`, `exists` or `empty`.
    pub(crate) fn parse<'w>(words: &mut impl Iterator<Item = &'w str>) -> Result<Self, String> {
        let usage = "after a place, write = VALUE, ~ REGEX, exists or empty";
        let word = words.next().ok_or(usage)?;
        let mut value = || words.next().ok_or("the value is missing (\"\" for an empty text)");
        Ok(match word {
            "=" => Self::Is(match value()? {
                "\"\"" => String::new(),
                text => text.to_owned(),
            }),
            "~" => Self::Fits(Pattern::parse(&format!("~{}", value()?), true)?),
            "exists" => Self::Exists,
            "empty" => Self::Empty,
            _ => return Err(usage.to_owned()),
        })
    }

    /// Whether an absent value passes.
    pub(crate) fn passes_nothing(&self) -> bool {
        match self {
            Self::Is(expected) => expected.is_empty(),
            Self::Empty => true,
            Self::Fits(_) | Self::Exists => false,
        }
    }

    fn passes(&self, value: &str) -> bool {
        match self {
            Self::Is(expected) => value == expected,
            Self::Fits(pattern) => pattern.fits(value),
            Self::Exists => true,
            Self::Empty => matches!(value, "" | "[]" | "{}"),
        }
    }
}

impl RouteCondition {
    /// Parses the words after `if`, for a route with this path.
    pub(crate) fn parse<'w>(words: &mut impl Iterator<Item = &'w str>, path: &str) -> Result<Self, String> {
        let usage = "after if, write a pointer (/model), a segment of the path ({model}) or a key of the query (?refresh), then = VALUE, \
                     ~ REGEX, exists or empty";
        let place = words.next().ok_or(usage)?;
        let place = if let Some(key) = place.strip_prefix('?').filter(|key| !key.is_empty()) {
            ValuePlace::Query(key.to_owned())
        } else if place.starts_with('{') {
            let number = path.split('/').skip(1).position(|segment| segment == place);
            let number = number.ok_or_else(|| format!("the path has no segment {place}"))?;
            ValuePlace::Segment(number, Part::of(place) == Part::Rest)
        } else {
            ValuePlace::Body(Pointer::parse(place)?)
        };
        let test = Test::parse(words)?;
        Ok(Self { place, test })
    }

    /// Whether it holds for a request.
    #[must_use]
    pub fn holds(&self, request: &Asked<'_>, reading: Reading) -> bool {
        let values = match &self.place {
            ValuePlace::Body(pointer) => match (request.body, reading) {
                (Body::Unread, Reading::Possible) => return true,
                (Body::Unread, Reading::Exact) => return false,
                (Body::None, _) => Vec::new(),
                (Body::Json(json), Reading::Exact) => pointer.first(json).into_iter().filter_map(text).collect(),
                (Body::Json(json), Reading::Possible) => {
                    let all = pointer.all_in_either_case(json);
                    // Where the key occurs with a value and with null, some server takes the null.
                    if self.test.passes_nothing() && all.iter().any(|value| value.is_null()) {
                        return true;
                    }
                    all.into_iter().filter_map(text).collect()
                }
            },
            ValuePlace::Segment(number, rest) => segment(bare(request.path), *number, *rest).into_iter().collect(),
            ValuePlace::Query(key) => query(request.path, key, reading),
        };
        let fits = |value: &str| self.test.passes(value);
        if values.is_empty() {
            return self.test.passes_nothing();
        }
        match reading {
            Reading::Exact => values.iter().all(|value| fits(value)),
            Reading::Possible => values.iter().any(|value| fits(value)),
        }
    }
}

/// A value as text; `None` for null.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

fn segment(path: &str, number: usize, rest: bool) -> Option<Cow<'_, str>> {
    let mut from = path.split_once('/')?.1;
    for _ in 0..number {
        from = from.split_once('/')?.1;
    }
    let raw = if rest { from } else { from.split('/').next().unwrap_or_default() };
    Some(percent_decode_str(raw).decode_utf8_lossy())
}

/// The values under a key of the query.
fn query<'p>(path: &'p str, key: &str, reading: Reading) -> Vec<Cow<'p, str>> {
    let Some((_, query)) = path.split('#').next().unwrap_or_default().split_once('?') else {
        return Vec::new();
    };
    let decoded = |text: &'p str| -> Cow<'p, str> {
        if text.contains('+') {
            Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned())
        } else {
            percent_decode_str(text).decode_utf8_lossy()
        }
    };
    let pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), value))
        .filter(|(name, _)| match reading {
            Reading::Exact => name == key,
            Reading::Possible => name.eq_ignore_ascii_case(key),
        })
        .map(|(_, value)| decoded(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::route::Route;

    fn holds(route: &str, path: &str, body: Body<'_>, reading: Reading) -> bool {
        let route = Route::parse(route).expect("parses");
        let method = route.method.clone();
        route.fits(
            &Asked {
                method: &method,
                path,
                body,
            },
            reading,
        )
    }

    #[test]
    fn the_operation_in_the_body() {
        let list = "POST /mcp if /method = tools/list";
        for reading in [Reading::Exact, Reading::Possible] {
            assert!(holds(list, "/mcp", Body::Json(&json!({"method": "tools/list"})), reading));
            assert!(!holds(list, "/mcp", Body::Json(&json!({"method": "tools/call"})), reading));
            assert!(!holds(list, "/mcp", Body::None, reading));
            let empty = "POST /api/generate if /prompt = \"\"";
            assert!(holds(empty, "/api/generate", Body::Json(&json!({"model": "x"})), reading));
            assert!(holds(empty, "/api/generate", Body::Json(&json!({"prompt": null})), reading));
            assert!(!holds(empty, "/api/generate", Body::Json(&json!({"prompt": "hi"})), reading));
        }
    }

    #[test]
    fn what_is_empty() {
        let empty = "POST /api/chat if /messages empty";
        for (body, expected) in [
            (json!({}), true),
            (json!({"messages": null}), true),
            (json!({"messages": []}), true),
            (json!({"messages": ""}), true),
            (json!({"messages": [1]}), false),
            (json!({"messages": 0}), false),
        ] {
            for reading in [Reading::Exact, Reading::Possible] {
                assert_eq!(holds(empty, "/api/chat", Body::Json(&body), reading), expected, "{body}");
            }
        }
        let beside = json!({"messages": [1], "Messages": null});
        assert!(holds(empty, "/api/chat", Body::Json(&beside), Reading::Possible));
        assert!(!holds(empty, "/api/chat", Body::Json(&beside), Reading::Exact));
    }

    #[test]
    fn an_ambiguous_value_can_only_worsen_the_effect() {
        let cloud = r"POST /api/show if /model ~ (?i):\s*([^/]*-)?cloud\s*$";
        for (body, exact, possible) in [
            (json!({"model": "x:cloud"}), true, true),
            (json!({"model": "x:120b-CLOUD "}), true, true),
            (json!({"MODEL": "x:cloud"}), false, true),
            (json!({"model": "x", "Model": "x:cloud"}), false, true),
            (json!({"model": "cloud:latest"}), false, false),
            (json!({"model": "cloud"}), false, false),
            (json!({"model": null}), false, false),
            (json!([]), false, false),
        ] {
            assert_eq!(holds(cloud, "/api/show", Body::Json(&body), Reading::Exact), exact, "{body}");
            assert_eq!(holds(cloud, "/api/show", Body::Json(&body), Reading::Possible), possible, "{body}");
        }
        assert!(!holds(cloud, "/api/show", Body::Unread, Reading::Exact));
        assert!(holds(cloud, "/api/show", Body::Unread, Reading::Possible));
    }

    #[test]
    fn a_segment_is_compared_as_the_server_decodes_it() {
        let cloud = "GET /v1/models/{model} if {model} ~ (?i):cloud$";
        for (path, expected) in [
            ("/v1/models/x:cloud", true),
            ("/v1/models/x%3Acloud", true),
            ("/v1/models/x%3aClou%64?y=1", true),
            ("/v1/models/x", false),
            ("/v1/models/x?y=:cloud", false),
        ] {
            assert_eq!(holds(cloud, path, Body::None, Reading::Possible), expected, "{path}");
        }
        assert!(holds("GET /m/{name...} if {name...} = a/b", "/m/a/b", Body::None, Reading::Exact));
        assert!(Route::parse("GET /m/{name} if {model} exists").is_err(), "no such segment");
    }

    #[test]
    fn a_key_of_the_query() {
        let refresh = "GET /models if ?reload exists";
        for (path, expected) in [
            ("/models?reload", true),
            ("/models?reload=1", true),
            ("/models?a=1&re%6Coad=0", true),
            ("/models?reloaded=1", false),
            ("/models#?reload", false),
            ("/models", false),
        ] {
            assert_eq!(holds(refresh, path, Body::None, Reading::Possible), expected, "{path}");
        }
        let exact = "GET /a if ?content = 0";
        assert!(holds(exact, "/a?content=0", Body::None, Reading::Exact));
        assert!(
            !holds(exact, "/a?content=0&content=1", Body::None, Reading::Exact),
            "which of them counts is not known"
        );
    }

    #[test]
    fn what_does_not_read() {
        for wrong in ["if", "if /a", "if /a =", "if /a ~ (", "if /a < 3", "if a = b", "if ? exists"] {
            assert!(Route::parse(&format!("POST /x {wrong}")).is_err(), "{wrong}");
        }
    }
}
