//! Requests that no scan may send, from a list written by hand from the servers' own route tables, independent of the catalogue.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use vigie_model::Effect;

use crate::ReceivedRequest;

/// Decides which requests are forbidden.
#[derive(Clone, Debug)]
pub struct Judge {
    routes: Vec<Route>,
}

/// A route of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The product with this route.
    pub product: String,
    /// The file of the product's repository that defines it.
    pub source: String,
    /// The effect of calling it; `None`: it only reads, whatever its method.
    pub harm: Option<Harm>,
    method: String,
    path: String,
    condition: Option<Condition>,
    only: bool,
}

/// A further condition on a request: the place of a value, and a test on it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    place: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// Equals this text.
    Is(String),
    /// Ends with this text, ignoring case and surrounding white space.
    Ends(String),
}

impl Condition {
    fn holds(&self, value: &str) -> bool {
        match &self.test {
            Test::Is(text) => value == text,
            Test::Ends(end) => value.trim().to_lowercase().ends_with(end),
        }
    }
}

/// The effect of a forbidden route. A separate type from `Effect`, because the list must not depend on the catalogue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Spends compute, sends content.
    Infer,
    /// Loads or unloads a model, changes memory.
    Load,
    /// Changes what is stored, or runs code.
    Write,
    /// Uses or hands out credentials.
    Account,
}

impl Harm {
    /// The corresponding effect of the catalogue.
    #[must_use]
    pub fn effect(self) -> Effect {
        match self {
            Self::Infer => Effect::Infer,
            Self::Load => Effect::Load,
            Self::Write => Effect::Write,
            Self::Account => Effect::Account,
        }
    }
}

/// Why a request is forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It matches a route of the list.
    Listed(Route),
    /// Its method may change something, and no line declares that it only reads.
    Unlisted,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        match &self.condition {
            Some(Condition {
                place,
                test: Test::Is(text),
            }) => write!(f, " if {place} = {text}")?,
            Some(Condition {
                place,
                test: Test::Ends(end),
            }) => write!(f, " if {place} ends {end}")?,
            None => {}
        }
        Ok(())
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(route) => {
                let harm = route.harm.map_or("reading", |harm| harm.effect().word());
                write!(f, "{harm}: {route} of {} ({})", route.product, route.source)
            }
            Self::Unlisted => f.write_str("no line declares this request as reading"),
        }
    }
}

impl Judge {
    /// The judge with this crate's list, `forbidden.txt`.
    ///
    /// # Panics
    ///
    /// Never in a build that passed its tests, which parse the same list.
    #[must_use]
    pub fn by_hand() -> Self {
        match Self::read(include_str!("forbidden.txt")) {
            Ok(judge) => judge,
            Err(error) => panic!("forbidden.txt is invalid: {error}"),
        }
    }

    /// Parses a list; the head of `forbidden.txt` describes the format.
    ///
    /// # Errors
    ///
    /// The first invalid line.
    pub fn read(text: &str) -> Result<Self, String> {
        let (mut product, mut source) = (None, None);
        let mut routes = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix("product ") {
                (product, source) = (Some(name.trim().to_owned()), None);
            } else if let Some(file) = line.strip_prefix("source ") {
                source = Some(file.trim().to_owned());
            } else {
                let (Some(product), Some(source)) = (&product, &source) else {
                    return Err(format!("line {}: name the product and the source first", number + 1));
                };
                routes.push(route(line, product, source).map_err(|why| format!("line {}: {why}", number + 1))?);
            }
        }
        Ok(Self { routes })
    }

    /// The routes of the list.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Why a request is forbidden; `None`: it is allowed.
    #[must_use]
    pub fn ruling(&self, seen: &ReceivedRequest) -> Option<Ruling> {
        // HEAD counts as GET.
        let method = if seen.method == "HEAD" { "GET" } else { seen.method.as_str() };
        let path = segments(&seen.path);
        let body: Option<Value> = serde_json::from_str(&seen.body).ok();
        let mut fitting = self
            .routes
            .iter()
            .filter(|route| route.fits(method, &path, body.as_ref(), seen.product.as_deref()));
        if let Some(route) = fitting.clone().find(|route| route.harm.is_some()) {
            return Some(Ruling::Listed(route.clone()));
        }
        let safe = matches!(method, "GET" | "OPTIONS");
        // Conditions cannot be checked on a body that was cut.
        let read = fitting.any(|route| route.condition.is_none() || !seen.cut);
        (!safe && !read).then_some(Ruling::Unlisted)
    }
}

