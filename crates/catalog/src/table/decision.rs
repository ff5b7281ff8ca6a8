//! A request and a route table's decision on it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use vigie_model::Effect;

use crate::table::doubt::Doubts;
use crate::table::form::Form;
use crate::table::json::{Item, Json, JsonKind};
use crate::table::shape::Shape;
use crate::table::takes::{Asks, Knob, KnobKind, ListPlace, Place, Role};

/// The parts of a request that a route table reads.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The method, as it is sent.
    pub method: &'r str,
    /// The target in origin form (path and query), as it is sent: neither decoded nor normalised.
    pub target: &'r str,
    /// The value of the `Content-Type` header.
    pub content_type: Option<&'r str>,
    /// The body.
    pub body: Body<'r>,
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub enum Body<'r> {
    /// No body.
    None,
    /// It is JSON.
    Json(&'r Json<'r>),
    /// It is a multipart form.
    Form(&'r Form<'r>),
    /// Another body, or one that is not parsed, such as the bytes of an upload.
    Other,
    /// It is not known whether there is a body and what it contains, as in a line of a log.
    Unseen,
}

/// A position in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// These bytes of the body; of a string the part between the quotes.
    Body(Range<usize>),
    /// The segment of the path with this number, from 0.
    Segment(usize),
    /// The query.
    Query,
    /// The part of the form with this number, from 0.
    Form(usize),
}

/// A model that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'r> {
    /// Its role in the request.
    pub role: Role,
    /// Its name as written, with escapes decoded.
    pub name: Cow<'r, str>,
    /// Its position.
    pub at: At,
    /// The number of its place among those of [`Decision::model_places`].
    pub place: u8,
    /// Whether the server uses this one; otherwise another parser could use it.
    pub counts: bool,
}

/// A setting of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Set<'r> {
    /// The setting.
    pub knob: Knob,
    /// Its value.
    pub amount: Amount,
    /// Its value as written.
    pub raw: &'r str,
    /// Its position.
    pub at: At,
    /// The number of its place among those of [`Decision::knob_places`].
    pub place: u8,
    /// Whether the server uses this one.
    pub counts: bool,
}

/// The value of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A whole number from 1 to 2³¹-1.
    Count(u32),
    /// A time in seconds.
    Seconds(f64),
    /// True or false.
    Flag(bool),
    /// Anything else: zero, a negative number, a fraction, a huge number, a number in quotes. Servers read these as "no limit", or
    /// differ in how they read them.
    Unlimited,
}

impl Amount {
    pub(crate) fn read(kind: KnobKind, item: Item<'_, '_>) -> Self {
        match (kind, item.kind()) {
            (KnobKind::Count, JsonKind::Number) => count(item.raw()).map_or(Self::Unlimited, Self::Count),
            // A list of numbers is one prompt in tokens.
            (KnobKind::Items, JsonKind::List) if item.elements().any(|element| element.kind() != JsonKind::Number) => {
                u32::try_from(item.elements().count()).map_or(Self::Unlimited, Self::Count)
            }
            (KnobKind::Items, JsonKind::List | JsonKind::Text | JsonKind::Object) => Self::Count(1),
            (KnobKind::Flag, JsonKind::True) => Self::Flag(true),
            (KnobKind::Flag, JsonKind::False) => Self::Flag(false),
            (KnobKind::Duration, JsonKind::Number) => seconds(item.raw().parse().ok()),
            (KnobKind::Duration, JsonKind::Text) => item.text().map_or(Self::Unlimited, |text| seconds(duration(&text))),
            _ => Self::Unlimited,
        }
    }
}

fn count(digits: &str) -> Option<u32> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u32>().ok().filter(|count| plain && i32::try_from(*count).is_ok())
}

/// More than 2³¹ seconds means without a limit, and so does a negative time.
fn seconds(seconds: Option<f64>) -> Amount {
    seconds
        .filter(|seconds| (0.0..2_147_483_648.0).contains(seconds))
        .map_or(Amount::Unlimited, Amount::Seconds)
}

/// Parses a duration in Go's notation: `1h30m`, `-1s`, `0`; a bare number is seconds.
fn duration(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return Some(number);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[end..];
    }
    (text.len() > 1).then_some(sign * total)
}

/// A route table's decision on a request that has a route.
#[derive(Clone, Debug)]
pub struct Decision<'t, 'r> {
    /// The worst effect that the request can have, however it is parsed.
    pub effect: Effect,
    /// The line of the product's file that gives it this effect.
    pub route: &'t str,
    /// The path to pass on to the server instead of the original: the server reads both alike, and this one has only the escapes that it
    /// needs.
    pub path: Cow<'r, str>,
    /// The models that it names, those that the server uses first.
    pub models: Vec<Named<'r>>,
    /// The features beyond text that it asks for.
    pub asks: Asks,
    /// The number of images in it; an image that is asked for, by its size for instance, counts as one.
    pub images: u32,
    /// The settings in it.
    pub sets: Vec<Set<'r>>,
    /// The reasons why it can be parsed in more than one way; the effect is the worst of all ways.
    pub doubts: Doubts,
    /// Only some versions have the route or this effect of it, and the version is not known.
    pub in_some_versions: bool,
    pub(crate) shape: &'t Shape,
}

