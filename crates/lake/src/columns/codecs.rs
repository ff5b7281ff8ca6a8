//! How values are stored in columns.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::IpAddr;

use chrono::NaiveDate;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::{Deserialize, Serialize};
use vigie_model::{
    Activity, EvidenceWeight, Known, LeakKind, PathPrefix, Posture, PromptClass, Reach, SourceKind, TextPrint, Timestamp, Transport,
    Unknown, Why,
};

use super::{Codec, Described, Missing, Shape};
use crate::batch::Batch;
use crate::definition::{Definition, Kind, Name};
use crate::rows::Rows;

/// A codec of one column.
pub(crate) trait Scalar<T>: Single {
    /// Appends the value, or NULL.
    fn put_or_null(value: Option<&T>, batch: &mut Batch);

    /// Reads the value; `None`: it is NULL or unreadable.
    fn get(rows: &Rows, name: &str, row: usize) -> Option<T>;

    /// Why this value does not fit its column.
    fn unstorable(_value: &T) -> Option<String> {
        None
    }

    /// The text of a value that a later version wrote and this one cannot read.
    fn unreadable(_rows: &Rows, _name: &str, _row: usize) -> Option<String> {
        None
    }
}

/// The type of that one column.
pub(crate) trait Single {
    const KIND: Kind;
}

impl<C: Single> Shape for C {
    const WIDTH: usize = 1;

    fn define(name: Name, definition: &mut Definition) {
        definition.add(name.value, C::KIND);
    }
}

impl<T, C: Scalar<T>> Codec<T> for C {
    fn put(value: &T, batch: &mut Batch) {
        C::put_or_null(Some(value), batch);
    }

    fn read(rows: &Rows, name: Name, row: usize, into: &mut T) -> Result<(), Missing> {
        if let Some(value) = C::get(rows, name.value, row) {
            *into = value;
        }
        Ok(())
    }
}

/// A text.
pub(crate) struct Text;
/// A value of a closed list, as its word in JSON.
pub(crate) struct Word;
/// A list of words as a JSON array in a text: flat, in order, and found by `LIKE '%"tools"%'` in any engine.
pub(crate) struct List;
/// Only the length of a list, whose items are in another table.
pub(crate) struct Length;
/// An address as text.
pub(crate) struct Address;
/// A number of up to 64 bits that is copied by people, as decimal text: no engine shares an unsigned type of 64 bits.
pub(crate) struct Digits;
/// The id of a content.
pub(crate) struct Id;
/// A position in a list.
pub(crate) struct Position;
/// A number of up to 16 or 32 bits in 32 bits.
pub(crate) struct Small;
/// A number of up to 32 bits in 64 bits.
pub(crate) struct Number;
/// A count, in signed 64 bits. A larger one, which no honest server has, is stored as unparsable with its digits.
pub(crate) struct Count;
/// A lower bound of a list's length, in 32 bits; a larger one is cut to that.
pub(crate) struct Bound;
/// A number with a fraction.
pub(crate) struct Real;
/// True or false.
pub(crate) struct Flag;
/// An instant to the microsecond.
pub(crate) struct Time;
/// A day, by which a table is partitioned. It is not read back.
pub(crate) struct Day;
/// The kind of row, in a table with several kinds. It is not read back.
pub(crate) struct Tag;

macro_rules! kinds {
    ($($codec:ident: $kind:ident),+ $(,)?) => {
        $(impl Single for $codec {
            const KIND: Kind = Kind::$kind;
        })+
    };
}

kinds! {
    Text: Text, Word: Text, List: Text, Length: Int, Address: Text, Digits: Text, Id: Long, Position: Int, Small: Int, Number: Long,
    Count: Long, Bound: Int, Real: Real, Flag: Flag, Time: Time, Day: Day, Tag: Text,
}

