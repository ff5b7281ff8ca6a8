//! Writing Parquet files, before they are committed.

use std::collections::HashSet;
use std::path::Path;

use deltalake_core::arrow::array::{ArrayRef, AsArray as _, RecordBatch, new_null_array};
use deltalake_core::arrow::compute::cast;
use deltalake_core::arrow::datatypes::{Date32Type, SchemaRef};
use deltalake_core::arrow::error::ArrowError;
use deltalake_core::kernel::Add;
use deltalake_core::parquet::basic::{Compression, Encoding, ZstdLevel};
use deltalake_core::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use deltalake_core::parquet::schema::types::ColumnPath;
use deltalake_core::writer::{DeltaWriter as _, RecordBatchWriter};
use deltalake_core::{DeltaTable, DeltaTableError};

use super::durable::{discard, durable};
use super::rows::{RowBatches, write_error};
use crate::{Error, Table};

/// The most days whose files are open at a time: an open file takes a tenth of a megabyte per column. More than one, because an object
/// store answers slowly.
const OPEN_DAYS: usize = 4;

/// Writes rows into new files of a table and makes them durable.
pub(crate) async fn written(
    delta: &DeltaTable,
    table: Table,
    folder: Option<&Path>,
    writer: RecordBatchWriter,
    batches: impl RowBatches,
) -> Result<Vec<Add>, Error> {
    let mut adds = Vec::new();
    if let Err(error) = write_all(table, writer, batches, &mut adds).await {
        discard(delta, &adds).await;
        return Err(error);
    }
    durable(delta, folder, adds).await
}

/// Writes rows into files, a few days at a time. `adds` lists the finished files, also after an error.
async fn write_all(table: Table, writer: RecordBatchWriter, batches: impl RowBatches, adds: &mut Vec<Add>) -> Result<(), Error> {
    let wrap = |source: DeltaTableError| write_error(table, source);
    let schema = writer.arrow_schema();
    let mut writer = writer.with_writer_properties(properties(table));
    let mut open = HashSet::new();
    for batch in batches {
        let batch = conformed(&batch?, &schema).map_err(|source| wrap(DeltaTableError::Arrow { source }))?;
        let day = day_of(table, &batch);
        if open.len() == OPEN_DAYS && !open.contains(&day) {
            adds.extend(writer.flush().await.map_err(wrap)?);
            open.clear();
        }
        open.insert(day);
        writer.write(batch).await.map_err(wrap)?;
    }
    adds.extend(writer.flush().await.map_err(wrap)?);
    Ok(())
}

/// The day of a batch, whose rows are all of one day; `None`: the table has no partition by day.
fn day_of(table: Table, batch: &RecordBatch) -> Option<i32> {
    let days = batch.column_by_name(table.spec().partition?)?;
    Some(days.as_primitive_opt::<Date32Type>()?.value(0))
}

/// Converts a batch to the table's columns: missing columns become NULL. Compacted files may hold texts as views.
pub(crate) fn conformed(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(ArrayRef::clone(column)),
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new(SchemaRef::clone(schema), columns)
}

/// Properties of appended files: light compression and no statistics per page, because compaction rewrites them soon.
pub(crate) fn properties(table: Table) -> WriterProperties {
    with_level(table, 1).set_statistics_enabled(EnabledStatistics::Chunk).build()
}

/// Properties of compacted files, which stay: strong compression.
#[cfg(feature = "upkeep")]
pub(crate) fn compacted_properties(table: Table) -> WriterProperties {
    with_level(table, 12).build()
}

fn with_level(table: Table, level: i32) -> WriterPropertiesBuilder {
    let level = ZstdLevel::try_new(level).unwrap_or_default();
    let mut properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    // Instants rarely repeat, and their differences are small, as are those of the numbers of a log.
    let ascending: &[&str] = match table {
        Table::Observations => &["seen", "recorded"],
        Table::Requests => &["seq", "time"],
        _ => &[],
    };
    for column in ascending {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(*column), false)
            .set_column_encoding(ColumnPath::from(*column), Encoding::DELTA_BINARY_PACKED);
    }
    if table == Table::Observations {
        // Sorted addresses share their first digits with the one before.
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from("address"), false)
            .set_column_encoding(ColumnPath::from("address"), Encoding::DELTA_BYTE_ARRAY);
    }
    properties
}
