//! Appending requests to gateways, and replacing those that were erased from a gateway's log since.

use std::collections::{HashMap, HashSet};

use deltalake_core::arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Date32Array, RecordBatch};
use deltalake_core::arrow::compute::filter_record_batch;
use deltalake_core::arrow::datatypes::TimestampMicrosecondType;
use deltalake_core::arrow::error::ArrowError;
use deltalake_core::kernel::{Add, Remove};
use deltalake_core::writer::{DeltaWriter as _, RecordBatchWriter};
use deltalake_core::{DeltaTable, DeltaTableError};
use futures_util::StreamExt as _;
use vigie_model::GatewayRequest;

use super::commit::ATTEMPTS;
use super::durable::{discard, durable};
use super::files::{conformed, properties};
use super::rows::{BYTES, ROWS, RowBatches, built, write_error};
use super::writer::Writer;
use crate::batch::Batch;
use crate::columns::RequestRow;
use crate::location::{RELOADS, has_vanished};
use crate::read::{DataFile, Scanner, files_of, wrap_read};
use crate::rows::Rows;
use crate::{Error, Lake, Table};

const TABLE: Table = Table::Requests;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The result of appending requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommittedRequests {
    /// Requests that the lake did not have.
    pub added: usize,
    /// Requests that were already in the lake, or twice in the batch.
    pub duplicates: usize,
    /// Requests whose row in the lake was replaced, because their personal part was erased from the log since.
    pub erased: usize,
    /// Requests that were left out: the lake has another request of this gateway with the same number and another time.
    pub differing: usize,
}

impl Lake {
    /// Appends requests to gateways: when this returns they are on disk, and a reader sees either all of them or none.
    ///
    /// A request is a duplicate if its gateway, stream and number are already in the lake. If it was erased from the log since, its row is replaced:
    /// the file with the row is written again without it, so that no reader sees both; the old file stays until a vacuum removes it.
    ///
    /// The check reads the gateways and numbers of the files whose ranges of both overlap the batch's, and each call makes a file per day:
    /// append by the thousand, in the order of the log.
    ///
    /// # Errors
    ///
    /// After an error nothing of the batch is visible, unless only making it durable failed. Appending the batch again is always safe.
    pub async fn append_requests(&self, batch: &[GatewayRequest]) -> Result<CommittedRequests, Error> {
        let mut distinct = CommittedRequests::default();
        let mut rows = first_of_each(batch, &mut distinct);
        if rows.is_empty() {
            return Ok(distinct);
        }
        rows.sort_by_cached_key(|request| (request.day(), request.gateway.clone(), request.stream, request.seq));
        let mut writer = self.writer.lock().await;
        writer.sync_again().await?;
        let mut reloads = 0;
        for attempt in 1..=ATTEMPTS {
            match writer.put_requests(&rows).await {
                Ok(Some(done)) => {
                    return Ok(CommittedRequests {
                        duplicates: done.duplicates + distinct.duplicates,
                        differing: done.differing + distinct.differing,
                        ..done
                    });
                }
                Ok(None) => writer.wait_turn(TABLE, attempt).await?,
                // A file was compacted and removed in the meantime.
                Err(error) if reloads < RELOADS && has_vanished(&error) => reloads += 1,
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy {
            table: TABLE,
            attempts: ATTEMPTS,
        })
    }

    /// The requests of a gateway, or of all, in the order of their gateways and numbers. They are held in memory: for large lakes, use SQL.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn requests(&self, gateway: Option<&str>) -> Result<Vec<GatewayRequest>, Error> {
        let Some(delta) = self.location.load(TABLE).await? else {
            return Ok(Vec::new());
        };
        let mut requests = Vec::new();
        for file in files_of(&delta).map_err(|source| wrap_read(TABLE, source))? {
            if gateway.is_some_and(|gateway| !file.may_hold_entries(gateway, &(0..=i64::MAX))) {
                continue;
            }
            Scanner::new(TABLE, &delta)
                .read(&file, |rows| {
                    for row in 0..rows.len() {
                        // A row without a required value is of a later version.
                        if let Ok(request) = RequestRow::<GatewayRequest>::read(rows, row)
                            && gateway.is_none_or(|gateway| request.gateway == gateway)
                        {
                            requests.push(request);
                        }
                    }
                    Ok(())
                })
                .await?;
        }
        requests.sort_by(|a, b| (&a.gateway, a.stream, a.seq).cmp(&(&b.gateway, b.stream, b.seq)));
        Ok(requests)
    }
}

