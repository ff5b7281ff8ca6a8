//! The keys that a route reads in a JSON body, as one tree, and the single walk through a body that finds their values.

use std::borrow::Cow;

use crate::pointer::Segment;
use crate::table::decision::{Amount, At, Named, Set};
use crate::table::doubt::Doubts;
use crate::table::expression::Compiled;
use crate::table::json::{Item, JsonKind, fold};
use crate::table::takes::{Ask, Asks, Knob, Role};

/// Maximum number of conditions on the body in the lines of one route.
pub(crate) const MAX_CONDITIONS: usize = 24;
/// Maximum number of keys that a route reads in one object.
pub(crate) const MAX_KEYS: usize = 128;

/// Maximum number of model names, and of settings, in a request, so that a body with a million keys makes no long list.
pub(crate) const MAX_NAMED: usize = 64;

/// The use of a value that is found.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// The condition with this number reads it.
    Condition(usize, Compiled),
    /// It names a model, by the place with this number.
    Model(Role, u8),
    /// It asks for a feature if it passes the test.
    Ask(Ask, Compiled),
    /// It sets something, by the place with this number.
    Knob(Knob, u8),
}

/// The keys to find below a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    marks: Vec<Mark>,
    keys: Vec<(Box<str>, Plan)>,
    every: Option<Box<Plan>>,
    /// A bit for each length of these keys, up to 63 bytes: the length alone excludes most keys of a body.
    lengths: u64,
    /// Whether these are all keys that the route takes.
    closed: bool,
}

/// The values at a condition's place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) values: bool,
    pub(crate) null: bool,
    pub(crate) any: bool,
    pub(crate) not_all: bool,
}

/// The values that a body has for the keys of a plan.
#[derive(Debug, Default)]
pub(crate) struct Found<'r> {
    pub(crate) conditions: [Seen; MAX_CONDITIONS],
    pub(crate) models: Vec<Named<'r>>,
    pub(crate) sets: Vec<Set<'r>>,
    pub(crate) asks: Asks,
    /// How many images there are, counted by the values and objects that hold one.
    pub(crate) images: u32,
    /// The object or element that is walked through holds an image.
    is_image: bool,
    pub(crate) doubts: Doubts,
    /// Why no route takes the body.
    pub(crate) fault: Option<&'static str>,
}

impl<'r> Found<'r> {
    pub(crate) fn name(&mut self, named: Named<'r>) {
        if self.models.len() < MAX_NAMED {
            self.models.push(named);
        } else {
            self.fault = Some("the request names too many models");
        }
    }

    pub(crate) fn set(&mut self, set: Set<'r>) {
        if self.sets.len() < MAX_NAMED {
            self.sets.push(set);
        } else {
            self.fault = Some("the request has too many settings");
        }
    }
}

impl Found<'_> {
    /// Counts an image if the values of an object or element, of which there may be several, tell of one.
    fn end_of_image(&mut self, outside: bool) {
        self.images = self.images.saturating_add(u32::from(self.is_image));
        self.is_image = outside;
    }
}

impl Plan {
    /// Adds a use of the value at a place.
    pub(crate) fn add(&mut self, place: &[Segment], mark: Mark) {
        match place.split_first() {
            None => self.marks.push(mark),
            Some((Segment::Key(key), rest)) => self.key(key).add(rest, mark),
            Some((Segment::Every, rest)) => self.every.get_or_insert_default().add(rest, mark),
            // The check of the file reports such a place as an error.
            Some((Segment::Like(..), _)) => {}
        }
    }

    /// Adds a key that the route takes, and marks the list of keys as complete.
    pub(crate) fn close(&mut self, key: &str) {
        self.key(key);
        self.closed = true;
    }

    /// Adds a key that the route takes in an object below the root, and marks the list of that object's keys as complete.
    pub(crate) fn close_below(&mut self, place: &[Segment]) {
        match place {
            [Segment::Key(key)] => self.close(key),
            [Segment::Key(key), rest @ ..] => self.key(key).close_below(rest),
            [Segment::Every, rest @ ..] => self.every.get_or_insert_default().close_below(rest),
            [] | [Segment::Like(..), ..] => {}
        }
    }

    /// The values whose keys the route is not known to take.
    pub(crate) fn unknown<'j, 'b>(&self, item: Item<'j, 'b>, unknown: &mut Vec<Item<'j, 'b>>) {
        for (key, value) in item.entries() {
            match self.find(key, false) {
                Some((at, _)) => self.keys[at].1.unknown(value, unknown),
                None if self.closed => unknown.push(value),
                None => {}
            }
        }
        if let Some(every) = &self.every {
            item.elements().for_each(|element| every.unknown(element, unknown));
        }
    }

    /// Whether a key is one of those that were named, or others may be.
    pub(crate) fn takes_key(&self, key: &str) -> bool {
        !self.closed || self.keys.iter().any(|(known, _)| &**known == key)
    }

    fn key(&mut self, key: &str) -> &mut Self {
        let at = self.keys.iter().position(|(known, _)| &**known == key).unwrap_or_else(|| {
            self.keys.push((key.into(), Self::default()));
            self.lengths |= bit_of(key.len());
            self.keys.len() - 1
        });
        &mut self.keys[at].1
    }

    /// Whether the route reads nothing in a body.
    pub(crate) fn is_idle(&self) -> bool {
        self.marks.is_empty() && self.keys.is_empty() && self.every.is_none()
    }