impl Scalar<String> for Text {
    fn put_or_null(value: Option<&String>, batch: &mut Batch) {
        batch.text(value.map(String::as_str));
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<String> {
        rows.text(name, row).map(str::to_owned)
    }
}

/// A type whose values are words.
pub(crate) trait Worded: for<'a> Deserialize<'a> {
    fn word(&self) -> Cow<'static, str>;
}

macro_rules! worded {
    ($($name:ty),+ => $word:expr) => {
        $(impl Worded for $name {
            fn word(&self) -> Cow<'static, str> {
                let word: fn(&Self) -> Cow<'static, str> = $word;
                word(self)
            }
        })+
    };
}

worded!(Transport, SourceKind, Posture, Activity => |value| Cow::Borrowed(<Self>::word(*value)));
worded!(Reach, EvidenceWeight, LeakKind, PromptClass => |value| Cow::Owned(json_word(value)));

fn json_word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The value of a word; `None`: a later version added it.
pub(crate) fn from_word<'a, T: Deserialize<'a>>(word: &'a str) -> Option<T> {
    let deserializer: StrDeserializer<'a, WordError> = word.into_deserializer();
    T::deserialize(deserializer).ok()
}

impl<T: Worded> Scalar<T> for Word {
    fn put_or_null(value: Option<&T>, batch: &mut Batch) {
        batch.text(value.map(T::word).as_deref());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<T> {
        rows.text(name, row).and_then(from_word)
    }

    fn unreadable(rows: &Rows, name: &str, row: usize) -> Option<String> {
        rows.text(name, row).map(str::to_owned)
    }
}

impl<T: Serialize + for<'a> Deserialize<'a>> Scalar<Vec<T>> for List {
    fn put_or_null(value: Option<&Vec<T>>, batch: &mut Batch) {
        // Strings, enumerations and addresses always serialise.
        batch.text(value.and_then(|list| serde_json::to_string(list).ok()).as_deref());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<Vec<T>> {
        serde_json::from_str(rows.text(name, row)?).ok()
    }
}

impl<T> Scalar<Vec<T>> for Length {
    fn put_or_null(value: Option<&Vec<T>>, batch: &mut Batch) {
        batch.int(value.map(|list| i32::try_from(list.len()).unwrap_or(i32::MAX)));
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<Vec<T>> {
        rows.int(name, row).map(|_| Vec::new())
    }
}

impl Scalar<IpAddr> for Address {
    fn put_or_null(value: Option<&IpAddr>, batch: &mut Batch) {
        batch.text(value.map(ToString::to_string).as_deref());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<IpAddr> {
        rows.text(name, row)?.parse().ok()
    }
}

impl Scalar<u64> for Digits {
    fn put_or_null(value: Option<&u64>, batch: &mut Batch) {
        batch.text(value.map(ToString::to_string).as_deref());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<u64> {
        rows.text(name, row)?.parse().ok()
    }
}

impl Scalar<i64> for Id {
    fn put_or_null(value: Option<&i64>, batch: &mut Batch) {
        batch.long(value.copied());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<i64> {
        rows.long(name, row)
    }
}

impl Scalar<i32> for Position {
    fn put_or_null(value: Option<&i32>, batch: &mut Batch) {
        batch.int(value.copied());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<i32> {
        rows.int(name, row)
    }
}

impl<T: Copy + TryInto<i32> + TryFrom<i32>> Scalar<T> for Small {
    fn put_or_null(value: Option<&T>, batch: &mut Batch) {
        batch.int(value.map(|number| (*number).try_into().unwrap_or(i32::MAX)));
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<T> {
        T::try_from(rows.int(name, row)?).ok()
    }
}

impl Scalar<u32> for Number {
    fn put_or_null(value: Option<&u32>, batch: &mut Batch) {
        batch.long(value.map(|number| i64::from(*number)));
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<u32> {
        u32::try_from(rows.long(name, row)?).ok()
    }
}

impl Scalar<u64> for Count {
    fn put_or_null(value: Option<&u64>, batch: &mut Batch) {
        batch.long(value.and_then(|count| i64::try_from(*count).ok()));
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<u64> {
        u64::try_from(rows.long(name, row)?).ok()
    }

    fn unstorable(value: &u64) -> Option<String> {
        i64::try_from(*value)
            .is_err()
            .then(|| format!("past what a table can hold: {value}"))
    }
}

impl Scalar<u64> for Bound {
    fn put_or_null(value: Option<&u64>, batch: &mut Batch) {
        batch.int(value.map(|least| i32::try_from(*least).unwrap_or(i32::MAX)));
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<u64> {
        u64::try_from(rows.int(name, row)?).ok()
    }
}

impl Scalar<f64> for Real {
    fn put_or_null(value: Option<&f64>, batch: &mut Batch) {
        batch.real(value.copied());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<f64> {
        rows.real(name, row)
    }
}

impl Scalar<bool> for Flag {
    fn put_or_null(value: Option<&bool>, batch: &mut Batch) {
        batch.flag(value.copied());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<bool> {
        rows.flag(name, row)
    }
}

impl Scalar<Timestamp> for Time {
    fn put_or_null(value: Option<&Timestamp>, batch: &mut Batch) {
        batch.time(value.copied());
    }

