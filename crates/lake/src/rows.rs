//! Reads values by row and column name from record batches.

use std::collections::HashMap;

use chrono::DateTime;
use deltalake_core::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray,
};
use deltalake_core::arrow::compute::filter_record_batch;
use deltalake_core::arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use deltalake_core::arrow::error::ArrowError;
use vigie_model::{Known, Timestamp, Unknown, Why};

use crate::definition::Name;

/// Columns read from a file. A column that an older file lacks reads as NULL.
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

    /// A column of texts, looked up once for all rows.
    pub(crate) fn texts(&self, name: &str) -> Texts<'_> {
        let Some(array) = self.array(name) else { return Texts::Missing };
        match (array.as_string_opt::<i32>(), array.as_string_view_opt()) {
            (Some(texts), _) => Texts::Plain(texts),
            (None, Some(texts)) => Texts::View(texts),
            (None, None) => Texts::Missing,
        }
    }

    /// A column of 32-bit numbers, looked up once.
    pub(crate) fn ints(&self, name: &str) -> Numbers<'_, Int32Type> {
        Numbers(self.array(name).and_then(|array| array.as_primitive_opt()))
    }

    /// A column of 64-bit numbers, looked up once.
    pub(crate) fn longs(&self, name: &str) -> Numbers<'_, Int64Type> {
        Numbers(self.array(name).and_then(|array| array.as_primitive_opt()))
    }

    /// A column of instants in microseconds, looked up once.
    pub(crate) fn instants(&self, name: &str) -> Numbers<'_, TimestampMicrosecondType> {
        Numbers(self.array(name).and_then(|array| array.as_primitive_opt()))
    }

    pub(crate) fn text(&self, name: &str, row: usize) -> Option<&str> {
        self.value(name, row, |column| {
            // Engines that rewrite files may use views.
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

    /// Why a value is unknown, from the columns beside it; a column that is missing altogether was not carried.
    pub(crate) fn unknown<T>(&self, name: Name, row: usize) -> Known<T> {
        Known::Unknown(Unknown {
            why: self.text(name.why, row).and_then(Why::from_code).unwrap_or(Why::NotCarried),
            detail: self.text(name.detail, row).map(str::to_owned),
        })
    }
}

/// A column of texts.
pub(crate) enum Texts<'r> {
    Plain(&'r StringArray),
    /// As written by some engines.
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

/// A column of numbers, or a missing one.
pub(crate) struct Numbers<'r, T: ArrowPrimitiveType>(Option<&'r PrimitiveArray<T>>);

impl<T: ArrowPrimitiveType> Numbers<'_, T> {
    pub(crate) fn get(&self, row: usize) -> Option<T::Native> {
        let numbers = self.0?;
        numbers.is_valid(row).then(|| numbers.value(row))
    }
}

/// The rows whose id is wanted.
pub(crate) fn rows_with_id(rows: &RecordBatch, column: &str, wanted: impl Fn(Option<i64>) -> bool) -> Result<RecordBatch, ArrowError> {
    let ids = rows
        .column_by_name(column)
        .and_then(|ids| ids.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| ArrowError::SchemaError(format!("{column} is of another type")))?;
    let keep: BooleanArray = ids.iter().map(|id| Some(wanted(id))).collect();
    filter_record_batch(rows, &keep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;
    use crate::batch::Batch;
    use crate::columns::name;

    #[test]
    fn a_missing_column_reads_as_unknown() {
        let mut batch = Batch::new(Table::Tools.spec(), 1);
        batch.long(Some(1));
        batch.int(Some(0));
        batch.text(Some("shell"));
        batch.text(Some("[]"));
        batch.end_row();
        let rows = Rows::new(batch.finish().expect("built").expect("a row"));
        assert_eq!(rows.text("name", 0), Some("shell"));
        assert_eq!(rows.unknown::<String>(name!("colour"), 0), Known::unknown(Why::NotCarried));
    }
}
