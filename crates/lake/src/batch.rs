//! Builds a record batch from rows.

use std::sync::Arc;

use chrono::NaiveDate;
use deltalake_core::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use deltalake_core::arrow::error::ArrowError;
use vigie_model::Timestamp;

use crate::definition::{Kind, Spec};

/// Columns under construction. Values are put in the order in which the columns are described; a value of another type, or a row of
/// another length, makes the batch an error instead of a shifted row.
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
    pub(crate) fn new(spec: &'static Spec, rows: usize) -> Self {
        Self {
            spec,
            builders: spec
                .definition
                .written()
                .iter()
                .map(|column| Builder::new(column.kind, rows))
                .collect(),
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

    pub(crate) fn day(&mut self, value: Option<NaiveDate>) {
        match self.builders.get_mut(self.at) {
            Some(Builder::Day(builder)) => builder.append_option(value.map(days_of)),
            _ => self.misplace(),
        }
        self.at += 1;
    }

    /// Moves on to a column of a table whose rows do not fill all columns; the ones before it are NULL.
    pub(crate) fn column(&mut self, name: &str) {
        if !self.spec.is_shared {
            return;
        }
        let columns = self.spec.definition.written();
        let skipped = columns
            .get(self.at..)
            .unwrap_or_default()
            .iter()
            .position(|column| column.name == name);
        match skipped {
            Some(skipped) => self.nulls(skipped),
            None => self.misplace(),
        }
    }

    /// Leaves the next columns NULL.
    pub(crate) fn nulls(&mut self, count: usize) {
        for _ in 0..count {
            match self.builders.get_mut(self.at) {
                Some(builder) => builder.append_null(),
                None => self.misplace(),
            }
            self.at += 1;
        }
    }

    pub(crate) fn end_row(&mut self) {
        if self.spec.is_shared {
            self.nulls(self.builders.len().saturating_sub(self.at));
        }
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

    /// Bytes of text so far: long texts are most of a batch's memory.
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
        let written: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let columns = self.spec.order.iter().map(|at| Arc::clone(&written[*at])).collect();
        RecordBatch::try_new(Arc::clone(&self.spec.schema), columns).map(Some)
    }

    fn misplace(&mut self) {
        if self.misplaced.is_none() {
            let column = self.spec.definition.written().get(self.at);
            let name = column.map_or("(after the last)", |column| &column.name);
            self.misplaced = Some(format!("a value does not have the type of the column {name:?}"));
        }
    }
}

/// Days since 1970-01-01.
pub(crate) fn days_of(day: NaiveDate) -> i32 {
    // 719,163 is the day number of 1970-01-01 when 0001-01-01 is day 1.
    chrono::Datelike::num_days_from_ce(&day) - 719_163
}

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

    fn append_null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Long(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Real(builder) => builder.append_null(),
            Self::Flag(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Day(builder) => builder.append_null(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;

    #[test]
    fn days_count_from_1970() {
        for (text, days) in [("1970-01-01", 0), ("1969-12-31", -1), ("2026-11-21", 20_778)] {
            assert_eq!(days_of(text.parse().expect("a date")), days, "{text}");
        }
    }

    #[test]
    fn a_misplaced_value_is_an_error() {
        let mut batch = Batch::new(Table::Tools.spec(), 1);
        batch.text(Some("not a number"));
        batch.end_row();
        assert!(batch.finish().is_err());

        let mut short = Batch::new(Table::Tools.spec(), 1);
        short.long(Some(1));
        short.end_row();
        assert!(short.finish().is_err());
    }
}