    /// The number of the plan's key that equals a key of a body, and whether both are spelled the same.
    fn find(&self, key: Item<'_, '_>, any_case: bool) -> Option<(usize, bool)> {
        if key.is_escaped() {
            let exactly = self.keys.iter().position(|(known, _)| key.letters().eq(known.chars()));
            let loosely = || {
                self.keys
                    .iter()
                    .position(|(known, _)| key.letters().map(fold).eq(known.chars().map(fold)))
            };
            return exactly
                .map(|at| (at, true))
                .or_else(|| if any_case { loosely().map(|at| (at, false)) } else { None });
        }
        let raw = key.raw();
        if self.lengths & bit_of(raw.len()) == 0 && (!any_case || raw.is_ascii()) {
            return None;
        }
        if let Some(at) = self.keys.iter().position(|(known, _)| &**known == raw) {
            return Some((at, true));
        }
        if !any_case {
            return None;
        }
        let loosely = if raw.is_ascii() {
            self.keys.iter().position(|(known, _)| known.eq_ignore_ascii_case(raw))
        } else {
            self.keys
                .iter()
                .position(|(known, _)| raw.chars().map(fold).eq(known.chars().map(fold)))
        };
        loosely.map(|at| (at, false))
    }

    /// Walks through a value.
    pub(crate) fn walk<'r>(&self, item: Item<'r, 'r>, any_case: bool, found: &mut Found<'r>) {
        for mark in &self.marks {
            mark.apply(item, found);
        }
        if self.keys.is_empty() && self.every.is_none() {
            return;
        }
        match item.kind() {
            JsonKind::Object => {
                let mut met = 0_u128;
                let outside = std::mem::take(&mut found.is_image);
                for (key, value) in item.entries() {
                    if let Some(every) = &self.every {
                        every.walk(value, any_case, found);
                    }
                    match self.find(key, any_case) {
                        Some((at, exactly)) => {
                            let bit = u32::try_from(at).ok().and_then(|at| 1_u128.checked_shl(at)).unwrap_or_default();
                            if met & bit != 0 {
                                found.doubts |= Doubts::REPEATED_KEY;
                            }
                            met |= bit;
                            if !exactly {
                                found.doubts |= Doubts::KEY_CASE;
                            }
                            self.keys[at].1.walk(value, any_case, found);
                        }
                        None if self.closed => found.doubts |= Doubts::UNKNOWN_KEY,
                        None => {}
                    }
                }
                found.end_of_image(outside);
            }
            JsonKind::List => {
                for (number, element) in item.elements().enumerate() {
                    let outside = std::mem::take(&mut found.is_image);
                    if let Some(every) = &self.every {
                        every.walk(element, any_case, found);
                    }
                    // A number in a place is an element of a list.
                    for (key, plan) in &self.keys {
                        if key.parse() == Ok(number) {
                            plan.walk(element, any_case, found);
                        }
                    }
                    found.end_of_image(outside);
                }
            }
            _ => {}
        }
    }
}

/// The bit of a length; long lengths share the last bit.
fn bit_of(length: usize) -> u64 {
    1 << length.min(63)
}

/// A value as the text that a test reads; `None`: it is null.
fn text<'r>(item: Item<'_, 'r>) -> Option<Cow<'r, str>> {
    match item.kind() {
        JsonKind::Null => None,
        JsonKind::Text => item.text(),
        JsonKind::List | JsonKind::Object if item.is_nothing() => Some(Cow::Borrowed("")),
        _ => Some(Cow::Borrowed(item.raw())),
    }
}

impl Mark {
    fn apply<'r>(&self, item: Item<'r, 'r>, found: &mut Found<'r>) {
        match self {
            Self::Condition(number, test) => {
                let seen = &mut found.conditions[*number];
                match text(item) {
                    None => seen.null = true,
                    Some(value) => {
                        let passes = test.passes(&value);
                        seen.values = true;
                        seen.any |= passes;
                        seen.not_all |= !passes;
                    }
                }
            }
            Self::Model(role, place) => match item.kind() {
                JsonKind::Null => {}
                JsonKind::Text => {
                    let name = item.text().unwrap_or_default();
                    if name.is_empty() {
                        return;
                    }
                    if item.is_escaped() && name.contains(char::REPLACEMENT_CHARACTER) {
                        found.doubts |= Doubts::BROKEN_TEXT;
                    }
                    found.name(Named {
                        role: *role,
                        name,
                        at: At::Body(item.range()),
                        place: *place,
                        counts: false,
                    });
                }
                _ => found.fault = Some("the name of a model is not a string"),
            },
            Self::Ask(ask, test) => {
                if text(item).is_some_and(|value| test.passes(&value)) {
                    found.asks.insert(*ask);
                    match (ask, item.kind()) {
                        (Ask::Images, JsonKind::List) => {
                            let count = u32::try_from(item.elements().count()).unwrap_or(u32::MAX);
                            found.images = found.images.saturating_add(count);
                        }
                        (Ask::Images, _) => found.is_image = true,
                        _ => {}
                    }
                }
            }
            Self::Knob(knob, place) => {
                if item.kind() != JsonKind::Null {
                    found.set(Set {
                        knob: *knob,
                        amount: Amount::read(knob.kind(), item),
                        raw: item.raw(),
                        at: At::Body(item.range()),
                        place: *place,
                        counts: false,
                    });
                }
            }
        }
    }
}
