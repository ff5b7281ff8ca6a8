//! The rows of an answer as JSON values.

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::Error;

/// Columns and rows of JSON values. Unknown is `null`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerRows {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, with a value per column.
    pub rows: Vec<Vec<Value>>,
}

impl AnswerRows {
    /// A table with these columns and no rows.
    #[must_use]
    pub fn with(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Converts Arrow batches.
    ///
    /// # Errors
    ///
    /// A column type that cannot be converted.
    pub fn read(batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut out = Self::default();
        for batch in batches {
            if out.columns.is_empty() {
                out.columns = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            }
            let columns: Vec<Vec<Value>> = batch.columns().iter().map(values).collect::<Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                out.rows.push(columns.iter().map(|column| column[row].clone()).collect());
            }
        }
        Ok(out)
    }

    /// The index of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The value of a column as a number.
    #[must_use]
    pub fn number(&self, row: &[Value], name: &str) -> Option<f64> {
        row.get(self.column(name)?)?.as_f64()
    }

    /// Inserts columns after another one, or at the end if it does not exist. `values` computes their values per row.
    pub fn insert(&mut self, after: &str, names: &[String], values: impl Fn(&Self, &[Value]) -> Vec<Value>) {
        let at = self.column(after).map_or(self.columns.len(), |at| at + 1);
        let added: Vec<Vec<Value>> = self.rows.iter().map(|row| values(self, row)).collect();
        self.columns.splice(at..at, names.iter().cloned());
        for (row, added) in self.rows.iter_mut().zip(added) {
            row.splice(at..at, added);
        }
    }

    /// Removes the columns whose names begin with an underscore: sums that only intervals need.
    pub fn drop_hidden(&mut self) {
        let keep: Vec<bool> = self.columns.iter().map(|name| !name.starts_with('_')).collect();
        let kept = |at: usize| keep.get(at).copied().unwrap_or(true);
        let mut at = 0;
        self.columns.retain(|_| {
            at += 1;
            kept(at - 1)
        });
        for row in &mut self.rows {
            let mut at = 0;
            row.retain(|_| {
                at += 1;
                kept(at - 1)
            });
        }
    }
}

impl Serialize for AnswerRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Row<'a>(&'a [String], &'a [Value]);
        impl Serialize for Row<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(self.0.len()))?;
                for (name, value) in self.0.iter().zip(self.1) {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
        let mut list = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            list.serialize_element(&Row(&self.columns, row))?;
        }
        list.end()
    }
}

/// A column's values.
fn values(column: &ArrayRef) -> Result<Vec<Value>, Error> {
    let wide = |to: DataType| cast(column, &to).map_err(|error| Error::Query(error.to_string()));
    let each = |value: &dyn Fn(usize) -> Value| {
        (0..column.len())
            .map(|row| if column.is_null(row) { Value::Null } else { value(row) })
            .collect()
    };
    Ok(match column.data_type() {
        DataType::Boolean => {
            let array = column.as_boolean();
            each(&|row| array.value(row).into())
        }
        kind if kind.is_integer() => {
            let array = wide(DataType::Int64)?;
            let array = array.as_primitive::<Int64Type>();
            each(&|row| array.value(row).into())
        }
        kind if kind.is_floating() || kind.is_decimal() => {
            let array = wide(DataType::Float64)?;
            let array = array.as_primitive::<Float64Type>();
            each(&|row| array.value(row).into())
        }
        DataType::Timestamp(..) => {
            let array = wide(DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let array = array.as_primitive::<TimestampMicrosecondType>();
            each(&|row| {
                vigie_model::Timestamp::from_timestamp_micros(array.value(row))
                    .map_or(Value::Null, |time| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true).into())
            })
        }
        DataType::Null => vec![Value::Null; column.len()],
        _ => {
            let array = wide(DataType::Utf8)?;
            let array = array.as_string::<i32>();
            each(&|row| array.value(row).into())
        }
    })
}
