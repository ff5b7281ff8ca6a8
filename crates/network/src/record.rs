//! Reads a record of an MMDB file. The layout is recognised by the keys of the record, never by the name of the file.
//!
//! Layouts, each confirmed with files of the maker:
//!
//! - nested (`GeoLite2`, `GeoIP2`, DB-IP): `country.iso_code`, `city.names.en`; `traits.autonomous_system_number` in the larger ones;
//! - `autonomous_system_number` and `autonomous_system_organization` at the top (`GeoLite2`-ASN, `GeoIP2`-ISP, DB-IP ASN);
//! - flat (ip-location-db): `country_code`, `city`;
//! - `IPinfo`: `country_code`, or `country` as a code; `asn` as `"AS64496"`; `as_name` or `name`; `as_type` or `type`.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most characters of a name that are kept.
const NAME: usize = 200;

/// The values of a record. An empty text is not a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MmdbRecord<'d> {
    /// Two letters, as written in the file.
    pub(crate) country: Option<&'d str>,
    pub(crate) city: Option<&'d str>,
    pub(crate) asn: Option<u32>,
    pub(crate) organisation: Option<&'d str>,
    /// The type of the AS, in the words of the file.
    pub(crate) word: Option<&'d str>,
    /// Whether the record has the nested layout, even if it holds no value used here.
    pub(crate) nested: bool,
}

impl MmdbRecord<'_> {
    /// Whether the layout is known.
    pub(crate) fn is_recognised(&self) -> bool {
        self.nested || self.country.is_some() || self.city.is_some() || self.asn.is_some()
    }
}

/// A value of any type, reduced to the parts that are used.
#[derive(Clone, Copy, Debug, Default)]
struct MmdbValue<'d> {
    text: Option<&'d str>,
    number: Option<u64>,
    is_map: bool,
    /// The organisation among the `traits`.
    organisation: Option<&'d str>,
}

/// What to read from a value if it is a map. Everything else is skipped, which is cheap for pointers such as the names in ten
/// languages.
#[derive(Clone, Copy)]
enum ReadMap {
    /// Nothing: only a text or a number is a value.
    Plain,
    /// `iso_code` as the text.
    Iso,
    /// `names.en` as the text.
    Names,
    /// `en` as the text.
    English,
    /// The AS among the traits as number and organisation.
    Traits,
}

