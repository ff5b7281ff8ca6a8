//! Reads the elements of a list and their fields, as a list rule describes them.

use std::borrow::Cow;

use chrono::DateTime;
use serde_json::Value;
use vigie_catalog::{CompiledList, Field, FieldPlace};
use vigie_model::{Capability, Known, Timestamp};

use super::values::scalar;
use crate::condition::{EvaluateCondition as _, EvaluateGuards as _};
use crate::transcript::Transcript;

/// Most models of one server that are kept.
const MAX_MODELS: usize = 2_000;

/// Longest name, in characters.
pub(super) const MAX_NAME: usize = 512;

/// Longest text of any other field except prompts, in characters.
const MAX_TEXT: usize = 1_024;

/// One element of a list; with its key, where the list is an object.
pub(super) struct Element<'v> {
    pub(super) key: Option<&'v str>,
    pub(super) value: &'v Value,
}

/// The elements that a list rule finds.
pub(super) struct Elements<'v> {
    /// The elements, at most [`MAX_MODELS`].
    pub(super) all: Vec<Element<'v>>,
    /// Where the list is not complete: how many elements came, including those that are not kept.
    pub(super) at_least: Option<u64>,
}

/// The elements that a list rule finds; `None`: the rule does not apply, or there is no list.
pub(super) fn elements<'s>(list: &CompiledList, transcript: &'s Transcript) -> Option<Elements<'s>> {
    let parsed = list.condition.find(transcript)?;
    if !list.guards.pass(transcript) {
        return None;
    }
    let json = parsed.json()?;
    let whole = |all| Elements { all, at_least: None };
    let Some(each) = &list.rule.each else {
        return Some(whole(vec![Element { key: None, value: json }]));
    };
    let values = each.all(json);
    let found = *values.first()?;
    if list.rule.none.contains(found) {
        return Some(whole(Vec::new()));
    }
    let goes_on = list.rule.more.0.iter().any(|(pointer, test)| test.passes(&pointer.all(json)))
        || parsed.truncated().is_some_and(|cut| cut.is_open(each.deepest(json)));
    let all: Vec<Element<'s>> = match found {
        // A pointer that ends in `*` gives the elements themselves.
        _ if values.len() > 1 || each.as_str().ends_with("/*") => values.into_iter().map(|value| Element { key: None, value }).collect(),
        Value::Array(items) => items.iter().map(|value| Element { key: None, value }).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| Element { key: Some(key), value }).collect(),
        _ => return None,
    };
    let mut all: Vec<Element<'s>> = all
        .into_iter()
        .filter(|element| {
            let tests = &list.rule.filter.0;
            tests.iter().all(|(pointer, test)| test.passes(&pointer.all(element.value)))
        })
        .collect();
    // An incomplete list without elements does not mean that there are none.
    if goes_on && all.is_empty() {
        return None;
    }
    let at_least = (goes_on || all.len() > MAX_MODELS).then_some(all.len() as u64);
    all.truncate(MAX_MODELS);
    Some(Elements { all, at_least })
}

/// The value of a field: the first of its places in the element that is not null.
pub(super) fn field<'v>(list: &'v CompiledList, name: &str, element: &Element<'v>) -> Option<Cow<'v, Value>> {
    if let Some(Field(places)) = list.rule.fields.get(name) {
        for place in places {
            match place {
                FieldPlace::Key => {
                    if let Some(key) = element.key {
                        return Some(Cow::Owned(Value::String(key.to_owned())));
                    }
                }
                FieldPlace::At(pointer, take) => {
                    let Some(value) = pointer.first(element.value).filter(|value| !value.is_null()) else {
                        continue;
                    };
                    match take {
                        None => return Some(Cow::Borrowed(value)),
                        Some(take) => {
                            if let Some(part) = scalar(value).and_then(|text| take.take(&text).map(str::to_owned)) {
                                return Some(Cow::Owned(Value::String(part)));
                            }
                        }
                    }
                }
            }
        }
    }
    list.rule.always.get(name).map(Cow::Borrowed)
}

/// A field as text.
pub(super) fn text(list: &CompiledList, name: &str, element: &Element<'_>) -> Option<String> {
    let value = field(list, name, element)?;
    let text = scalar(&value)?;
    let text = text.trim();
    (!text.is_empty()).then(|| shorten(text, MAX_TEXT))
}

/// The first `most` characters.
pub(super) fn shorten(text: &str, most: usize) -> String {
    // A text has at most as many characters as bytes.
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    text[..end].to_owned()
}

/// A field as a whole number, also where it is written as text; `None` for negative and fractional numbers.
pub(super) fn count(list: &CompiledList, name: &str, element: &Element<'_>) -> Option<u64> {
    match field(list, name, element)?.as_ref() {
        Value::Number(number) => number.as_u64().or_else(|| {
            number
                .as_f64()
                .filter(|n| *n >= 0.0 && n.fract() == 0.0 && *n < 1e18)
                .map(|n| n as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A field as a time: RFC 3339, or seconds since 1970.
pub(super) fn instant(list: &CompiledList, name: &str, element: &Element<'_>) -> Option<Timestamp> {
    let stamp: Timestamp = match field(list, name, element)?.as_ref() {
        Value::String(text) => DateTime::parse_from_rfc3339(text.trim()).ok()?.to_utc(),
        Value::Number(number) => DateTime::from_timestamp(number.as_i64()?, 0)?,
        _ => return None,
    };
    // Stored to the microsecond; year 1 is Go's zero time and means no time.
    let stamp = DateTime::from_timestamp_micros(stamp.timestamp_micros())?;
    (stamp.timestamp() > 0).then_some(stamp)
}

/// A field as a flag.
pub(super) fn flag(list: &CompiledList, name: &str, element: &Element<'_>) -> Option<bool> {
    match field(list, name, element)?.as_ref() {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.as_str() {
            "true" | "loaded" | "ready" | "READY" => Some(true),
            "false" | "not-loaded" | "unloaded" | "UNAVAILABLE" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The capabilities, in the words of this project.
pub(super) fn capabilities(list: &CompiledList, element: &Element<'_>) -> Option<Vec<Capability>> {
    let value = field(list, "capabilities", element)?;
    let words: Vec<String> = match value.as_ref() {
        Value::Array(items) => items.iter().filter_map(scalar).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(_, on)| on.as_bool() == Some(true))
            .map(|(word, _)| word.clone())
            .collect(),
        other => vec![scalar(other)?],
    };
    let map = list.rule.map.get("capabilities");
    let mut all: Vec<Capability> = words
        .iter()
        .take(64)
        .flat_map(|word| match map.and_then(|map| map.get(word)) {
            Some(ours) => ours.iter().map(|word| Capability::new(word)).collect(),
            None => vec![Capability::new(&shorten(word, 64))],
        })
        .collect();
    all.sort();
    all.dedup();
    Some(all)
}

/// A model's name as the server sent it, with its white space: requests about the model use it.
pub(super) fn model_name(list: &CompiledList, element: &Element<'_>) -> Option<String> {
    let name = scalar(field(list, "name", element)?.as_ref())?;
    (!name.trim().is_empty()).then(|| shorten(&name, MAX_NAME))
}

/// A list, or why it is unknown.
pub(crate) struct Listed<T> {
    /// The elements; an empty list and an unknown one are different.
    pub(crate) list: Known<Vec<T>>,
    /// Where the list is not complete: how many elements it has at least.
    pub(crate) at_least: Option<u64>,
}

impl<T> Listed<T> {
    pub(super) fn unknown(list: Known<Vec<T>>) -> Self {
        Self { list, at_least: None }
    }
}
