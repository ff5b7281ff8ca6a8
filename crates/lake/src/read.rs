//! Reading: the current files, the history of one host, the scans.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use deltalake_core::arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use deltalake_core::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use deltalake_core::arrow::error::ArrowError;
use deltalake_core::parquet::arrow::ProjectionMask;
use deltalake_core::parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderOptions, RowFilter, RowSelection, RowSelector};
use deltalake_core::parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use deltalake_core::parquet::errors::ParquetError;
use deltalake_core::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use deltalake_core::{DeltaTable, DeltaTableError, ObjectStore};
use vigie_model::{Observation, Timestamp};

use crate::contents::Contents;
use crate::rows::Rows;
use crate::scan::Scan;
use crate::{Error, Lake, Table};

/// A data file of the current version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeFile {
    /// Its table.
    pub table: Table,
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Lake {
    /// Every observation of an address, on every port and under every name, the newest first.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn history(&self, address: IpAddr) -> Result<Vec<Observation>, Error> {
        let tables = self.tables().await?;
        let table = Table::Observations;
        let Some(delta) = tables.get(&table) else {
            return Ok(Vec::new());
        };
        let text = address.to_string();
        let mut found = Vec::new();
        for file in files_of(delta).map_err(|source| wrap_read(table, source))? {
            if file.may_hold_address(&text) {
                Scanner::new(table, delta)
                    .address(&text)
                    .read(&file, |rows| {
                        found.push(rows.clone());
                        Ok(())
                    })
                    .await?;
            }
        }
        let ids = |column: &str| -> HashSet<i64> {
            found
                .iter()
                .flat_map(|rows| (0..rows.len()).filter_map(|row| rows.long(column, row)))
                .collect()
        };
        let contents = contents(&tables, ids("state"), ids("running_state")).await?;
        let mut history = Vec::new();
        for rows in &found {
            for row in 0..rows.len() {
                let observation = contents.observation(rows, row).map_err(|missing| Error::Broken {
                    address: text.clone(),
                    missing,
                })?;
                history.push(observation);
            }
        }
        history.sort_by(|a, b| b.seen.cmp(&a.seen).then_with(|| a.endpoint.key().cmp(&b.endpoint.key())));
        Ok(history)
    }

    /// The scans, the latest started first. A scan that was interrupted has no `finished`.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn scans(&self) -> Result<Vec<Scan>, Error> {
        let tables = self.tables().await?;
        let Some(delta) = tables.get(&Table::Scans) else {
            return Ok(Vec::new());
        };
        let mut scans: HashMap<String, (Timestamp, Scan)> = HashMap::new();
        for file in files_of(delta).map_err(|source| wrap_read(Table::Scans, source))? {
            Scanner::new(Table::Scans, delta)
                .read(&file, |rows| {
                    for row in 0..rows.len() {
                        let Some((scan, written)) = Scan::read(rows, row) else { continue };
                        match scans.get(&scan.id) {
                            // If both were written in one microsecond, the finished one is the later.
                            Some((then, kept)) if (*then, kept.finished) >= (written, scan.finished) => {}
                            _ => {
                                scans.insert(scan.id.clone(), (written, scan));
                            }
                        }
                    }
                    Ok(())
                })
                .await?;
        }
        let mut scans: Vec<Scan> = scans.into_values().map(|(_, scan)| scan).collect();
        scans.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.id.cmp(&b.id)));
        Ok(scans)
    }

    /// The data files of the current version, for engines that read Parquet but not the Delta log.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn files(&self) -> Result<Vec<LakeFile>, Error> {
        let mut files = Vec::new();
        for (table, delta) in self.tables().await? {
            let folder = self.dir().join(table.name());
            let counted = files_of(&delta).map_err(|source| wrap_read(table, source))?;
            files.extend(counted.into_iter().map(|file| LakeFile {
                table,
                path: folder.join(&file.path),
                bytes: file.bytes,
            }));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

type ReadRows = fn(&mut Contents, &Rows);

/// Reads the contents of these states and lists of running models.
pub(crate) async fn contents(tables: &BTreeMap<Table, DeltaTable>, states: HashSet<i64>, running: HashSet<i64>) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    let (states, running) = (Arc::new(states), Arc::new(running));
    // States first: rows that belong to none of them are skipped.
    let order: [(Table, &Arc<HashSet<i64>>, ReadRows); 5] = [
        (Table::States, &states, Contents::read_states),
        (Table::Models, &states, Contents::read_models),
        (Table::Tools, &states, Contents::read_tools),
        (Table::Evidence, &states, Contents::read_evidence),
        (Table::Running, &running, Contents::read_running),
    ];
    for (table, wanted, read) in order {
        let Some(delta) = tables.get(&table) else { continue };
        if wanted.is_empty() {
            continue;
        }
        // A content may be stored twice (see `REMEMBERED`); in each file it is complete.
        let mut found: HashSet<i64> = HashSet::new();
        for file in files_of(delta).map_err(|source| wrap_read(table, source))? {
            let left: HashSet<i64> = wanted.difference(&found).copied().collect();
            if left.is_empty() {
                break;
            }
            Scanner::new(table, delta)
                .ids(Arc::new(left))
                .read(&file, |rows| {
                    let column = table.spec().indexed;
                    found.extend((0..rows.len()).filter_map(|row| rows.long(column, row)));
                    read(&mut contents, rows);
                    Ok(())
                })
                .await?;
        }
    }
    contents.settle();
    Ok(contents)
}

