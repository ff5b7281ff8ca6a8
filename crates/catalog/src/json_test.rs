//! Tests of JSON values.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;

use crate::pattern::Pattern;

/// A test of the values that a pointer finds: one value must pass; `absent` passes if there is none.
#[derive(Clone, Debug)]
pub enum JsonTest {
    /// There is a value (null counts).
    Exists,
    /// There is none.
    Absent,
    /// It is null.
    Null,
    /// It is a text.
    String,
    /// It is a number.
    Number,
    /// It is true or false.
    Boolean,
    /// It is a list.
    Array,
    /// It is an object.
    Object,
    /// It is `""`, `[]`, `{}` or null.
    Empty,
    /// It is a non-empty text, list or object, or another value that is not null.
    NonEmpty,
    /// It equals this number or boolean.
    Equals(Value),
    /// It is a text (or a number, as text) that fits.
    Text(Pattern),
}

impl JsonTest {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "exists" => Self::Exists,
            "absent" => Self::Absent,
            "null" => Self::Null,
            "string" => Self::String,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "array" => Self::Array,
            "object" => Self::Object,
            "empty" => Self::Empty,
            "non-empty" => Self::NonEmpty,
            other => Self::Text(Pattern::parse(other, true)?),
        })
    }

    /// Whether these values pass.
    #[must_use]
    pub fn passes(&self, values: &[&Value]) -> bool {
        match self {
            Self::Absent => values.is_empty(),
            _ => values.iter().any(|value| self.passes_one(value)),
        }
    }

    /// As [`JsonTest::passes`], for the values of a truncated document: it passes only on values that came.
    #[must_use]
    pub fn passes_in_part(&self, values: &[&Value]) -> bool {
        match self {
            Self::Absent => false,
            Self::Empty => values.iter().any(|value| !is_container(value) && is_empty(value)),
            _ => self.passes(values),
        }
    }

    /// Whether the complete document may pass, of which these values came. `one`: there is at most one value.
    #[must_use]
    pub fn may_pass(&self, values: &[&Value], one: bool) -> bool {
        // A complete value does not change; a list or an object may get more.
        match values {
            [value] if one => match self {
                Self::Empty | Self::NonEmpty if is_container(value) => true,
                _ => self.passes(values),
            },
            _ => true,
        }
    }

    fn passes_one(&self, value: &Value) -> bool {
        match self {
            Self::Exists => true,
            Self::Absent => false,
            Self::Null => value.is_null(),
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Empty => is_empty(value),
            Self::NonEmpty => !is_empty(value),
            Self::Equals(expected) => value == expected || value.as_f64().is_some_and(|v| Some(v) == expected.as_f64()),
            Self::Text(pattern) => match value {
                Value::String(text) => pattern.fits(text),
                Value::Number(number) => pattern.fits(&number.to_string()),
                _ => false,
            },
        }
    }

    /// A text that the document must contain, if the test has one.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Text(pattern) => pattern.literal(),
            _ => None,
        }
    }

    /// Whether it passes only if the pointer finds a value.
    #[must_use]
    pub fn needs_value(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

fn is_container(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

impl fmt::Display for JsonTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("is there"),
            Self::Absent => f.write_str("is absent"),
            Self::Null => f.write_str("is null"),
            Self::String => f.write_str("is a text"),
            Self::Number => f.write_str("is a number"),
            Self::Boolean => f.write_str("is true or false"),
            Self::Array => f.write_str("is a list"),
            Self::Object => f.write_str("is an object"),
            Self::Empty => f.write_str("is empty"),
            Self::NonEmpty => f.write_str("is not empty"),
            Self::Equals(value) => write!(f, "is {value}"),
            Self::Text(pattern) => pattern.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for JsonTest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonTestVisitor;

        impl Visitor<'_> for JsonTestVisitor {
            type Value = JsonTest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON test")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<JsonTest, E> {
                JsonTest::parse(text).map_err(E::custom)
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<JsonTest, E> {
                Ok(JsonTest::Equals(Value::Bool(value)))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<JsonTest, E> {
                Ok(JsonTest::Equals(value.into()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<JsonTest, E> {
                Ok(JsonTest::Equals(value.into()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<JsonTest, E> {
                Ok(JsonTest::Equals(value.into()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<JsonTest, E> {
                Ok(JsonTest::Null)
            }

            fn visit_none<E: de::Error>(self) -> Result<JsonTest, E> {
                Ok(JsonTest::Null)
            }
        }

        deserializer.deserialize_any(JsonTestVisitor)
    }
}