impl<'de> DeserializeSeed<'de> for ReadMap {
    type Value = MmdbValue<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ReadMap {
    type Value = MmdbValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(MmdbValue {
            text: name(text),
            ..MmdbValue::default()
        })
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(MmdbValue::default())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(MmdbValue {
            number: Some(number),
            ..MmdbValue::default()
        })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(MmdbValue {
            number: u64::try_from(number).ok(),
            ..MmdbValue::default()
        })
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self::Value, E> {
        Ok(MmdbValue::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(MmdbValue::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(MmdbValue::default())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(MmdbValue::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(MmdbValue::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut node = MmdbValue {
            is_map: true,
            ..MmdbValue::default()
        };
        while let Some(key) = map.next_key::<&str>()? {
            match (self, key) {
                (Self::Iso, "iso_code") | (Self::English, "en") => node.text = map.next_value_seed(Self::Plain)?.text,
                (Self::Names, "names") => node.text = map.next_value_seed(Self::English)?.text,
                (Self::Traits, "autonomous_system_number") => node.number = map.next_value_seed(Self::Plain)?.number,
                (Self::Traits, "autonomous_system_organization") => node.organisation = map.next_value_seed(Self::Plain)?.text,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(node)
    }
}

/// The top-level values of a record that are used.
#[derive(Default)]
struct Top<'d> {
    country: MmdbValue<'d>,
    country_code: Option<&'d str>,
    registered: bool,
    city: MmdbValue<'d>,
    number: MmdbValue<'d>,
    organisation: Option<&'d str>,
    traits: MmdbValue<'d>,
    asn: MmdbValue<'d>,
    as_name: Option<Option<&'d str>>,
    as_type: Option<Option<&'d str>>,
    name: Option<Option<&'d str>>,
    kind: Option<&'d str>,
}

impl<'de> Deserialize<'de> for MmdbRecord<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TopVisitor;

        impl<'de> Visitor<'de> for TopVisitor {
            type Value = Top<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut top = Top::default();
                while let Some(key) = map.next_key::<&str>()? {
                    match key {
                        "country" => top.country = map.next_value_seed(ReadMap::Iso)?,
                        "country_code" => top.country_code = map.next_value_seed(ReadMap::Plain)?.text,
                        "city" => top.city = map.next_value_seed(ReadMap::Names)?,
                        "autonomous_system_number" => top.number = map.next_value_seed(ReadMap::Plain)?,
                        "autonomous_system_organization" => top.organisation = map.next_value_seed(ReadMap::Plain)?.text,
                        "traits" => top.traits = map.next_value_seed(ReadMap::Traits)?,
                        "asn" => top.asn = map.next_value_seed(ReadMap::Plain)?,
                        "as_name" => top.as_name = Some(map.next_value_seed(ReadMap::Plain)?.text),
                        "as_type" => top.as_type = Some(map.next_value_seed(ReadMap::Plain)?.text),
                        "name" => top.name = Some(map.next_value_seed(ReadMap::Plain)?.text),
                        "type" => top.kind = map.next_value_seed(ReadMap::Plain)?.text,
                        _ => {
                            // A registered country shows the nested layout. It is not the location, so its value is skipped.
                            top.registered |= key == "registered_country";
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(top)
            }
        }

        deserializer.deserialize_map(TopVisitor).map(|top| top.record())
    }
}

impl<'d> Top<'d> {
    fn record(self) -> MmdbRecord<'d> {
        // With `name`, flat `country` and `city` are the registered address of an organisation (IPinfo's ASN, Company and WHOIS files)
        // and not the location of the address. With `country_code`, `country` is a name.
        let is_registered = self.name.is_some() && self.country_code.is_none();
        let place = |node: MmdbValue<'d>| node.text.filter(|_| node.is_map || !is_registered);
        // In IPinfo's Company file, `name` and `type` describe the company; the AS has its own keys.
        let of_the_as = self.as_name.is_none() && self.as_type.is_none();
        let has_number = self.asn.text.is_some() || self.asn.number.is_some();
        let named = self.name.flatten().filter(|_| of_the_as && has_number);
        let typed = self.kind.filter(|_| of_the_as && has_number);
        let asn = number(self.number).or_else(|| number(self.asn)).or_else(|| number(self.traits));
        MmdbRecord {
            country: [self.country_code, place(self.country)]
                .into_iter()
                .flatten()
                .find(|code| is_country(code)),
            city: place(self.city),
            asn,
            organisation: self.organisation.or(self.as_name.flatten()).or(named).or(self.traits.organisation),
            word: self.as_type.flatten().or(typed),
            nested: self.country.is_map || self.registered || self.city.is_map || self.traits.is_map,
        }
    }
}

/// An AS number, written as a number or as a text with or without `AS` in front. AS 0 is reserved (RFC 7607).
fn number(node: MmdbValue<'_>) -> Option<u32> {
    let number = match (node.number, node.text) {
        (Some(number), _) => u32::try_from(number).ok(),
        (None, Some(text)) => {
            let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        }
        (None, None) => None,
    };
    number.filter(|number| *number > 0)
}

/// Whether a text is an ISO 3166-1 alpha-2 code. `ZZ` is CLDR's code for an unknown region, and `XX` is used in the same sense.
fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) && !["ZZ", "XX"].contains(&code)
}

/// A name, cut to [`NAME`] characters.
fn name(text: &str) -> Option<&str> {
    let text = text.trim();
    let end = text.char_indices().nth(NAME).map_or(text.len(), |(at, _)| at);
    text.get(..end).filter(|text| !text.is_empty())
}

/// The keys of a record, for the error about an unknown layout.
pub(crate) struct RecordKeys(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for RecordKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;

        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = RecordKeys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key::<&str>()? {
                    // Bounds the error message.
                    if keys.len() < 32 {
                        keys.extend(name(key).map(str::to_owned));
                    }
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(RecordKeys(keys))
            }
        }

        deserializer.deserialize_map(KeysVisitor)
    }
}
