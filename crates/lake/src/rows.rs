//! Rows to columns and back.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use deltalake_core::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, PrimitiveArray,
    RecordBatch, StringArray, StringBuilder, StringViewArray, TimestampMicrosecondBuilder,
};
use deltalake_core::arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use deltalake_core::arrow::error::ArrowError;
use vigie_model::{Known, Timestamp, Unknown, Why};

use crate::schema::{Kind, Spec, Table};

enum Builder {
    Text(StringBuilder),
    Long(Int64Builder),
    Int(Int32Builder),
    Real(Float64Builder),
    Flag(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Day(Date32Builder),
}

impl Builder {
    fn new(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::with_capacity(rows, rows * 8)),
            Kind::Long => Self::Long(Int64Builder::with_capacity(rows)),
            Kind::Int => Self::Int(Int32Builder::with_capacity(rows)),
            Kind::Real => Self::Real(Float64Builder::with_capacity(rows)),
            Kind::Flag => Self::Flag(BooleanBuilder::with_capacity(rows)),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")),
            Kind::Day => Self::Day(Date32Builder::with_capacity(rows)),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Long(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Real(builder) => Arc::new(builder.finish()),
            Self::Flag(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Day(builder) => Arc::new(builder.finish()),
        }
    }
}

/// The rows with some ids.
pub(crate) fn picked(rows: &RecordBatch, column: &str, wanted: impl Fn(Option<i64>) -> bool) -> Result<RecordBatch, ArrowError> {
    let ids = rows
        .column_by_name(column)
        .and_then(|ids| ids.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| ArrowError::SchemaError(format!("{column} is of another type")))?;
    let keep: deltalake_core::arrow::array::BooleanArray = ids.iter().map(|id| Some(wanted(id))).collect();
    deltalake_core::arrow::compute::filter_record_batch(rows, &keep)
}

/// Columns under construction. Values are put in the order of the table's columns; a value of another type, or a row
/// of another length, makes the batch an error instead of a shifted row.
pub(crate) struct Batch {
    spec: &'static Spec,
    builders: Vec<Builder>,
    at: usize,
    rows: usize,
    text_bytes: usize,
    misplaced: Option<String>,
}

macro_rules! put {
    ($name:ident, $variant:ident, $type:ty) => {
        pub(crate) fn $name(&mut self, value: Option<$type>) {
            match self.builders.get_mut(self.at) {
                Some(Builder::$variant(builder)) => builder.append_option(value),
                _ => self.misplace(),
            }
            self.at += 1;
        }
    };
}

impl Batch {
    /// With room for some rows.
    pub(crate) fn new(table: Table, rows: usize) -> Self {
        let spec = table.spec();
        Self {
            spec,
            builders: spec.columns.iter().map(|(_, kind)| Builder::new(*kind, rows)).collect(),
            at: 0,
            rows: 0,
            text_bytes: 0,
            misplaced: None,
        }
    }

    pub(crate) fn text(&mut self, value: Option<&str>) {
        match self.builders.get_mut(self.at) {
            Some(Builder::Text(builder)) => {
                self.text_bytes += value.map_or(0, str::len);
                builder.append_option(value);
            }
            _ => self.misplace(),
        }
        self.at += 1;
    }

    put!(long, Long, i64);
    put!(int, Int, i32);
    put!(real, Real, f64);
    put!(flag, Flag, bool);

    pub(crate) fn time(&mut self, value: Option<Timestamp>) {
        match self.builders.get_mut(self.at) {
            Some(Builder::Time(builder)) => {
                builder.append_option(value.map(|time| time.timestamp_micros()));
            }
            _ => self.misplace(),
        }
        self.at += 1;
    }

    pub(crate) fn day(&mut self, value: NaiveDate) {
        match self.builders.get_mut(self.at) {
            Some(Builder::Day(builder)) => builder.append_value(days_of(value)),
            _ => self.misplace(),
        }
        self.at += 1;
    }

    /// A value and why there is none.
    pub(crate) fn slim<T>(&mut self, value: &Known<T>, put: impl FnOnce(&mut Self, Option<&T>)) {
        put(self, value.known());
        self.text(value.why().map(Why::code));
    }

    /// A value, why there is none, and the text for people.
    pub(crate) fn known<T>(&mut self, value: &Known<T>, put: impl FnOnce(&mut Self, Option<&T>)) {
        self.slim(value, put);
        self.text(match value {
            Known::Unknown(Unknown { detail, .. }) => detail.as_deref(),
            Known::Known(_) => None,
        });
    }

