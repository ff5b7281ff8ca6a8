//! Routes: their notation, and the requests that they fit.

pub(crate) mod condition;
mod path;

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};

use condition::{Asked, Reading, RouteCondition};
use path::check_path;
pub(crate) use path::{Part, Verb, bare, path_fits};

/// A route: `METHOD PATH [if CONDITION] [since VERSION] [until VERSION] [known]`.
#[derive(Clone, Debug)]
pub struct Route {
    text: String,
    /// The HTTP method, in capitals.
    pub method: String,
    path: String,
    /// A further condition: the operation that the body names, or a value on which the effect depends.
    pub condition: Option<RouteCondition>,
    /// The first version that has it.
    pub since: Option<String>,
    /// The last version that has it.
    pub until: Option<String>,
    /// Whether it counts only once the product is recognised.
    pub known: bool,
}

impl Route {
    /// Parses the notation.
    ///
    /// # Errors
    ///
    /// An unknown method, a path that does not start with `/`, an invalid condition, or unknown words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let method = words.next().unwrap_or_default();
        if Verb::of(method) == Verb::Other {
            return Err(format!(
                "{text:?}: a route must start with GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or ANY"
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
                "if" => route.condition = Some(RouteCondition::parse(&mut words, path).map_err(|why| format!("{text:?}: {why}"))?),
                "since" => {
                    route.since = Some(
                        words
                            .next()
                            .ok_or_else(|| format!("{text:?}: the version after since is missing"))?
                            .to_owned(),
                    )
                }
                "until" => {
                    route.until = Some(
                        words
                            .next()
                            .ok_or_else(|| format!("{text:?}: the version after until is missing"))?
                            .to_owned(),
                    )
                }
                "known" => route.known = true,
                other => {
                    return Err(format!(
                        "{text:?}: unknown word {other:?}; if, since, until and known may follow the path"
                    ));
                }
            }
        }
        Ok(route)
    }

    /// Whether a request fits this route.
    #[must_use]
    pub fn fits(&self, request: &Asked<'_>, reading: Reading) -> bool {
        Verb::of(&self.method).takes(Verb::of(request.method))
            && path_fits(&self.path, bare(request.path))
            && self.condition.as_ref().is_none_or(|condition| condition.holds(request, reading))
    }

    /// The segments of the path.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.path.split('/').skip(1).map(Part::of)
    }

    /// The path with its placeholders.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The notation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
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
    use super::condition::Body;
    use super::*;

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
    fn conditions_after_the_path() {
        let route = Route::parse("GET /v1/models/{model} if {model} ~ x since 0.18.0 until 2.0.0 known").expect("parses");
        assert_eq!(
            (route.since.as_deref(), route.until.as_deref(), route.known),
            (Some("0.18.0"), Some("2.0.0"), true)
        );
        assert!(route.condition.is_some());
    }
}
