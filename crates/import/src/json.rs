//! JSON of uncertain shape: a member of an unexpected type counts as missing, and affects no other member.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A member as it stands in the text, read when asked.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Raw<'a>(#[serde(borrow)] Option<&'a RawValue>);

impl<'a> Raw<'a> {
    fn json(self) -> Option<&'a str> {
        self.0.map(RawValue::get)
    }

    /// The beginning of it, for an error.
    fn shown(self) -> String {
        self.json().unwrap_or_default().chars().take(40).collect()
    }

    /// Whether there is a value other than `null`.
    pub(crate) fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// A text; half a surrogate pair, as binary banners have it, is replaced.
    pub(crate) fn text(self) -> Option<String> {
        let json = self.json()?;
        json.starts_with('"').then_some(())?;
        serde_json::from_str::<Lossy>(json).ok().map(|lossy| lossy.0)
    }

    /// A text that is not blank, without the blanks around it.
    pub(crate) fn word(self) -> Option<String> {
        let text = self.text()?;
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// A text, or a number as it is written.
    pub(crate) fn scalar(self) -> Option<Cow<'a, str>> {
        let json = self.json()?;
        if json.starts_with('"') {
            self.text().map(Cow::Owned)
        } else {
            json.starts_with(|c: char| c == '-' || c.is_ascii_digit())
                .then_some(Cow::Borrowed(json))
        }
    }

    /// A text, or a number as written; `None`: there is no value.
    ///
    /// # Errors
    ///
    /// The value is an object, an array or a truth value.
    pub(crate) fn said(self) -> Result<Option<Cow<'a, str>>, String> {
        match (self.scalar(), self.json()) {
            (Some(text), _) => Ok(Some(text)),
            (None, Some(_)) => Err(format!("{} is where a text or a number should be", self.shown())),
            (None, None) => Ok(None),
        }
    }

    /// A port; `None`: there is no value, or an empty text.
    ///
    /// # Errors
    ///
    /// The value is not a port.
    pub(crate) fn port_said(self) -> Result<Option<u16>, String> {
        self.said()
            .map_err(|_| format!("{} is not a port", self.shown()))?
            .filter(|text| !text.trim().is_empty())
            .map(|text| crate::endpoint::port(&text))
            .transpose()
    }

    /// An instant; `None`: there is no value.
    ///
    /// # Errors
    ///
    /// The value is not an instant.
    pub(crate) fn time_said(self, read: fn(&str) -> Option<vigie_model::Timestamp>) -> Result<Option<vigie_model::Timestamp>, String> {
        let said = self.said().map_err(|_| format!("{} is not a time", self.shown()))?;
        crate::time::said(said.as_deref(), read)
    }

    /// A whole number, or a text of one.
    pub(crate) fn whole(self) -> Option<u64> {
        self.scalar()?.trim().parse().ok()
    }

    /// A truth value.
    pub(crate) fn flag(self) -> Option<bool> {
        match self.json()? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A text or a number as it is written, a truth value, or the beginning of whatever else stands there.
    pub(crate) fn word_of_any(self) -> Option<String> {
        self.json()?;
        Some(self.scalar().map_or_else(|| self.shown(), Cow::into_owned))
    }

    /// Whether it is an object.
    pub(crate) fn is_object(self) -> bool {
        self.json().is_some_and(|json| json.starts_with('{'))
    }

    /// Whether it is an array.
    pub(crate) fn is_list(self) -> bool {
        self.json().is_some_and(|json| json.starts_with('['))
    }

    /// A structure; `None` where it is none.
    pub(crate) fn read<T: Deserialize<'a>>(self) -> Option<T> {
        let json = self.json()?;
        // An array would be read as one, its elements taken for the fields in their order.
        json.starts_with('{').then(|| serde_json::from_str(json).ok()).flatten()
    }

    /// The elements of an array; of anything else, none.
    pub(crate) fn each(self) -> Vec<Raw<'a>> {
        self.json().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// The members of an object; of anything else, none.
    pub(crate) fn members(self) -> Vec<(String, Raw<'a>)> {
        self.read::<Members<'a>>().map(|members| members.0).unwrap_or_default()
    }
}

/// Parses a record; the error is the reason for a bad record.
pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("no UTF-8 from byte {} on", error.valid_up_to()))?;
    if text.trim_start().starts_with('[') {
        return Err("not a valid record: an array is where an object should be".to_owned());
    }
    serde_json::from_str(text).map_err(|error| plain(&error))
}