    fn get(rows: &Rows, name: &str, row: usize) -> Option<Timestamp> {
        rows.time(name, row)
    }
}

impl Scalar<NaiveDate> for Day {
    fn put_or_null(value: Option<&NaiveDate>, batch: &mut Batch) {
        batch.day(value.copied());
    }

    fn get(_rows: &Rows, _name: &str, _row: usize) -> Option<NaiveDate> {
        None
    }
}

impl Scalar<&'static str> for Tag {
    fn put_or_null(value: Option<&&'static str>, batch: &mut Batch) {
        batch.text(value.copied());
    }

    fn get(_rows: &Rows, _name: &str, _row: usize) -> Option<&'static str> {
        None
    }
}

/// A required value: a row without it cannot be read.
pub(crate) struct Required<C>(PhantomData<C>);

impl<C: Single> Shape for Required<C> {
    const WIDTH: usize = 1;

    fn define(name: Name, definition: &mut Definition) {
        C::define(name, definition);
    }
}

impl<T, C: Scalar<T>> Codec<T> for Required<C> {
    fn put(value: &T, batch: &mut Batch) {
        C::put_or_null(Some(value), batch);
    }

    fn read(rows: &Rows, name: Name, row: usize, into: &mut T) -> Result<(), Missing> {
        *into = C::get(rows, name.value, row).ok_or(Missing(name.value))?;
        Ok(())
    }
}

/// A value that may be absent; NULL needs no reason.
pub(crate) struct Nullable<C>(PhantomData<C>);

impl<C: Single> Shape for Nullable<C> {
    const WIDTH: usize = 1;

    fn define(name: Name, definition: &mut Definition) {
        C::define(name, definition);
    }
}

impl<T, C: Scalar<T>> Codec<Option<T>> for Nullable<C> {
    fn put(value: &Option<T>, batch: &mut Batch) {
        C::put_or_null(value.as_ref(), batch);
    }

    fn read(rows: &Rows, name: Name, row: usize, into: &mut Option<T>) -> Result<(), Missing> {
        *into = C::get(rows, name.value, row);
        Ok(())
    }
}

/// A value, or in the next column the code of the reason why it is unknown. The reason's text is in another table only.
pub(crate) struct Slim<C>(PhantomData<C>);

/// A value, or in the next two columns the reason why it is unknown, as a code and as a text for people.
pub(crate) struct OrWhy<C>(PhantomData<C>);

impl<C: Single> Shape for Slim<C> {
    const WIDTH: usize = 2;

    fn define(name: Name, definition: &mut Definition) {
        definition.add(name.value, C::KIND);
        definition.add(name.why, Kind::Text);
    }
}

impl<C: Single> Shape for OrWhy<C> {
    const WIDTH: usize = 3;

