//! Values of rules with a notation of their own: tests by pointer, fields of a list, steps.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::json_test::JsonTest;
use crate::pattern::Take;
use crate::pointer::Pointer;

/// A step that converts a value that was found.
#[derive(Clone, Debug)]
pub enum Step {
    /// Decode Base64.
    Base64,
    /// Parse as JSON and take this value.
    Json(Pointer),
    /// Take the group.
    Take(Take),
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StepVisitor;

        impl<'de> Visitor<'de> for StepVisitor {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64, {json: POINTER} or {take: REGEX}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Step, E> {
                if text == "base64" {
                    Ok(Step::Base64)
                } else {
                    Err(E::custom(format!(
                        "unknown step {text:?}: write base64, {{json: POINTER}} or {{take: REGEX}}"
                    )))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Step, A::Error> {
                let step = match map.next_key::<String>()?.as_deref() {
                    Some("json") => Step::Json(map.next_value()?),
                    Some("take") => Step::Take(map.next_value()?),
                    other => {
                        return Err(de::Error::custom(format!(
                            "unknown step {other:?}: write base64, {{json: POINTER}} or {{take: REGEX}}"
                        )));
                    }
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom("a step has exactly one key"));
                }
                Ok(step)
            }
        }

        deserializer.deserialize_any(StepVisitor)
    }
}

/// The fields that a list rule may name.
pub(crate) const FIELDS: [&str; 20] = [
    "name",
    "digest",
    "family",
    "parameters",
    "quantisation",
    "format",
    "size_bytes",
    "context_length",
    "capabilities",
    "modified",
    "remote",
    "remote_host",
    "loaded",
    "template",
    "system_prompt",
    "vram_bytes",
    "expires",
    "description",
    "schema",
    "lineage",
];

/// Where a field of a list's element is; the first place with a value counts.
#[derive(Clone, Debug)]
pub struct Field(pub Vec<FieldPlace>);

/// One place of a field.
#[derive(Clone, Debug)]
pub enum FieldPlace {
    /// A value within the element.
    At(Pointer, Option<Take>),
    /// The member's key, where `each` is an object.
    Key,
}

impl FieldPlace {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "@key" {
            Ok(Self::Key)
        } else {
            Ok(Self::At(Pointer::parse(text)?, None))
        }
    }
}

impl<'de> Deserialize<'de> for FieldPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlaceVisitor;

        impl<'de> Visitor<'de> for PlaceVisitor {
            type Value = FieldPlace;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pointer, \"@key\" or {at: POINTER, take: REGEX}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FieldPlace, E> {
                FieldPlace::parse(text).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldPlace, A::Error> {
                let (mut at, mut take) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "at" => at = Some(map.next_value()?),
                        "take" => take = Some(map.next_value()?),
                        other => {
                            return Err(de::Error::custom(format!("unknown key {other:?}; known keys: at, take")));
                        }
                    }
                }
                at.map(|at| FieldPlace::At(at, take)).ok_or_else(|| de::Error::missing_field("at"))
            }
        }

        deserializer.deserialize_any(PlaceVisitor)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;

        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pointer, \"@key\", {at: POINTER, take: REGEX} or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Field, E> {
                FieldPlace::parse(text).map(|place| Field(vec![place])).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
                FieldPlace::deserialize(de::value::MapAccessDeserializer::new(map)).map(|place| Field(vec![place]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
                let mut places = Vec::new();
                while let Some(place) = seq.next_element()? {
                    places.push(place);
                }
                Ok(Field(places))
            }
        }

        deserializer.deserialize_any(FieldVisitor)
    }
}

/// The type of a body, judged by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyType {
    /// JSON.
    Json,
    /// An HTML page.
    Html,
    /// Other text.
    Text,
    /// An event stream, by its content type.
    EventStream,
    /// No body.
    Empty,
}

/// Tests of JSON values by pointer.
#[derive(Clone, Debug, Default)]
pub struct Tests(pub Vec<(Pointer, JsonTest)>);

impl<'de> Deserialize<'de> for Tests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TestsVisitor;

        impl<'de> Visitor<'de> for TestsVisitor {
            type Value = Tests;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from pointers to JSON tests")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tests, A::Error> {
                let mut tests = Vec::new();
                while let Some(pointer) = map.next_key::<Pointer>()? {
                    tests.push((pointer, map.next_value()?));
                }
                Ok(Tests(tests))
            }
        }

        deserializer.deserialize_map(TestsVisitor)
    }
}
