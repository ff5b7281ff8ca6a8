//! The columns of the tables, each described once: name, type, how its value is taken from a record, and how it is put back.
//!
//! A [`columns!`] list names each column beside its [`Codec`] and the field it belongs to. Schema, writer and reader are generated from
//! that line, so they cannot disagree. A test compares each column's name with the name of its field.

mod codecs;
mod records;
mod requests;
mod tables;

use crate::batch::Batch;
use crate::definition::{Definition, Name};
use crate::rows::Rows;

pub(crate) use codecs::*;
pub(crate) use records::{DECEPTION, IDENTITY, LEAK};
pub(crate) use requests::{RequestColumns, RequestRow};
pub(crate) use tables::*;

/// A required value that is NULL or that this version cannot read: the column's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) &'static str);

/// The columns that a codec fills.
pub(crate) trait Shape {
    /// How many they are.
    const WIDTH: usize;

    /// Adds the columns to a table's definition.
    fn define(name: Name, definition: &mut Definition);
}

/// A list of columns that [`columns!`] describes.
pub(crate) trait Described {
    /// How many columns it has.
    const WIDTH: usize;

    /// Adds them to a table's definition.
    fn define(definition: &mut Definition);

    /// Each column with the field that it is taken from and put back to.
    #[cfg(test)]
    fn fields() -> Vec<(&'static str, Vec<&'static str>)>;
}

/// How a value is stored in a column, or in several neighbouring ones.
pub(crate) trait Codec<T>: Shape {
    /// Appends the value to the next columns of a row.
    fn put(value: &T, batch: &mut Batch);

    /// Reads the value. A NULL, or a column that an older file does not have, leaves the default value in `into`.
    fn read(rows: &Rows, name: Name, row: usize, into: &mut T) -> Result<(), Missing>;
}

/// Makes a [`Name`] of a literal.
macro_rules! name {
    ($name:literal) => {
        $crate::definition::Name {
            value: $name,
            why: concat!($name, "_why"),
            detail: concat!($name, "_detail"),
        }
    };
}

/// Describes columns: `"name": Codec => field`, and `"name" since N: …` for one that the N-th change of the schema added. They are written
/// from the type after `of` and read into the one after `into`. A group of columns has the name `""`.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident of $written:ty, into $read:ty { $($columns:tt)+ }) => {
        $crate::columns::columns!(@define $(#[$doc])* $name { $($columns)+ });
        $crate::columns::columns!(@put $name, $written { $($columns)+ });
        $crate::columns::columns!(@read $name, $read { $($columns)+ });
    };
    ($(#[$doc:meta])* $name:ident into $read:ty { $($columns:tt)+ }) => {
        $crate::columns::columns!(@define $(#[$doc])* $name { $($columns)+ });
        $crate::columns::columns!(@read $name, $read { $($columns)+ });
    };
    (@define $(#[$doc:meta])* $name:ident { $($column:literal $(since $since:literal)?: $codec:ty => $($field:ident).+,)+ }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl $crate::columns::Described for $name {
            const WIDTH: usize = 0 $(+ <$codec as $crate::columns::Shape>::WIDTH)+;

            fn define(definition: &mut $crate::definition::Definition) {
                $(
                    definition.since(0 $(+ $since)?, |definition| {
                        <$codec as $crate::columns::Shape>::define($crate::columns::name!($column), definition);
                    });
                )+
            }

            #[cfg(test)]
            fn fields() -> Vec<(&'static str, Vec<&'static str>)> {
                vec![$(($column, vec![$(stringify!($field)),+])),+]
            }
        }
    };
    (@put $name:ident, $written:ty { $($column:literal $(since $since:literal)?: $codec:ty => $($field:ident).+,)+ }) => {
        impl $name {
            /// Appends the values of one row, without ending it.
            pub(crate) fn put(from: &$written, batch: &mut $crate::batch::Batch) {
                $(
                    batch.column($column);
                    <$codec as $crate::columns::Codec<_>>::put(&from.$($field).+, batch);
                )+
            }
        }
    };
    (@read $name:ident, $read:ty { $($column:literal $(since $since:literal)?: $codec:ty => $($field:ident).+,)+ }) => {
        impl $name {
            /// Reads a row into a record of default values.
            pub(crate) fn read(rows: &$crate::rows::Rows, row: usize, into: &mut $read) -> Result<(), $crate::columns::Missing> {
                $(<$codec as $crate::columns::Codec<_>>::read(rows, $crate::columns::name!($column), row, &mut into.$($field).+)?;)+
                Ok(())
            }
        }
    };
}

pub(crate) use {columns, name};
