//! What SQL does not do: each statistic takes the rows of its question's SQL and makes the rows of its answer.

mod advisories;
mod concentration;
mod days;
mod identity;
mod survival;
mod systemic;
mod upgrades;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
pub(crate) use days::BLOCK;
use vigie_assess::Knowledge;

use crate::Error;
use crate::rows::Rows;

/// What a statistic may ask beside the rows.
pub(crate) struct Given<'a> {
    pub(crate) knowledge: &'a Knowledge,
    /// The question's denominator.
    pub(crate) denominator: i64,
    /// What is unknown of it.
    pub(crate) unknown: i64,
    /// Days from 1970 of the window's first and last day.
    pub(crate) window: (i64, i64),
}

/// Makes the rows of an answer.
pub(crate) fn compute(name: &str, batches: &[RecordBatch], given: &Given<'_>) -> Result<Rows, Error> {
    match name {
        "survival" => survival::survival(batches),
        "churn" => days::churn(batches, given.window),
        "gaps" => days::gaps(batches),
        "identity" => identity::identity(batches, given),
        "upgrades" => upgrades::upgrades(batches, given),
        "advisories" => advisories::advisories(batches, given),
        "concentration" => concentration::concentration(batches),
        "systemic" => systemic::systemic(batches, given),
        other => Err(Error::Query(format!("no statistic is called {other}"))),
    }
}

/// A column of whole numbers, whatever their width.
pub(crate) struct Longs(ArrayRef);

impl Longs {
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Result<Self, Error> {
        Ok(Self(as_type(batch, name, &DataType::Int64)?))
    }

    pub(crate) fn get(&self, row: usize) -> Option<i64> {
        (!self.0.is_null(row)).then(|| self.0.as_primitive::<Int64Type>().value(row))
    }
}

/// A column of texts.
pub(crate) struct Texts(ArrayRef);

impl Texts {
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Result<Self, Error> {
        Ok(Self(as_type(batch, name, &DataType::Utf8)?))
    }

    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        (!self.0.is_null(row)).then(|| self.0.as_string::<i32>().value(row))
    }
}

/// A column of flags.
pub(crate) struct Flags(ArrayRef);

impl Flags {
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Result<Self, Error> {
        Ok(Self(as_type(batch, name, &DataType::Boolean)?))
    }

    pub(crate) fn get(&self, row: usize) -> Option<bool> {
        (!self.0.is_null(row)).then(|| self.0.as_boolean().value(row))
    }
}

fn as_type(batch: &RecordBatch, name: &str, wanted: &DataType) -> Result<ArrayRef, Error> {
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| Error::Query(format!("the question has no column {name}")))?;
    cast(column, wanted).map_err(|error| Error::Query(error.to_string()))
}