impl Route {
    fn fits(&self, method: &str, path: &[&str], body: Option<&Value>, product: Option<&str>) -> bool {
        (self.method == "ANY" || self.method == method)
            && (!self.only || product == Some(self.product.as_str()))
            && template_fits(&segments(&self.path), path)
            && self
                .condition
                .as_ref()
                .is_none_or(|condition| match condition.place.starts_with('{') {
                    true => self.segment(&condition.place, path).is_some_and(|value| condition.holds(&value)),
                    false => body.is_some_and(|body| self.condition_holds(body, condition)),
                })
    }

    /// The segment of a path for a template parameter, percent-decoded.
    fn segment(&self, name: &str, path: &[&str]) -> Option<String> {
        let at = segments(&self.path).iter().position(|segment| *segment == name)?;
        Some(percent_decode_str(path.get(at)?).decode_utf8_lossy().into_owned())
    }

    /// A batch is harmful if any call is, and reading only if all calls are.
    fn condition_holds(&self, body: &Value, condition: &Condition) -> bool {
        let one = |body: &Value| {
            let exact = body
                .pointer(&condition.place)
                .and_then(Value::as_str)
                .is_some_and(|value| condition.holds(value));
            // Go's JSON decoder ignores the case of keys.
            let key = condition.place.trim_start_matches('/');
            let members = body.as_object().into_iter().flatten();
            exact
                || (self.harm.is_some()
                    && members
                        .filter(|(name, _)| name.eq_ignore_ascii_case(key))
                        .any(|(_, value)| value.as_str().is_some_and(|value| condition.holds(value))))
        };
        match body {
            Value::Array(batch) if self.harm.is_some() => batch.iter().any(one),
            Value::Array(batch) => !batch.is_empty() && batch.iter().all(one),
            body => one(body),
        }
    }
}

fn route(line: &str, product: &str, source: &str) -> Result<Route, String> {
    let mut words = line.split_whitespace();
    let harm = match words.next() {
        Some("infer") => Some(Harm::Infer),
        Some("load") => Some(Harm::Load),
        Some("write") => Some(Harm::Write),
        Some("account") => Some(Harm::Account),
        Some("reading") => None,
        other => {
            return Err(format!(
                "unknown effect {}; use infer, load, write, account or reading",
                other.unwrap_or_default()
            ));
        }
    };
    let method = words
        .next()
        .filter(|m| ["GET", "POST", "PUT", "PATCH", "DELETE", "ANY"].contains(m))
        .ok_or("no method after the effect")?;
    let path = words
        .next()
        .filter(|path| path.starts_with('/'))
        .ok_or("no path after the method")?;
    let mut rest: Vec<&str> = words.collect();
    let only = rest.last() == Some(&"only");
    if only {
        rest.pop();
    }
    let condition = match rest.as_slice() {
        [] => None,
        ["if", place, word @ ("=" | "ends"), value] => Some(Condition {
            place: (*place).to_owned(),
            test: if *word == "=" {
                Test::Is((*value).to_owned())
            } else {
                Test::Ends((*value).to_owned())
            },
        }),
        _ => {
            return Err(format!(
                "invalid condition {:?}; write: if POINTER = VALUE, or if POINTER ends VALUE",
                rest.join(" ")
            ));
        }
    };
    Ok(Route {
        product: product.to_owned(),
        source: source.to_owned(),
        harm,
        method: method.to_owned(),
        path: path.to_owned(),
        condition,
        only,
    })
}

/// The segments of a path without its query. Empty ones are skipped, so that extra slashes make no difference.
fn segments(path: &str) -> Vec<&str> {
    path.split(['?', '#'])
        .next()
        .unwrap_or_default()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect()
}

fn template_fits(template: &[&str], path: &[&str]) -> bool {
    match (template.split_first(), path.split_first()) {
        (Some((last, [])), _) if last.ends_with("...}") => true,
        (Some((want, template)), Some((have, path))) => (want.starts_with('{') || want == have) && template_fits(template, path),
        (None, None) => true,
        _ => false,
    }
}