/// The requests of a batch, each number of a gateway once; of an entry and the same one erased, the latter.
fn first_of_each<'b>(batch: &'b [GatewayRequest], done: &mut CommittedRequests) -> Vec<&'b GatewayRequest> {
    let mut rows: Vec<&GatewayRequest> = Vec::with_capacity(batch.len());
    let mut places: HashMap<Key<'_>, usize> = HashMap::with_capacity(batch.len());
    for request in batch {
        match places.get(&key(request)) {
            None => {
                places.insert(key(request), rows.len());
                rows.push(request);
            }
            Some(at) if !is_same_instant(rows[*at].time.timestamp_micros(), request) => done.differing += 1,
            Some(at) => {
                done.duplicates += 1;
                if request.erased {
                    rows[*at] = request;
                }
            }
        }
    }
    rows
}

fn is_same_instant(stored: i64, request: &GatewayRequest) -> bool {
    stored == request.time.timestamp_micros()
}

/// What the lake has under the number of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    Nothing,
    /// The request, or the same one erased.
    Same,
    /// A request of another time.
    Other,
    /// The request as it was before it was erased, in the file of this index.
    NotErased(usize),
}

impl Writer {
    /// Appends the requests that the lake lacks, and replaces those that were erased since. `None`: another writer committed first.
    async fn put_requests(&mut self, rows: &[&GatewayRequest]) -> Result<Option<CommittedRequests>, Error> {
        let delta = self.refreshed(TABLE).await?.cloned();
        let mut stored = vec![Stored::Nothing; rows.len()];
        let mut files = Vec::new();
        if let Some(delta) = &delta {
            files = files_of(delta).map_err(|source| wrap_read(TABLE, source))?;
            mark_stored(delta, &files, rows, &mut stored).await?;
        }
        let count = |of: fn(&Stored) -> bool| stored.iter().filter(|one| of(one)).count();
        let done = CommittedRequests {
            added: count(|one| *one == Stored::Nothing),
            duplicates: count(|one| *one == Stored::Same),
            erased: count(|one| matches!(one, Stored::NotErased(_))),
            differing: count(|one| *one == Stored::Other),
        };
        let new: Vec<&GatewayRequest> = rows
            .iter()
            .zip(&stored)
            .filter(|(_, stored)| matches!(stored, Stored::Nothing | Stored::NotErased(_)))
            .map(|(request, _)| *request)
            .collect();
        let mut removes = Vec::new();
        let mut rewritten = Vec::new();
        if let Some(delta) = &delta
            && done.erased > 0
        {
            let folder = self.folder(TABLE);
            for (at, file) in files.iter().enumerate() {
                let gone: HashSet<Key<'_>> = rows
                    .iter()
                    .zip(&stored)
                    .filter(|(_, stored)| **stored == Stored::NotErased(at))
                    .map(|(request, _)| key(request))
                    .collect();
                if gone.is_empty() {
                    continue;
                }
                match without(delta, folder.as_deref(), file, &gone).await {
                    Ok(adds) => rewritten.extend(adds),
                    Err(error) => {
                        discard(delta, &rewritten).await;
                        return Err(error);
                    }
                }
                removes.extend(remove_action(delta, file)?);
            }
        }
        let committed = self.try_exchange(TABLE, removes, rewritten, by_day(&new)).await?;
        Ok(committed.map(|_| done))
    }
}

/// Gateway, stream and number of a request.
type Key<'k> = (&'k str, i32, i64);

fn key(request: &GatewayRequest) -> Key<'_> {
    (
        &request.gateway,
        i32::try_from(request.stream).unwrap_or(i32::MAX),
        i64::try_from(request.seq).unwrap_or(i64::MAX),
    )
}

