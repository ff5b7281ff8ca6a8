//! The rows of a query as a stream, and the formats in which they are written.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::arrow::json;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use futures_util::StreamExt as _;

use crate::Error;

/// The output format of a query's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object per line; unknown is `null`.
    Json,
    /// Comma-separated values with a header; unknown is empty.
    Csv,
    /// One Parquet file.
    Parquet,
}

/// The rows of a query, in batches as they are computed.
pub struct RowStream {
    stream: SendableRecordBatchStream,
    /// The columns with unique names; `None`: the names are unique already.
    renamed: Option<SchemaRef>,
}

impl std::fmt::Debug for RowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream").field("schema", &self.schema()).finish_non_exhaustive()
    }
}

impl RowStream {
    pub(crate) fn new(stream: SendableRecordBatchStream) -> Self {
        let renamed = unique_names(&stream.schema());
        Self { stream, renamed }
    }

    /// The columns. Where a join returns several columns of one name, the second is called `name:1`, the third `name:2`.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.renamed.clone().unwrap_or_else(|| self.stream.schema())
    }

    /// The next batch; `None` after the last.
    ///
    /// # Errors
    ///
    /// A query that fails while it runs.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Error>> {
        let batch = self.stream.next().await?.map_err(Error::from);
        let Some(schema) = &self.renamed else { return Some(batch) };
        Some(batch.and_then(|batch| {
            RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()).map_err(|error| Error::Query(error.to_string()))
        }))
    }

    /// All remaining batches.
    ///
    /// # Errors
    ///
    /// A query that fails while it runs.
    pub async fn all(mut self) -> Result<Vec<RecordBatch>, Error> {
        let mut all = Vec::new();
        while let Some(batch) = self.next().await {
            all.push(batch?);
        }
        Ok(all)
    }

    /// Writes all rows as they arrive; returns their number.
    ///
    /// # Errors
    ///
    /// A query or a writer that fails.
    pub async fn write(self, form: Form, out: impl Write + Send) -> Result<u64, Error> {
        let mut out = ErrorKindWriter { out, failed: None };
        let written = self.write_into(form, &mut out).await;
        match (written, out.failed) {
            (Err(Error::Write(error)), Some(kind)) => Err(Error::Write(std::io::Error::new(kind, error.to_string()))),
            (written, _) => written,
        }
    }

    async fn write_into(mut self, form: Form, out: &mut ErrorKindWriter<impl Write + Send>) -> Result<u64, Error> {
        let schema = self.schema();
        let mut rows = 0;
        let failed = |error: &dyn std::fmt::Display| Error::Write(std::io::Error::other(error.to_string()));
        match form {
            Form::Json => {
                let mut writer = json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .build::<_, json::writer::LineDelimited>(&mut *out);
                while let Some(batch) = self.next().await {
                    let batch = batch?;
                    rows += batch.num_rows() as u64;
                    writer.write(&batch).map_err(|error| failed(&error))?;
                }
                writer.finish().map_err(|error| failed(&error))?;
            }
            Form::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(&mut *out);
                // The header is written even if there are no rows.
                writer.write(&RecordBatch::new_empty(schema)).map_err(|error| failed(&error))?;
                while let Some(batch) = self.next().await {
                    let batch = batch?;
                    rows += batch.num_rows() as u64;
                    writer.write(&batch).map_err(|error| failed(&error))?;
                }
            }
            Form::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                let mut writer = ArrowWriter::try_new(&mut *out, schema, Some(properties)).map_err(|error| failed(&error))?;
                while let Some(batch) = self.next().await {
                    let batch = batch?;
                    rows += batch.num_rows() as u64;
                    writer.write(&batch).map_err(|error| failed(&error))?;
                }
                writer.close().map_err(|error| failed(&error))?;
            }
        }
        // An error while a buffer is flushed on drop would be lost.
        out.flush().map_err(Error::Write)?;
        Ok(rows)
    }
}

/// A writer that remembers the kind of its last error. The Arrow writers turn an error into text, but the caller must recognise a closed
/// pipe.
struct ErrorKindWriter<W> {
    out: W,
    failed: Option<std::io::ErrorKind>,
}

impl<W: Write> ErrorKindWriter<W> {
    fn note<T>(&mut self, done: std::io::Result<T>) -> std::io::Result<T> {
        done.inspect_err(|error| {
            // Callers retry an interrupted write.
            if error.kind() != std::io::ErrorKind::Interrupted {
                self.failed = Some(error.kind());
            }
        })
    }
}

impl<W: Write> Write for ErrorKindWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let done = self.out.write(bytes);
        self.note(done)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let done = self.out.flush();
        self.note(done)
    }
}

/// The columns with unique names, since a JSON object needs unique keys; `None`: the names are unique already.
fn unique_names(schema: &SchemaRef) -> Option<SchemaRef> {
    let names: HashSet<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    if names.len() == schema.fields().len() {
        return None;
    }
    let mut taken: HashSet<String> = HashSet::new();
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let name = field.name();
            if taken.insert(name.clone()) {
                return field.as_ref().clone();
            }
            // A suffixed name may already be the name of another column.
            let mut number = 1_usize;
            let mut other = format!("{name}:{number}");
            while names.contains(other.as_str()) || taken.contains(&other) {
                number += 1;
                other = format!("{name}:{number}");
            }
            taken.insert(other.clone());
            field.as_ref().clone().with_name(other)
        })
        .collect();
    Some(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
}

/// The cells of a batch as text, row by row; `None`: unknown.
///
/// # Errors
///
/// A column type that cannot be formatted.
pub fn cells(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>, Error> {
    let options = FormatOptions::default();
    let columns = batch.columns();
    let formatters = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::Query(error.to_string()))?;
    // A column of type Null has no validity bitmap.
    let nulls: Vec<Option<NullBuffer>> = columns.iter().map(Array::logical_nulls).collect();
    Ok((0..batch.num_rows())
        .map(|row| {
            formatters
                .iter()
                .zip(&nulls)
                .map(|(formatter, nulls)| {
                    let unknown = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                    (!unknown).then(|| formatter.value(row).to_string())
                })
                .collect()
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int32Array, NullArray};
    use datafusion::arrow::datatypes::DataType;

    use super::*;

    fn schema(names: &[&str]) -> SchemaRef {
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Int32, true)).collect();
        Arc::new(Schema::new(fields))
    }

    #[test]
    fn duplicate_column_names_become_unique() {
        assert_eq!(unique_names(&schema(&["a", "b"])), None);
        let renamed = unique_names(&schema(&["a", "a", "b", "a:1", "a"])).expect("two have one name");
        let names: Vec<&str> = renamed.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["a", "a:2", "b", "a:1", "a:3"]);
    }

    #[test]
    fn a_column_with_only_null_is_unknown() {
        let fields = vec![Field::new("n", DataType::Null, true), Field::new("i", DataType::Int32, true)];
        let columns: Vec<Arc<dyn Array>> = vec![Arc::new(NullArray::new(2)), Arc::new(Int32Array::from(vec![Some(7), None]))];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch");
        assert_eq!(cells(&batch).expect("text"), [[None, Some("7".to_owned())], [None, None]]);
    }

    #[test]
    fn the_kind_of_a_fault_is_noted() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut out = ErrorKindWriter { out: Gone, failed: None };
        assert!(out.write_all(b"x").is_err());
        assert_eq!(out.failed, Some(std::io::ErrorKind::BrokenPipe));
    }
}