    pub(crate) fn known_text(&mut self, value: &Known<String>) {
        self.known(value, |batch, text| batch.text(text.map(String::as_str)));
    }

    pub(crate) fn known_flag(&mut self, value: &Known<bool>) {
        self.known(value, |batch, flag| batch.flag(flag.copied()));
    }

    pub(crate) fn known_time(&mut self, value: &Known<Timestamp>) {
        self.known(value, |batch, time| batch.time(time.copied()));
    }

    /// No engine shares an unsigned type of 64 bits. A count past 2^63 - 1, which no honest server has, is kept as
    /// unparsable with its digits.
    pub(crate) fn known_count(&mut self, value: &Known<u64>) {
        let value = match value {
            Known::Known(count) => match i64::try_from(*count) {
                Ok(count) => Known::Known(count),
                Err(_) => Known::unknown_because(Why::Unparsable, format!("past what a table can hold: {count}")),
            },
            Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
        };
        self.known(&value, |batch, count| batch.long(count.copied()));
    }

    pub(crate) fn end_row(&mut self) {
        if self.at != self.builders.len() {
            self.misplace();
        }
        self.at = 0;
        self.rows += 1;
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of text so far: where texts are long they are most of what is held.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    pub(crate) fn finish(mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if let Some(misplaced) = self.misplaced {
            return Err(ArrowError::SchemaError(misplaced));
        }
        if self.rows == 0 {
            return Ok(None);
        }
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.spec.schema), columns).map(Some)
    }

    fn misplace(&mut self) {
        if self.misplaced.is_none() {
            let name = self.spec.columns.get(self.at).map_or("past the last column", |(name, _)| name);
            self.misplaced = Some(format!("a value of another type was put into {name:?}"));
        }
    }
}

/// Days since 1970-01-01.
pub(crate) fn days_of(day: NaiveDate) -> i32 {
    // 719,163 is the day number of 1970-01-01 when 0001-01-01 is day 1.
    chrono::Datelike::num_days_from_ce(&day) - 719_163
}

/// Columns that were read. A column that the file does not have, because it is older, reads as NULL.
#[derive(Clone)]
pub(crate) struct Rows {
    batch: RecordBatch,
    columns: HashMap<String, usize>,
}