/// A file of a table, with its entry in the log.
pub(crate) struct DataFile {
    /// Relative to the table's folder.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) modified: i64,
    pub(crate) object: deltalake_core::Path,
    seen: Option<(i64, i64)>,
    addresses: Option<(String, String)>,
    gateways: Option<(String, String)>,
    seqs: Option<(i64, i64)>,
}

impl DataFile {
    /// Whether it may contain an observation between two instants, in microseconds, both included.
    pub(crate) fn may_hold_seen(&self, from: i64, until: i64) -> bool {
        self.seen.is_none_or(|(first, last)| first <= until && from <= last)
    }

    /// Whether it may contain an entry of a gateway's log with a number in a range.
    pub(crate) fn may_hold_entries(&self, gateway: &str, seqs: &std::ops::RangeInclusive<i64>) -> bool {
        self.gateways
            .as_ref()
            .is_none_or(|(first, last)| first.as_str() <= gateway && gateway <= last.as_str())
            && self.seqs.is_none_or(|(first, last)| first <= *seqs.end() && *seqs.start() <= last)
    }

    pub(crate) fn may_hold_address(&self, address: &str) -> bool {
        self.addresses
            .as_ref()
            .is_none_or(|(first, last)| first.as_str() <= address && address <= last.as_str())
    }
}

/// The files of the loaded version.
pub(crate) fn files_of(delta: &DeltaTable) -> Result<Vec<DataFile>, DeltaTableError> {
    let files = delta.snapshot()?.log_data();
    Ok(files
        .iter()
        .map(|file| {
            let stats: serde_json::Value = file.stats().and_then(|stats| serde_json::from_str(&stats).ok()).unwrap_or_default();
            let text = |which: &str, column: &str| Some(stats.get(which)?.get(column)?.as_str()?.to_owned());
            let number = |which: &str, column: &str| stats.get(which)?.get(column)?.as_i64();
            let instant = |which: &str| {
                DateTime::parse_from_rfc3339(&text(which, "seen")?)
                    .ok()
                    .map(|time| time.timestamp_micros())
            };
            DataFile {
                path: file.path().into_owned(),
                bytes: u64::try_from(file.size()).unwrap_or(0),
                modified: file.modification_time(),
                object: file.object_store_path(),
                // The log rounds instants to the millisecond, up or down.
                seen: instant("minValues")
                    .zip(instant("maxValues"))
                    .map(|(first, last)| (first - 1000, last + 1000)),
                addresses: text("minValues", "address").zip(text("maxValues", "address")),
                gateways: text("minValues", "gateway").zip(text("maxValues", "gateway")),
                seqs: number("minValues", "seq").zip(number("maxValues", "seq")),
            }
        })
        .collect())
}

type Predicate = Box<dyn FnMut(&RecordBatch) -> Option<BooleanArray> + Send>;

