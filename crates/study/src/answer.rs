//! What a question gives, and the forms in which it is written.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::json;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use futures_util::StreamExt as _;

use crate::Error;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object per row and line; unknown is `null`.
    Json,
    /// Comma-separated values with a head; unknown is empty.
    Csv,
    /// One Parquet file.
    Parquet,
}

/// Rows as they come.
pub struct Answer {
    stream: SendableRecordBatchStream,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("schema", &self.schema()).finish_non_exhaustive()
    }
}

impl Answer {
    pub(crate) fn new(stream: SendableRecordBatchStream) -> Self {
        Self { stream }
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    ///
    /// If the question fails on the way.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Error>> {
        Some(self.stream.next().await?.map_err(Error::from))
    }

    /// All rows.
    ///
    /// # Errors
    ///
    /// If the question fails on the way.
    pub async fn all(mut self) -> Result<Vec<RecordBatch>, Error> {
        let mut all = Vec::new();
        while let Some(batch) = self.next().await {
            all.push(batch?);
        }
        Ok(all)
    }

    /// Writes all rows as they come; gives how many.
    ///
    /// # Errors
    ///
    /// If the question fails on the way, or the writer does.
    pub async fn write(mut self, form: Form, out: impl Write + Send) -> Result<u64, Error> {
        let schema = self.schema();
        let mut rows = 0;
        let failed = |error: &dyn std::fmt::Display| Error::Write(std::io::Error::other(error.to_string()));
        match form {
            Form::Json => {
                let mut writer = json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .build::<_, json::writer::LineDelimited>(out);
                while let Some(batch) = self.next().await {
                    let batch = batch?;
                    rows += batch.num_rows() as u64;
                    writer.write(&batch).map_err(|error| broken(error, &failed))?;
                }
                writer.finish().map_err(|error| broken(error, &failed))?;
            }
            Form::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(out);
                // The head stands there even if no row follows.
                writer
                    .write(&RecordBatch::new_empty(schema))
                    .map_err(|error| broken(error, &failed))?;
                while let Some(batch) = self.next().await {
                    let batch = batch?;
                    rows += batch.num_rows() as u64;
                    writer.write(&batch).map_err(|error| broken(error, &failed))?;
                }
            }
            Form::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                let mut writer = ArrowWriter::try_new(out, schema, Some(properties)).map_err(|error| failed(&error))?;
                while let Some(batch) = self.next().await {
                    let batch = batch?;
                    rows += batch.num_rows() as u64;
                    writer.write(&batch).map_err(|error| failed(&error))?;
                }
                writer.close().map_err(|error| failed(&error))?;
            }
        }
        Ok(rows)
    }
}

/// A writer's own error keeps its kind: a pipe that was closed is no failure.
fn broken(error: datafusion::arrow::error::ArrowError, failed: &dyn Fn(&dyn std::fmt::Display) -> Error) -> Error {
    match error {
        datafusion::arrow::error::ArrowError::IoError(_, error) => Error::Write(error),
        other => failed(&other),
    }
}

/// The cells of a batch as text, row by row; `None`: unknown.
///
/// # Errors
///
/// A column of a type that has no text.
pub fn cells(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>, Error> {
    let options = FormatOptions::default();
    let columns = batch.columns();
    let formatters = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::Query(error.to_string()))?;
    Ok((0..batch.num_rows())
        .map(|row| {
            formatters
                .iter()
                .zip(columns)
                .map(|(formatter, column)| {
                    (!datafusion::arrow::array::Array::is_null(column, row)).then(|| formatter.value(row).to_string())
                })
                .collect()
        })
        .collect())
}