impl Rows {
    pub(crate) fn new(batch: RecordBatch) -> Self {
        let columns = batch
            .schema_ref()
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| (field.name().clone(), at))
            .collect();
        Self { batch, columns }
    }

    pub(crate) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    pub(crate) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    fn value<'a, T: 'a>(&'a self, name: &str, row: usize, get: impl FnOnce(&'a ArrayRef) -> Option<T>) -> Option<T> {
        let column = self.batch.column(*self.columns.get(name)?);
        if column.is_null(row) {
            return None;
        }
        get(column)
    }

    fn array(&self, name: &str) -> Option<&ArrayRef> {
        Some(self.batch.column(*self.columns.get(name)?))
    }

    /// A column of texts, found once for all its rows.
    pub(crate) fn texts(&self, name: &str) -> Texts<'_> {
        let Some(array) = self.array(name) else { return Texts::Missing };
        match (array.as_string_opt::<i32>(), array.as_string_view_opt()) {
            (Some(texts), _) => Texts::Plain(texts),
            (None, Some(texts)) => Texts::View(texts),
            (None, None) => Texts::Missing,
        }
    }

    /// A column of numbers of 32 bits, likewise.
    pub(crate) fn ints(&self, name: &str) -> Numbers<'_, Int32Type> {
        Numbers(self.array(name).and_then(|array| array.as_primitive_opt()))
    }

    /// A column of instants, in microseconds, likewise.
    pub(crate) fn instants(&self, name: &str) -> Numbers<'_, TimestampMicrosecondType> {
        Numbers(self.array(name).and_then(|array| array.as_primitive_opt()))
    }

    pub(crate) fn text(&self, name: &str, row: usize) -> Option<&str> {
        self.value(name, row, |column| {
            // Engines that rewrite files may prefer the view.
            column
                .as_string_opt::<i32>()
                .map(|array| array.value(row))
                .or_else(|| column.as_string_view_opt().map(|array| array.value(row)))
        })
    }

    pub(crate) fn long(&self, name: &str, row: usize) -> Option<i64> {
        self.value(name, row, |column| {
            column.as_primitive_opt::<Int64Type>().map(|array| array.value(row))
        })
    }

    pub(crate) fn int(&self, name: &str, row: usize) -> Option<i32> {
        self.value(name, row, |column| {
            column.as_primitive_opt::<Int32Type>().map(|array| array.value(row))
        })
    }

    pub(crate) fn real(&self, name: &str, row: usize) -> Option<f64> {
        self.value(name, row, |column| {
            column.as_primitive_opt::<Float64Type>().map(|array| array.value(row))
        })
    }

    pub(crate) fn flag(&self, name: &str, row: usize) -> Option<bool> {
        self.value(name, row, |column| column.as_boolean_opt().map(|array| array.value(row)))
    }

    pub(crate) fn micros(&self, name: &str, row: usize) -> Option<i64> {
        self.value(name, row, |column| {
            column.as_primitive_opt::<TimestampMicrosecondType>().map(|array| array.value(row))
        })
    }

    pub(crate) fn time(&self, name: &str, row: usize) -> Option<Timestamp> {
        DateTime::from_timestamp_micros(self.micros(name, row)?)
    }

    /// A value, or the reason in the column beside it; a column that is missing altogether was not carried.
    pub(crate) fn known<T>(&self, name: &str, row: usize, get: impl FnOnce(&Self, &str, usize) -> Option<T>) -> Known<T> {
        match get(self, name, row) {
            Some(value) => Known::Known(value),
            None => self.unknown(name, row),
        }
    }

    pub(crate) fn unknown<T>(&self, name: &str, row: usize) -> Known<T> {
        Known::Unknown(Unknown {
            why: self
                .text(&format!("{name}_why"), row)
                .and_then(Why::from_code)
                .unwrap_or(Why::NotCarried),
            detail: self.text(&format!("{name}_detail"), row).map(str::to_owned),
        })
    }

    pub(crate) fn known_text(&self, name: &str, row: usize) -> Known<String> {
        self.known(name, row, |rows, name, row| rows.text(name, row).map(str::to_owned))
    }

    pub(crate) fn known_flag(&self, name: &str, row: usize) -> Known<bool> {
        self.known(name, row, Self::flag)
    }

    pub(crate) fn known_time(&self, name: &str, row: usize) -> Known<Timestamp> {
        self.known(name, row, Self::time)
    }

    pub(crate) fn known_count(&self, name: &str, row: usize) -> Known<u64> {
        self.known(name, row, |rows, name, row| u64::try_from(rows.long(name, row)?).ok())
    }
}

/// A column of texts.
pub(crate) enum Texts<'r> {
    Plain(&'r StringArray),
    /// As engines that rewrite files may prefer it.
    View(&'r StringViewArray),
    Missing,
}

impl<'r> Texts<'r> {
    pub(crate) fn get(&self, row: usize) -> Option<&'r str> {
        match self {
            Self::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::View(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Missing => None,
        }
    }
}

/// A column of numbers; a missing one has none.
pub(crate) struct Numbers<'r, T: ArrowPrimitiveType>(Option<&'r PrimitiveArray<T>>);

impl<T: ArrowPrimitiveType> Numbers<'_, T> {
    pub(crate) fn get(&self, row: usize) -> Option<T::Native> {
        let numbers = self.0?;
        numbers.is_valid(row).then(|| numbers.value(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_1970() {
        for (text, days) in [("1970-01-01", 0), ("1969-12-31", -1), ("2026-11-21", 20_778)] {
            assert_eq!(days_of(text.parse().expect("a date")), days, "{text}");
        }
    }

    #[test]
    fn a_misplaced_value_is_an_error() {
        let mut batch = Batch::new(Table::Tools, 1);
        batch.text(Some("not a number"));
        batch.end_row();
        assert!(batch.finish().is_err());

        let mut short = Batch::new(Table::Tools, 1);
        short.long(Some(1));
        short.end_row();
        assert!(short.finish().is_err());
    }

    #[test]
    fn a_missing_column_reads_as_unknown() {
        let mut batch = Batch::new(Table::Tools, 1);
        batch.long(Some(1));
        batch.int(Some(0));
        batch.text(Some("shell"));
        batch.text(Some("[]"));
        batch.end_row();
        let rows = Rows::new(batch.finish().expect("built").expect("a row"));
        assert_eq!(rows.text("name", 0), Some("shell"));
        assert_eq!(rows.known_text("colour", 0), Known::unknown(Why::NotCarried));
    }
}
