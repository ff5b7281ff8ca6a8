//! Computations that follow the SQL: each turns the rows of its question's SQL into the rows of the answer.

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
use crate::rows::AnswerRows;

/// The inputs of a statistic besides the rows.
pub(crate) struct Inputs<'a> {
    pub(crate) knowledge: &'a Knowledge,
    /// The question's denominator.
    pub(crate) denominator: i64,
    /// The question's unknown count.
    pub(crate) unknown: i64,
    /// The first and the last day of the window, in days since 1970-01-01.
    pub(crate) window: (i64, i64),
}

/// Runs the statistic with this name.
pub(crate) fn compute(name: &str, batches: &[RecordBatch], given: &Inputs<'_>) -> Result<AnswerRows, Error> {
    match name {
        "survival" => survival::survival(batches),
        "churn" => days::churn(batches, given.window),
        "gaps" => days::gaps(batches),
        "identity" => identity::identity(batches, given),
        "upgrades" => upgrades::upgrades(batches, given),
        "advisories" => advisories::advisories(batches, given),
        "concentration" => concentration::concentration(batches),
        "systemic" => systemic::systemic(batches, given),
        other => Err(Error::Query(format!("unknown statistic {other}"))),
    }
}

/// A column of integers of any width.
pub(crate) struct Integers(ArrayRef);

impl Integers {
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Result<Self, Error> {
        Ok(Self(as_type(batch, name, &DataType::Int64)?))
    }

    pub(crate) fn get(&self, row: usize) -> Option<i64> {
        (!self.0.is_null(row)).then(|| self.0.as_primitive::<Int64Type>().value(row))
    }
}

/// A column of strings.
pub(crate) struct Strings(ArrayRef);

impl Strings {
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Result<Self, Error> {
        Ok(Self(as_type(batch, name, &DataType::Utf8)?))
    }

    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        (!self.0.is_null(row)).then(|| self.0.as_string::<i32>().value(row))
    }
}

/// A column of booleans.
pub(crate) struct Booleans(ArrayRef);

impl Booleans {
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
        .ok_or_else(|| Error::Query(format!("the query has no column {name}")))?;
    cast(column, wanted).map_err(|error| Error::Query(error.to_string()))
}
