//! Routes: their notation, and which requests are theirs.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
pub(crate) use vigie_http::path::without_query as bare;

use crate::condition::{Asked, Condition, Reading};

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
    pub(crate) fn of(segment: &'p str) -> Self {
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(name) if name.ends_with("...") => Self::Rest,
            Some(_) => Self::One,
            None => Self::Text(segment),
        }
    }
}

/// `METHOD PATH [if CONDITION] [since VERSION] [until VERSION] [known]`.
#[derive(Clone, Debug)]
pub struct Route {
    text: String,
    /// The HTTP method, in capitals.
    pub method: String,
    path: String,
    /// What else a request must have: the operation that its body names, or a value on which its effect depends.
    pub condition: Option<Condition>,
    /// The first version that has it.
    pub since: Option<String>,
    /// The last version that has it.
    pub until: Option<String>,
    /// Whether it counts only once the product is recognised.
    pub known: bool,
}

impl Route {
    /// Reads the notation.
    ///
    /// # Errors
    ///
    /// A method that is no method, a path that does not start with `/`, a condition that does not read, or words that belong nowhere.
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
            condition: None,
            since: None,
            until: None,
            known: false,
        };
        while let Some(word) = words.next() {
            match word {
                "if" => route.condition = Some(Condition::parse(&mut words, path).map_err(|why| format!("{text:?}: {why}"))?),
                "since" => route.since = Some(words.next().ok_or_else(|| format!("{text:?}: a version follows since"))?.to_owned()),
                "until" => route.until = Some(words.next().ok_or_else(|| format!("{text:?}: a version follows until"))?.to_owned()),
                "known" => route.known = true,
                other => {
                    return Err(format!(
                        "{text:?}: {other:?} belongs nowhere; if, since, until and known may follow the path"
                    ));
                }
            }
        }
        Ok(route)
    }

    /// Whether a request is one of this route's.
    #[must_use]
    pub fn fits(&self, request: &Asked<'_>, reading: Reading) -> bool {
        Verb::of(&self.method).takes(Verb::of(request.method))
            && path_fits(&self.path, bare(request.path))
            && self.condition.as_ref().is_none_or(|condition| condition.holds(request, reading))
    }

    /// The segments of its path.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.path.split('/').skip(1).map(Part::of)
    }

    /// Its path, placeholders as they are written.
    pub(crate) fn path(&self) -> &str {
        &self.path
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Body;

    fn fits(route: &str, method: &str, path: &str) -> bool {
        let request = Asked {
            method,
            path,
            body: Body::None,
        };
        Route::parse(route).expect("parses").fits(&request, Reading::Exact)
    }

    #[test]
    fn paths() {
        assert!(fits("GET /", "GET", "/?x=1"));
        assert!(!fits("GET /", "GET", "/a"));
        assert!(!fits("GET /", "POST", "/"));
        assert!(fits("GET /v1/models/{model}", "GET", "/v1/models/x"));
        assert!(!fits("GET /v1/models/{model}", "GET", "/v1/models/"));
        assert!(!fits("GET /v1/models/{model}", "GET", "/v1/models/x/y"));
        assert!(fits("GET /static/{rest...}", "GET", "/static/a/b"));
        assert!(!fits("GET /mcp", "GET", "/mcp/"), "a trailing slash is another path");
        assert!(fits("GET /mcp/", "GET", "/mcp/"));
        for wrong in [
            "FETCH /",
            "GET x",
            "GET /a sometimes",
            "GET /{a...}/b",
            "GET /a if",
            "GET /a since",
            "GET /a until",
        ] {
            assert!(Route::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_may_follow_the_path() {
        let route = Route::parse("GET /v1/models/{model} if {model} ~ x since 0.18.0 until 2.0.0 known").expect("parses");
        assert_eq!(
            (route.since.as_deref(), route.until.as_deref(), route.known),
            (Some("0.18.0"), Some("2.0.0"), true)
        );
        assert!(route.condition.is_some());
    }
}