/// Explains an error of the JSON parser without the terms of this program.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    // Its own words name the line within the record, which is not the line in the file.
    let error = error.to_string();
    let words = error.split(" at line ").next().unwrap_or_default();
    let said = if let Some(rest) = words
        .strip_prefix("invalid type: ")
        .or_else(|| words.strip_prefix("invalid value: "))
    {
        let (found, wanted) = rest.rsplit_once(", expected ").unwrap_or((rest, ""));
        format!("{} is where {} should be", found_in_words(found), wanted_in_words(wanted))
    } else if words.starts_with("invalid length ") {
        "a list is where an object should be, or a list of another length".to_owned()
    } else if let Some(name) = words.strip_prefix("missing field ") {
        format!("it has no {}", name.replace('`', "\""))
    } else if let Some(name) = words.strip_prefix("unknown field ") {
        format!("it has a field {} that is none of its own", in_quotes(name))
    } else if let Some(name) = words.strip_prefix("duplicate field ") {
        format!("its field {} occurs twice", in_quotes(name))
    } else if let Some(name) = words.strip_prefix("unknown variant ") {
        format!("{} is not a value of this field", in_quotes(name))
    } else if words.starts_with("EOF while parsing") {
        "it ends too early".to_owned()
    } else if words.starts_with("trailing characters") {
        "something follows after its end".to_owned()
    } else if words.starts_with("trailing comma") {
        "there is a comma before its closing bracket".to_owned()
    } else if words.starts_with("expected `") || words == "key must be a string" || words == "expected value" || words == "expected ident" {
        "it is not JSON: a comma, a colon, a quote, a bracket or a value is missing or wrong".to_owned()
    } else if words.starts_with("control character") {
        "a text has an unescaped control character".to_owned()
    } else if words.contains("escape") || words.contains("surrogate") || words.contains("unicode") {
        "an escape in a text cannot be read".to_owned()
    } else if words.contains("number") {
        "a number in it cannot be read".to_owned()
    } else if words.contains("recursion limit") {
        "it is nested too deep".to_owned()
    } else {
        words.to_owned()
    };
    format!("not a valid record: {said}")
}

/// The first name that stands between backticks, in quotes.
fn in_quotes(text: &str) -> String {
    let name = text
        .strip_prefix('`')
        .and_then(|rest| rest.split_once('`'))
        .map_or(text, |(name, _)| name);
    format!("{name:?}")
}

/// ``integer `5` `` is 5, `sequence` a list.
fn found_in_words(found: &str) -> String {
    let value = || found.split_once('`').map_or(found, |(_, rest)| rest.trim_end_matches('`'));
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "null" | "unit" | "unit value" | "Option value" => "null".to_owned(),
        _ if found.starts_with("string ") => format!("the text {}", found.trim_start_matches("string ")),
        _ if found.contains('`') => value().to_owned(),
        _ => "something else".to_owned(),
    }
}

/// What a type is to whoever writes JSON.
fn wanted_in_words(wanted: &str) -> &'static str {
    let has = |word: &str| wanted.contains(word);
    match wanted {
        "a string" | "a borrowed string" | "str" | "string" | "a character" => "a text",
        "a boolean" | "bool" => "true or false",
        "a sequence" | "a tuple" => "a list",
        "a map" | "an object" => "an object",
        "f32" | "f64" => "a number",
        "an instant" => "a time",
        _ if has("u8") || has("u16") || has("u32") || has("u64") || has("i32") || has("i64") || has("usize") => {
            "a whole number of its size"
        }
        _ if has("IP") || has("Ipv") => "an address",
        _ if has("struct") || has("map") => "an object",
        _ if has("time") || has("date") => "a time",
        _ if has("sequence") => "a list",
        _ => "something else",
    }
}

/// A string whose lone surrogates are replaced.
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Lossy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// An object's members in order, twice where they stand twice.
struct Members<'a>(Vec<(String, Raw<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for All<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((key, value)) = map.next_entry::<Cow<'de, str>, Raw<'de>>()? {
                    all.push((key.into_owned(), value));
                }
                Ok(Members(all))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(de::Error::custom("an array"))
            }
        }

        deserializer.deserialize_map(All(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Two<'a> {
        #[serde(borrow, default)]
        a: Raw<'a>,
        #[serde(borrow, default)]
        b: Raw<'a>,
    }

    #[test]
    fn a_member_of_another_type_is_missing() {
        let two: Two<'_> = read(br#"{"a":{"x":[1]},"b":7,"c":{}}"#).expect("it is sound");
        assert_eq!(
            (two.a.text(), two.a.whole(), two.b.text(), two.b.whole()),
            (None, None, None, Some(7))
        );
        assert_eq!(two.a.members().len(), 1);
        let two: Two<'_> = read(br#"{"a":[{"a":1},{"b":2}]}"#).expect("it is sound");
        assert!(two.a.read::<Two<'_>>().is_none() && two.a.each().len() == 2);
        assert!(read::<Two<'_>>(b" [1,2]").is_err());
        let two: Two<'_> = read(br#"{"a":"\ud800x","b":null}"#).expect("it is sound");
        assert_eq!(two.a.text().as_deref(), Some("\u{fffd}\u{fffd}\u{fffd}x"));
        assert!(!two.b.is_some());
        assert_eq!((two.b.said(), two.b.port_said()), (Ok(None), Ok(None)));
        let two: Two<'_> = read(br#"{"a":{"x":1},"b":"8080"}"#).expect("it is sound");
        assert!(two.a.said().is_err() && two.a.time_said(crate::time::instant).is_err());
        assert_eq!(two.b.port_said(), Ok(Some(8080)));
        for number in ["-1", "1.5", "1e400", "70000", "0", "99999999999999999999999"] {
            let text = format!("{{\"a\":{number}}}");
            let two: Two<'_> = read(text.as_bytes()).expect("it is sound");
            assert!(two.a.port_said().is_err_and(|reason| reason.contains("is not a port")), "{number}");
        }
    }
}