/// Finds the requests that are already in the lake.
async fn mark_stored(delta: &DeltaTable, files: &[DataFile], rows: &[&GatewayRequest], stored: &mut [Stored]) -> Result<(), Error> {
    let mut gateways: HashMap<&str, HashMap<(i32, i64), usize>> = HashMap::new();
    for (at, request) in rows.iter().enumerate() {
        let (gateway, stream, seq) = key(request);
        gateways.entry(gateway).or_default().insert((stream, seq), at);
    }
    let ranges: Vec<_> = gateways
        .iter()
        .filter_map(|(gateway, numbers)| {
            let seqs = || numbers.keys().map(|(_, seq)| *seq);
            Some((*gateway, seqs().min()?..=seqs().max()?))
        })
        .collect();
    for (number, file) in files.iter().enumerate() {
        if !ranges.iter().any(|(gateway, seqs)| file.may_hold_entries(gateway, seqs)) {
            continue;
        }
        Scanner::new(TABLE, delta)
            .columns(&["gateway", "stream", "seq", "time", "erased"])
            .read(file, |found| {
                let (names, streams) = (found.texts("gateway"), found.ints("stream"));
                let (seqs, times) = (found.longs("seq"), found.instants("time"));
                for row in 0..found.len() {
                    let Some(at) = names
                        .get(row)
                        .and_then(|name| gateways.get(name))
                        .and_then(|of| of.get(&(streams.get(row)?, seqs.get(row)?)))
                    else {
                        continue;
                    };
                    let request = rows[*at];
                    let was_erased = found.flag("erased", row) == Some(true);
                    stored[*at] = if !times.get(row).is_some_and(|time| is_same_instant(time, request)) {
                        Stored::Other
                    } else if request.erased && !was_erased {
                        Stored::NotErased(number)
                    } else {
                        Stored::Same
                    };
                }
                Ok(())
            })
            .await?;
    }
    Ok(())
}

/// Rows of one day per batch. The requests are sorted by day.
fn by_day<'r>(requests: &'r [&'r GatewayRequest]) -> impl RowBatches + use<'r> {
    let mut all = requests.iter().peekable();
    std::iter::from_fn(move || {
        let first = all.next()?;
        let day = first.day();
        let mut batch = Batch::new(TABLE.spec(), (all.len() + 1).min(ROWS));
        RequestRow::<&GatewayRequest>::put(first, &mut batch);
        while batch.rows() < ROWS
            && batch.text_bytes() < BYTES
            && let Some(next) = all.next_if(|next| next.day() == day)
        {
            RequestRow::<&GatewayRequest>::put(next, &mut batch);
        }
        built(TABLE, batch).transpose()
    })
}

/// Writes the rows of a file again without some of them.
async fn without(
    delta: &DeltaTable,
    folder: Option<&std::path::Path>,
    file: &DataFile,
    gone: &HashSet<Key<'_>>,
) -> Result<Vec<Add>, Error> {
    let wrap = |source: DeltaTableError| write_error(TABLE, source);
    let arrow_error = |source| wrap(DeltaTableError::Arrow { source });
    let mut writer = RecordBatchWriter::for_table(delta)
        .map_err(wrap)?
        .with_writer_properties(properties(TABLE));
    let schema = writer.arrow_schema();
    let mut rows = Scanner::new(TABLE, delta).stream(file).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|source| wrap(DeltaTableError::Parquet { source }))?;
        let rows = Rows::new(batch);
        let key = |row: usize| Some((rows.text("gateway", row)?, rows.int("stream", row)?, rows.long("seq", row)?));
        let stays = |row: usize| !key(row).is_some_and(|key| gone.contains(&key));
        let keep: BooleanArray = (0..rows.len()).map(|row| Some(stays(row))).collect();
        let kept = filter_record_batch(rows.batch(), &keep)
            .and_then(|kept| with_day(&kept))
            .and_then(|kept| conformed(&kept, &schema))
            .map_err(arrow_error)?;
        if kept.num_rows() > 0 {
            writer.write(kept).await.map_err(wrap)?;
        }
    }
    let adds = writer.flush().await.map_err(wrap)?;
    durable(delta, folder, adds).await
}

/// Adds the day of each row, which the files of the table do not hold.
fn with_day(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    if rows.column_by_name("date").is_some() {
        return Ok(rows.clone());
    }
    let times = rows
        .column_by_name("time")
        .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
        .filter(|times| times.null_count() == 0)
        .ok_or_else(|| ArrowError::SchemaError("a request without a time".to_owned()))?;
    let days: Date32Array = times
        .values()
        .iter()
        .map(|micros| i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok())
        .collect();
    let columns = rows.schema_ref().fields().iter().zip(rows.columns());
    let columns = columns.map(|(field, column)| (field.name().clone(), ArrayRef::clone(column)));
    RecordBatch::try_from_iter_with_nullable(
        std::iter::once(("date".to_owned(), std::sync::Arc::new(days) as ArrayRef))
            .chain(columns)
            .map(|(name, column)| (name, column, true)),
    )
}

fn remove_action(delta: &DeltaTable, file: &DataFile) -> Result<Option<Remove>, Error> {
    let snapshot = delta.snapshot().map_err(|source| write_error(TABLE, source))?;
    let entry = snapshot.log_data().iter().find(|one| one.path() == file.path);
    Ok(entry.map(|one| one.remove_action(true)))
}