    fn define(name: Name, definition: &mut Definition) {
        Slim::<C>::define(name, definition);
        definition.add(name.detail, Kind::Text);
    }
}

/// Appends a value and the code of its reason; returns the reason's text.
fn put_slim<'v, T, C: Scalar<T>>(value: &'v Known<T>, batch: &mut Batch) -> Option<Cow<'v, str>> {
    match value {
        Known::Known(known) => {
            let unstorable = C::unstorable(known);
            C::put_or_null(Some(known).filter(|_| unstorable.is_none()), batch);
            batch.text(unstorable.as_ref().map(|_| Why::Unparsable.code()));
            unstorable.map(Cow::Owned)
        }
        Known::Unknown(Unknown { why, detail }) => {
            C::put_or_null(None, batch);
            batch.text(Some(why.code()));
            detail.as_deref().map(Cow::Borrowed)
        }
    }
}

fn read_known<T, C: Scalar<T>>(rows: &Rows, name: Name, row: usize) -> Known<T> {
    match C::get(rows, name.value, row) {
        Some(value) => Known::Known(value),
        None => match C::unreadable(rows, name.value, row) {
            Some(text) => Known::unknown_because(Why::Unparsable, text),
            None => rows.unknown(name, row),
        },
    }
}

impl<T, C: Scalar<T>> Codec<Known<T>> for Slim<C> {
    fn put(value: &Known<T>, batch: &mut Batch) {
        put_slim::<T, C>(value, batch);
    }

    fn read(rows: &Rows, name: Name, row: usize, into: &mut Known<T>) -> Result<(), Missing> {
        *into = read_known::<T, C>(rows, name, row);
        Ok(())
    }
}

impl<T, C: Scalar<T>> Codec<Known<T>> for OrWhy<C> {
    fn put(value: &Known<T>, batch: &mut Batch) {
        let detail = put_slim::<T, C>(value, batch);
        batch.text(detail.as_deref());
    }

    fn read(rows: &Rows, name: Name, row: usize, into: &mut Known<T>) -> Result<(), Missing> {
        *into = read_known::<T, C>(rows, name, row);
        Ok(())
    }
}

/// A copy of a value that is stored in full elsewhere: it is written for queries and not read back.
pub(crate) struct Copied<C>(PhantomData<C>);

impl<C: Shape> Shape for Copied<C> {
    const WIDTH: usize = C::WIDTH;

    fn define(name: Name, definition: &mut Definition) {
        C::define(name, definition);
    }
}

impl<T, C: Codec<T>> Codec<T> for Copied<C> {
    fn put(value: &T, batch: &mut Batch) {
        C::put(value, batch);
    }

    fn read(_rows: &Rows, _name: Name, _row: usize, _into: &mut T) -> Result<(), Missing> {
        Ok(())
    }
}

/// The path under which a server answers. One that this version cannot read is an error: without it, the key would be that of another
/// endpoint.
pub(crate) struct Prefix;

impl Shape for Prefix {
    const WIDTH: usize = 1;

    fn define(name: Name, definition: &mut Definition) {
        definition.add(name.value, Kind::Text);
    }
}

impl Codec<Option<PathPrefix>> for Prefix {
    fn put(value: &Option<PathPrefix>, batch: &mut Batch) {
        batch.text(value.as_ref().map(PathPrefix::as_str));
    }

    fn read(rows: &Rows, name: Name, row: usize, into: &mut Option<PathPrefix>) -> Result<(), Missing> {
        let text = rows.text(name.value, row);
        *into = text
            .map(|text| text.to_owned().try_into())
            .transpose()
            .map_err(|_| Missing(name.value))?;
        Ok(())
    }
}

/// Hash, length, class and, if it was kept, the text of a prompt: six columns with the reason.
pub(crate) struct Print;

impl Shape for Print {
    const WIDTH: usize = 6;

