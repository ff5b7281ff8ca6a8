//! `Known<T>`: a value, or the reason why it is unknown. Unknown is never zero, false or an empty list.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a value is unknown. The list is closed: readers may match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// No request was sent that could answer it.
    NotAsked,
    /// The source has no such field, or the product never reports it.
    NotCarried,
    /// The server requires credentials, or refuses to answer without them.
    Refused,
    /// The server does not have the route.
    Absent,
    /// The server reported too many requests.
    Throttled,
    /// The server, or a proxy in front of it, failed or was overloaded.
    Unavailable,
    /// The server hides it, or reports a constant instead.
    Hidden,
    /// The reply could not be parsed.
    Unparsable,
    /// The server's version is too old to report it.
    TooOld,
    /// It was known and was removed on purpose.
    Redacted,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::NotAsked,
        Self::NotCarried,
        Self::Refused,
        Self::Absent,
        Self::Throttled,
        Self::Unavailable,
        Self::Hidden,
        Self::Unparsable,
        Self::TooOld,
        Self::Redacted,
    ];

    /// The code in JSON and in the columns `<column>_why`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::NotCarried => "not-carried",
            Self::Refused => "refused",
            Self::Absent => "absent",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Hidden => "hidden",
            Self::Unparsable => "unparsable",
            Self::TooOld => "too-old",
            Self::Redacted => "redacted",
        }
    }

    /// The reverse of [`Why::code`]; `None` for a code that is not in the list.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.code() == code)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The reason why a value is unknown, with an optional explanation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unknown {
    /// The reason code.
    pub why: Why,
    /// An explanation for people.
    pub detail: Option<String>,
}

/// A value, or the reason why it is unknown.
///
/// In JSON it is `{"known": value}` or `{"unknown": code, "detail": text?}`; no other form means unknown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Known<T> {
    /// The value.
    Known(T),
    /// The reason why it is unknown.
    Unknown(Unknown),
}

impl<T> Known<T> {
    /// An unknown without a detail.
    #[must_use]
    pub fn unknown(why: Why) -> Self {
        Self::Unknown(Unknown { why, detail: None })
    }

    /// An unknown with an explanation.
    #[must_use]
    pub fn unknown_because(why: Why, detail: impl Into<String>) -> Self {
        Self::Unknown(Unknown {
            why,
            detail: Some(detail.into()),
        })
    }

    /// The value, if there is one.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Converts to the value, if there is one.
    #[must_use]
    pub fn into_known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// The reason, if there is no value.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(unknown) => Some(unknown.why),
        }
    }

    /// Whether there is a value.
    #[must_use]
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Applies `f` to the value; an unknown stays as it is.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Known(value) => Known::Known(f(value)),
            Self::Unknown(unknown) => Known::Unknown(unknown),
        }
    }

    /// Converts to a `Known` of a reference.
    #[must_use]
    pub fn as_ref(&self) -> Known<&T> {
        match self {
            Self::Known(value) => Known::Known(value),
            Self::Unknown(unknown) => Known::Unknown(unknown.clone()),
        }
    }
}

impl<T> From<T> for Known<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: Serialize> Serialize for Known<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("known", value)?;
                map.end()
            }
            Self::Unknown(Unknown { why, detail }) => {
                let mut map = serializer.serialize_map(Some(1 + usize::from(detail.is_some())))?;
                map.serialize_entry("unknown", why)?;
                if let Some(detail) = detail {
                    map.serialize_entry("detail", detail)?;
                }
                map.end()
            }
        }
    }
}

/// The keys of a [`Known`], parsed without copying, because a model has about twenty.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Known,
    Unknown,
    Detail,
    /// A later schema may add keys, which older readers ignore.
    #[serde(other)]
    Other,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Known<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KnownVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for KnownVisitor<T> {
            type Value = Known<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{\"known\": value} or {\"unknown\": code}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut known, mut why, mut detail) = (None, None, None);
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Known => known = Some(map.next_value()?),
                        Key::Unknown => why = Some(map.next_value()?),
                        Key::Detail => detail = Some(map.next_value()?),
                        Key::Other => {
                            map.next_value::<de::IgnoredAny>()?;
                        }
                    }
                }
                match (known, why) {
                    (Some(value), None) => Ok(Known::Known(value)),
                    (None, Some(why)) => Ok(Known::Unknown(Unknown { why, detail })),
                    (Some(_), Some(_)) => Err(de::Error::custom("both \"known\" and \"unknown\"")),
                    (None, None) => Err(de::Error::custom("neither \"known\" nor \"unknown\"")),
                }
            }
        }

        deserializer.deserialize_map(KnownVisitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_documented_form() {
        let known: Known<u32> = Known::Known(0);
        assert_eq!(serde_json::to_string(&known).expect("serialises"), r#"{"known":0}"#);
        let unknown: Known<u32> = Known::unknown_because(Why::TooOld, "before 0.6.4");
        assert_eq!(
            serde_json::to_string(&unknown).expect("serialises"),
            r#"{"unknown":"too-old","detail":"before 0.6.4"}"#
        );
        for value in [known, unknown] {
            let text = serde_json::to_string(&value).expect("serialises");
            assert_eq!(serde_json::from_str::<Known<u32>>(&text).expect("reads back"), value);
        }
    }

    #[test]
    fn invalid_forms_are_rejected() {
        for text in ["{}", "null", "3", r#"{"known":1,"unknown":"hidden"}"#, r#"{"unknown":"because"}"#] {
            assert!(serde_json::from_str::<Known<u32>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn codes_read_back() {
        for why in Why::ALL {
            assert_eq!(Why::from_code(why.code()), Some(why));
            assert_eq!(serde_json::to_value(why).expect("serialises"), why.code());
        }
        assert_eq!(Why::from_code("because"), None);
    }
}