/// Reads files of one table.
pub(crate) struct Scanner<'a> {
    table: Table,
    delta: &'a DeltaTable,
    columns: Option<&'a [&'a str]>,
    rows: Option<Vec<u32>>,
    keep: Vec<(&'static str, Predicate)>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(table: Table, delta: &'a DeltaTable) -> Self {
        Self {
            table,
            delta,
            columns: None,
            rows: None,
            keep: Vec::new(),
        }
    }

    /// Only these columns.
    pub(crate) fn columns(mut self, columns: &'a [&'a str]) -> Self {
        self.columns = Some(columns);
        self
    }

    /// Only these rows, by their numbers in the file, ascending and each once.
    pub(crate) fn rows(mut self, rows: impl IntoIterator<Item = u32>) -> Self {
        self.rows = Some(rows.into_iter().collect());
        self
    }

    /// Only rows seen between two instants, both included.
    pub(crate) fn seen(mut self, from: i64, until: i64) -> Self {
        let keep = move |batch: &RecordBatch| {
            let seen = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>()?;
            Some(
                seen.iter()
                    .map(|seen| Some(seen.is_some_and(|seen| (from..=until).contains(&seen))))
                    .collect(),
            )
        };
        self.keep.push(("seen", Box::new(keep)));
        self
    }

    /// Only rows of this address.
    fn address(mut self, address: &str) -> Self {
        let address = address.to_owned();
        let keep = move |batch: &RecordBatch| {
            let rows = Rows::new(batch.clone());
            let matches = |row| Some(rows.text("address", row) == Some(address.as_str()));
            Some((0..rows.len()).map(matches).collect())
        };
        self.keep.push(("address", Box::new(keep)));
        self
    }

    /// Only rows of these contents.
    fn ids(mut self, wanted: Arc<HashSet<i64>>) -> Self {
        let keep = move |batch: &RecordBatch| {
            let ids = batch.column(0).as_primitive_opt::<Int64Type>()?;
            Some(ids.iter().map(|id| Some(id.is_some_and(|id| wanted.contains(&id)))).collect())
        };
        self.keep.push((self.table.spec().indexed, Box::new(keep)));
        self
    }

    pub(crate) async fn read(self, file: &DataFile, mut take: impl FnMut(&Rows) -> Result<(), Error>) -> Result<(), Error> {
        let table = self.table;
        let wrap = |source: ParquetError| wrap_read(table, DeltaTableError::Parquet { source });
        let mut stream = self.stream(file).await?;
        while let Some(batches) = stream.next_row_group().await.map_err(wrap)? {
            for batch in batches {
                let batch = batch.map_err(|source| wrap_read(table, DeltaTableError::Arrow { source }))?;
                take(&Rows::new(batch))?;
            }
        }
        Ok(())
    }

    pub(crate) async fn stream(self, file: &DataFile) -> Result<ParquetRecordBatchStream<StoredFile>, Error> {
        let table = self.table;
        let wrap = |source: ParquetError| wrap_read(table, DeltaTableError::Parquet { source });
        let reader = StoredFile {
            store: self.delta.object_store(),
            path: file.object.clone(),
            bytes: file.bytes,
        };
        let mut builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(wrap)?;
        let schema = builder.metadata().file_metadata().schema_descr_ptr();
        if !self.keep.is_empty() {
            let predicates = self
                .keep
                .into_iter()
                .map(|(column, mut keep)| {
                    let mask = ProjectionMask::columns(&schema, [column]);
                    let predicate = move |batch: RecordBatch| {
                        keep(&batch).ok_or_else(|| ArrowError::SchemaError(format!("{column} is of another type")))
                    };
                    Box::new(ArrowPredicateFn::new(mask, predicate)) as Box<_>
                })
                .collect();
            builder = builder.with_row_filter(RowFilter::new(predicates));
        }
        if let Some(rows) = self.rows {
            builder = builder.with_row_selection(selected(&rows));
        }
        if let Some(columns) = self.columns {
            let mask = ProjectionMask::columns(&schema, columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        builder.with_batch_size(8192).build().map_err(wrap)
    }
}

/// Runs of rows to read and to skip.
fn selected(rows: &[u32]) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut next = 0;
    for run in rows.chunk_by(|a, b| a + 1 == *b) {
        let Some(first) = run.first() else { continue };
        let first = *first as usize;
        if first > next {
            selectors.push(RowSelector::skip(first - next));
        }
        selectors.push(RowSelector::select(run.len()));
        next = first + run.len();
    }
    selectors.into()
}

/// A file in the table's store. The reader of the parquet crate is deprecated.
pub(crate) struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: deltalake_core::Path,
    bytes: u64,
}

type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, ParquetError>> + Send + 'a>>;

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> Reading<'_, Bytes> {
        Box::pin(async move {
            let parts = self.get_byte_ranges(vec![range]).await?;
            parts
                .into_iter()
                .next()
                .ok_or_else(|| ParquetError::General("the store returned no bytes".to_owned()))
        })
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> Reading<'_, Vec<Bytes>> {
        Box::pin(async move {
            self.store
                .get_ranges(&self.path, &ranges)
                .await
                .map_err(|source| ParquetError::External(Box::new(source)))
        })
    }

    fn get_metadata<'a>(&'a mut self, options: Option<&'a ArrowReaderOptions>) -> Reading<'a, Arc<ParquetMetaData>> {
        Box::pin(async move {
            let bytes = self.bytes;
            ParquetMetaDataReader::new()
                .with_arrow_reader_options(options)
                .load_and_finish(self, bytes)
                .await
                .map(Arc::new)
        })
    }
}

pub(crate) fn wrap_read(table: Table, source: DeltaTableError) -> Error {
    Error::Read {
        table,
        source: Box::new(source),
    }
}