    fn define(name: Name, definition: &mut Definition) {
        OrWhy::<Text>::define(name, definition);
        for (part, kind) in [("characters", Kind::Long), ("class", Kind::Text), ("text", Kind::Text)] {
            definition.add(&format!("{}_{part}", name.value), kind);
        }
    }
}

impl Codec<Known<TextPrint>> for Print {
    fn put(value: &Known<TextPrint>, batch: &mut Batch) {
        let print = value.known();
        batch.text(print.map(|print| print.sha256.as_str()));
        batch.text(value.why().map(Why::code));
        batch.text(match value {
            Known::Unknown(Unknown { detail, .. }) => detail.as_deref(),
            Known::Known(_) => None,
        });
        batch.long(print.map(|print| i64::try_from(print.characters).unwrap_or(i64::MAX)));
        Word::put_or_null(print.map(|print| &print.class), batch);
        batch.text(print.and_then(|print| print.text.as_deref()));
    }

    fn read(rows: &Rows, name: Name, row: usize, into: &mut Known<TextPrint>) -> Result<(), Missing> {
        let part = |part: &str| format!("{}_{part}", name.value);
        let print = || {
            Some(TextPrint {
                sha256: Text::get(rows, name.value, row)?,
                characters: Count::get(rows, &part("characters"), row)?,
                class: Word::get(rows, &part("class"), row)?,
                text: Text::get(rows, &part("text"), row),
            })
        };
        *into = print().map_or_else(|| rows.unknown(name, row), Known::Known);
        Ok(())
    }
}

/// A shard's number and the number of shards, in two columns.
pub(crate) struct Shard;

impl Shape for Shard {
    const WIDTH: usize = 2;

    fn define(name: Name, definition: &mut Definition) {
        definition.add(name.value, Kind::Int);
        definition.add(&format!("{}s", name.value), Kind::Int);
    }
}

impl Codec<Option<(u32, u32)>> for Shard {
    fn put(value: &Option<(u32, u32)>, batch: &mut Batch) {
        let (number, of) = value.unzip();
        Small::put_or_null(number.as_ref(), batch);
        Small::put_or_null(of.as_ref(), batch);
    }

    fn read(rows: &Rows, name: Name, row: usize, into: &mut Option<(u32, u32)>) -> Result<(), Missing> {
        let of = format!("{}s", name.value);
        *into = Small::get(rows, name.value, row).zip(Small::get(rows, &of, row));
        Ok(())
    }
}

/// A list of columns that together store one type of the model.
pub(crate) trait Group: Described {
    /// That type.
    type Of;

    fn put_group(value: &Self::Of, batch: &mut Batch);
    fn read_group(rows: &Rows, row: usize, into: &mut Self::Of) -> Result<(), Missing>;
    /// The default value that rows are read into.
    fn blank() -> Self::Of;
}

/// A group that is always present.
pub(crate) struct Whole<G>(PhantomData<G>);

/// A group that is NULL as a whole or has at least its required values.
pub(crate) struct Optional<G>(PhantomData<G>);

impl<G: Group> Shape for Whole<G> {
    const WIDTH: usize = G::WIDTH;

    fn define(_name: Name, definition: &mut Definition) {
        G::define(definition);
    }
}

impl<G: Group> Shape for Optional<G> {
    const WIDTH: usize = G::WIDTH;

    fn define(_name: Name, definition: &mut Definition) {
        G::define(definition);
    }
}

impl<T, G: Group<Of = T>> Codec<T> for Whole<G> {
    fn put(value: &T, batch: &mut Batch) {
        G::put_group(value, batch);
    }

    fn read(rows: &Rows, _name: Name, row: usize, into: &mut T) -> Result<(), Missing> {
        G::read_group(rows, row, into)
    }
}

impl<T, G: Group<Of = T>> Codec<Option<T>> for Optional<G> {
    fn put(value: &Option<T>, batch: &mut Batch) {
        match value {
            Some(value) => G::put_group(value, batch),
            None => batch.nulls(G::WIDTH),
        }
    }

    fn read(rows: &Rows, _name: Name, row: usize, into: &mut Option<T>) -> Result<(), Missing> {
        let mut value = G::blank();
        *into = G::read_group(rows, row, &mut value).ok().map(|()| value);
        Ok(())
    }
}