impl<'t, 'r> Decision<'t, 'r> {
    /// The model that the server uses in this role, as written.
    #[must_use]
    pub fn model(&self, role: Role) -> Option<&Named<'r>> {
        self.models.iter().find(|named| named.role == role && named.counts)
    }

    /// The value that the server uses for a setting; `None`: the request does not set it, and the server uses its default.
    #[must_use]
    pub fn set(&self, knob: Knob) -> Option<&Set<'r>> {
        self.sets.iter().find(|set| set.knob == knob && set.counts)
    }

    /// The places where a request on this route can name a model in this role; the server uses the first that names one.
    #[must_use]
    pub fn model_places(&self, role: Role) -> &'t [Place] {
        self.shape.model_places(role)
    }

    /// Whether it has its effect because of the model that it names: a condition on the name gives it the effect.
    #[must_use]
    pub fn is_by_model(&self) -> bool {
        let condition = self
            .route
            .split_once(" if ")
            .and_then(|(_, condition)| condition.split_whitespace().next());
        condition.is_some_and(|place| self.model_places(Role::Model).iter().any(|own| own.to_string() == place))
    }

    /// The places where a request on this route can set something; the server uses the first that is present. Empty: it cannot.
    #[must_use]
    pub fn knob_places(&self, knob: Knob) -> &'t [Place] {
        self.shape.knob_places(knob)
    }

    /// Whether the route is known to take a key at the top of its JSON body; `true` for every key where the file does not name them all.
    #[must_use]
    pub fn takes_key(&self, key: &str) -> bool {
        self.shape.takes_key(key)
    }

    /// The values of a body whose keys the route is not known to take, at the top and in the objects whose keys the file names.
    #[must_use]
    pub fn unknown_keys<'j, 'b>(&self, json: &'j Json<'b>) -> Vec<Item<'j, 'b>> {
        self.shape.unknown_keys(json)
    }

    /// Whether the route's form is known to take a field; `true` for every field where the file does not name them all.
    #[must_use]
    pub fn takes_field(&self, name: &str) -> bool {
        self.shape.takes_field(name)
    }

    /// Whether another request on this route can have this effect.
    #[must_use]
    pub fn may_have(&self, effect: Effect) -> bool {
        self.shape.has(effect)
    }

    /// Merges the decision of another route of the same path, whose effect is not worse.
    pub(crate) fn merge(&mut self, other: Self) {
        self.models.extend(other.models);
        self.sets.extend(other.sets);
        self.asks = self.asks | other.asks;
        self.images = self.images.max(other.images);
        self.doubts |= other.doubts;
    }

    /// The features that a request on this route can ask for.
    #[must_use]
    pub fn may_ask(&self) -> Asks {
        self.shape.may_ask
    }

    /// The place where a reply on this route lists models.
    #[must_use]
    pub fn lists(&self) -> &'t [ListPlace] {
        &self.shape.lists
    }
}

/// Why a route table has no decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Different servers would parse the target differently.
    Target(&'static str),
    /// No route has this path.
    NoRoute,
    /// No route has this path with this method.
    Method,
    /// The route does not take this body.
    Body(&'static str),
    /// The route is known, but not its effect with this body.
    NoEffect,
}

/// A request on which a route table has no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The reason.
    pub reason: Reason,
    /// The worst effect that its route could have with another body; `None`: no route is known.
    pub worst: Option<Effect>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Target(what) | Reason::Body(what) => f.write_str(what),
            Reason::NoRoute => f.write_str("no route has this path"),
            Reason::Method => f.write_str("no route has this path with this method"),
            Reason::NoEffect => f.write_str("the effect of the route with this body is not known"),
        }
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_limit() {
        let read = |kind, text: &str| {
            let json = Json::parse(text.as_bytes()).expect("parses");
            Amount::read(kind, json.root())
        };
        let count = |text| read(KnobKind::Count, text);
        assert_eq!(count("1"), Amount::Count(1));
        assert_eq!(count("2147483647"), Amount::Count(i32::MAX.unsigned_abs()));
        for text in [
            "0",
            "-1",
            "-0",
            "0.5",
            "1.0",
            "1e3",
            "1e300",
            "2147483648",
            "99999999999999999999",
            "\"5\"",
            "true",
            "[5]",
            "{}",
        ] {
            assert_eq!(count(text), Amount::Unlimited, "{text}");
        }
        let time = |text| read(KnobKind::Duration, text);
        assert_eq!(time("300"), Amount::Seconds(300.0));
        assert_eq!(time("0"), Amount::Seconds(0.0));
        assert_eq!(time("\"1h30m\""), Amount::Seconds(5400.0));
        assert_eq!(time("\"1.5s\""), Amount::Seconds(1.5));
        assert_eq!(time("\"90\""), Amount::Seconds(90.0));
        for text in [
            "-1",
            "\"-1\"",
            "\"-1m\"",
            "1e300",
            "\"forever\"",
            "\"\"",
            "\"5 m\"",
            "\"m\"",
            "\"inf\"",
            "\"NaN\"",
            "true",
            "\"+\"",
        ] {
            assert_eq!(time(text), Amount::Unlimited, "{text}");
        }
        let items = |text| read(KnobKind::Items, text);
        assert_eq!(items("\"a\""), Amount::Count(1));
        assert_eq!(items("[\"a\", \"b\"]"), Amount::Count(2));
        assert_eq!(items("[[1], [2], [3]]"), Amount::Count(3));
        assert_eq!(items("[1, 2, 3]"), Amount::Count(1));
    }
}
