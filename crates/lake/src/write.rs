//! Appending: what observations point to first, the observations last.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use deltalake_core::arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, new_null_array};
use deltalake_core::arrow::compute::cast;
use deltalake_core::arrow::datatypes::{Date32Type, SchemaRef};
use deltalake_core::arrow::error::ArrowError;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, Remove, Transaction};
use deltalake_core::parquet::basic::{Compression, Encoding, ZstdLevel};
use deltalake_core::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use deltalake_core::parquet::schema::types::ColumnPath;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::writer::{DeltaWriter as _, RecordBatchWriter};
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::ObjectStoreExt as _;
use vigie_model::{Observation, Timestamp};

use crate::place::{LOOKS, Place, has_vanished};
use crate::read::{Scanner, files_of, wrap_read};
use crate::record::{Key, Prepared, Scan};
use crate::rows::Batch;
use crate::{Error, Lake, Table};

/// Every commit of vigie names this application, which makes two that race conflict: the second is told and looks
/// again at what is already there.
pub(crate) const APPLICATION: &str = "vigie.append";

/// A checkpoint is written after this many commits: delta-rs' own default, which the tables do not change.
const CHECKPOINT: u64 = 100;

/// How often a commit is tried against other writers. Each attempt that fails means that another one succeeded.
pub(crate) const ATTEMPTS: u32 = 200;

/// How many ids of each table are remembered. With more contents than this in a table, one that comes back after that
/// many others may be stored a second time: readers take the first.
const REMEMBERED: usize = 1 << 20;

/// Rows that are turned into columns together: few enough for the processor's own memory.
const ROWS: usize = 8192;

/// Bytes of text after which rows are handed on all the same: a row of a state may be as long as a server likes.
const BYTES: usize = 8 << 20;

/// Days whose files are open at a time: each open file takes a tenth of a megabyte for each of its columns, whatever it holds. More than
/// one, for an object store answers late.
const OPEN_DAYS: usize = 4;

/// What an append did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Observations that were added.
    pub observations: usize,
    /// Observations that the lake, or the batch itself, already held.
    pub duplicates: usize,
    /// States that were new.
    pub states: usize,
}

impl Lake {
    /// Appends observations: when this returns they are on disk, and a reader sees all of them or, before, none.
    ///
    /// An observation whose source (kind, name, vantage), instant and endpoint are already there adds nothing. The check
    /// against the lake reads only the files whose `seen` overlaps the batch's: nothing for a scan, which moves
    /// forward in time, and the days concerned for an import, so import in order of time or in large batches. Instants
    /// are kept to the microsecond. Each call makes a file per day: group observations by the minute or the thousand.
    ///
    /// # Errors
    ///
    /// If it fails nothing of the batch counts, unless making it durable was what failed; appending it again is always
    /// right.
    pub async fn append(&self, batch: &[Observation]) -> Result<Committed, Error> {
        let mut done = Committed::default();
        if batch.is_empty() {
            return Ok(done);
        }
        let mut prepared = self.prepared(batch)?;

        let mut writer = self.writer.lock().await;
        writer.sync_again().await?;
        // What is there already must not leave states behind.
        writer.drop_present(&mut prepared).await?;
        prepared.sort_by_key(|one| one.place);

        done.states = writer.put_pointed_to(&prepared).await?;
        done.observations = writer.put_observations(&mut prepared).await?;
        done.duplicates = batch.len() - done.observations;
        // Contents that were there a moment ago may have been taken out with the last observation that pointed to them: the state
        // itself goes last.
        if writer.has_lost_files(Table::States).await? {
            for (table, put) in OF_A_STATE {
                writer.put_contents(table, &states_of(&prepared), put).await?;
            }
        }
        if writer.has_lost_files(Table::Running).await? {
            let (table, put) = OF_RUNNING;
            writer.put_contents(table, &running_of(&prepared), put).await?;
        }
        Ok(done)
    }

    /// The observations of a batch with the ids of their contents, each once.
    pub(crate) fn prepared<'b>(&self, batch: &'b [Observation]) -> Result<Vec<Prepared<'b>>, Error> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut prepared: Vec<Prepared<'b>> = Vec::with_capacity(batch.len());
        for observation in batch {
            // Servers of one kind come in runs that say the same, and comparing is cheaper than hashing.
            let last = prepared.last().filter(|_| observation.exposure.is_alone());
            let ids = match last.and_then(|last| last.ids_of(observation)) {
                Some(ids) => ids,
                None => noted.ids(observation)?,
            };
            prepared.push(Prepared::new(observation, ids));
        }
        let mut keys = HashSet::with_capacity(prepared.len());
        let first: Vec<bool> = prepared.iter().map(|one| keys.insert(one.key())).collect();
        drop(keys);
        let mut first = first.into_iter();
        prepared.retain(|_| first.next() == Some(true));
        Ok(prepared)
    }

    /// Keeps what it takes to repeat a scan. Call it when the scan starts and again when it ends.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub async fn record_scan(&self, scan: &Scan, now: Timestamp) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        for attempt in 1..=ATTEMPTS {
            let mut batch = Batch::new(Table::Scans, 1);
            scan.put(&mut batch, now);
            let batch = built(Table::Scans, batch).transpose();
            if writer.try_commit(Table::Scans, batch.into_iter()).await?.is_some() {
                return Ok(());
            }
            writer.wait_turn(Table::Scans, attempt).await?;
        }
        Err(Error::Busy {
            table: Table::Scans,
            attempts: ATTEMPTS,
        })
    }
}

/// Puts what an observation says into a table.
pub(crate) type Put = fn(&Prepared<'_>, &mut Batch);

/// The tables of a state in the order in which they are written: the state itself last, so that one that is there is
/// whole.
pub(crate) const OF_A_STATE: [(Table, Put); 4] = [
    (Table::Models, |one, batch| one.put_models(batch)),
    (Table::Tools, |one, batch| one.put_tools(batch)),
    (Table::Evidence, |one, batch| one.put_evidence(batch)),
    (Table::States, |one, batch| one.put_state(batch)),
];

/// The table that leads to them.
pub(crate) const OF_OBSERVATIONS: (Table, Put) = (Table::Observations, |one, batch| one.put_observation(batch));

/// And the one of the models in memory.
pub(crate) const OF_RUNNING: (Table, Put) = (Table::Running, |one, batch| one.put_running(batch));

/// Contents that were met, so that each is stored once.
#[derive(Debug, Default)]
struct Ids {
    files: HashSet<String>,
    ids: HashSet<i64>,
}

/// The tables as this process last saw them.
#[derive(Debug)]
pub(crate) struct Writer {
    place: Place,
    tables: BTreeMap<Table, DeltaTable>,
    ids: HashMap<Table, Ids>,
    /// How often files of a table that this process knew were found gone.
    losses: HashMap<Table, u64>,
    /// Tables with a commit that could not be made durable.
    unsynced: BTreeSet<Table>,
}

impl Writer {
    pub(crate) fn over(place: Place) -> Self {
        Self {
            place,
            tables: BTreeMap::new(),
            ids: HashMap::new(),
            losses: HashMap::new(),
            unsynced: BTreeSet::new(),
        }
    }

    /// A table that is there, as this process last saw it, with the columns that an older version did not have; `None`: nobody
    /// has written to it yet.
    async fn opened(&mut self, table: Table) -> Result<Option<&mut DeltaTable>, Error> {
        if !self.tables.contains_key(&table) {
            let Some(delta) = self.place.load(table).await? else {
                return Ok(None);
            };
            let delta = grown(delta, table).await.map_err(|source| self.place.cannot_open(table, source))?;
            self.tables.insert(table, delta);
        }
        Ok(self.tables.get_mut(&table))
    }

    /// A table with what other writers added to it; `None`: it is not there. What is then found missing is committed on top of
    /// exactly this version, or makes the table.
    async fn refreshed(&mut self, table: Table) -> Result<Option<&mut DeltaTable>, Error> {
        if let Some(delta) = self.tables.get_mut(&table)
            && delta.update_state().await.is_err()
        {
            // The entries of the log behind what was seen may have been removed: a checkpoint stands for them.
            self.tables.remove(&table);
            return self.opened(table).await;
        }
        self.opened(table).await
    }

    /// Those of the contents that the table does not hold.
    async fn missing<'p>(&mut self, table: Table, wanted: &[(i64, &'p Prepared<'p>)]) -> Result<Vec<(i64, &'p Prepared<'p>)>, Error> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.known(table).await?;
        Ok(wanted
            .iter()
            .filter(|(id, _)| known.is_none_or(|known| !known.contains(id)))
            .copied()
            .collect())
    }

    /// The contents that a table holds now; `None`: there is no table.
    async fn known(&mut self, table: Table) -> Result<Option<&HashSet<i64>>, Error> {
        for look in 1.. {
            match self.learn(table).await {
                Ok(true) => break,
                Ok(false) => return Ok(None),
                // It was put together with others and removed meanwhile.
                Err(error) if look < LOOKS && has_vanished(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(&self.ids.entry(table).or_default().ids))
    }

    /// Reads what files hold that this process does not know; `false`: there is no table.
    async fn learn(&mut self, table: Table) -> Result<bool, Error> {
        let Some(delta) = self.refreshed(table).await?.cloned() else {
            return Ok(false);
        };
        let known = self.ids.entry(table).or_default();
        let mut files = files_of(&delta).map_err(|source| wrap_read(table, source))?;
        let current: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        // Files go when they are put together, and when contents are taken out: then it is not known any more what is there.
        let is_lost = known.files.iter().any(|path| !current.contains(path.as_str()));
        *self.losses.entry(table).or_default() += u64::from(is_lost);
        if is_lost || known.ids.len() > 2 * REMEMBERED {
            *known = Ids::default();
        }
        drop(current);
        files.retain(|file| !known.files.contains(&file.path));
        files.sort_by_key(|file| std::cmp::Reverse(file.modified));
        let column = table.spec().indexed;
        for file in files {
            if known.ids.len() < REMEMBERED {
                Scanner::new(table, &delta)
                    .columns(&[column])
                    .read(&file, |rows| {
                        for row in 0..rows.len() {
                            known.ids.extend(rows.long(column, row));
                        }
                        Ok(())
                    })
                    .await?;
            }
            known.files.insert(file.path);
        }
        Ok(true)
    }

    /// Stores what observations point to and the lake does not hold yet; gives how many states.
    pub(crate) async fn put_pointed_to(&mut self, prepared: &[Prepared<'_>]) -> Result<usize, Error> {
        let states = states_of(prepared);
        let new = self.missing(Table::States, &states).await?;
        let mut stored = 0;
        // Each of these tables is asked for itself: a writer that was killed between two of them left the first.
        for (table, put) in OF_A_STATE {
            let put = self.put_contents(table, &new, put).await?;
            if table == Table::States {
                stored = put;
            }
        }
        let (table, put) = OF_RUNNING;
        self.put_contents(table, &running_of(prepared), put).await?;
        Ok(stored)
    }

    /// How often it was found so far that files of a table are gone.
    pub(crate) fn losses(&self, table: Table) -> u64 {
        self.losses.get(&table).copied().unwrap_or_default()
    }

    /// Whether files that this process knows are gone from a table.
    pub(crate) async fn has_lost_files(&mut self, table: Table) -> Result<bool, Error> {
        if self.ids.get(&table).is_none_or(|known| known.files.is_empty()) {
            return Ok(false);
        }
        let Some(delta) = self.refreshed(table).await?.cloned() else {
            return Ok(true);
        };
        let files = files_of(&delta).map_err(|source| wrap_read(table, source))?;
        let current: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        Ok(self
            .ids
            .get(&table)
            .is_some_and(|known| known.files.iter().any(|path| !current.contains(path.as_str()))))
    }

    /// Appends rows of contents that were taken out and are pointed to again, unless their writer saw it and put them back itself.
    pub(crate) async fn put_back(&mut self, table: Table, rows: &[RecordBatch], ids: &HashSet<i64>) -> Result<(), Error> {
        let column = table.spec().indexed;
        for attempt in 1..=ATTEMPTS {
            let there = self.known(table).await?;
            let lacks = |id: Option<i64>| id.is_some_and(|id| ids.contains(&id) && there.is_none_or(|there| !there.contains(&id)));
            let back: Vec<RecordBatch> = rows
                .iter()
                .map(|rows| crate::rows::picked(rows, column, lacks))
                .collect::<Result<_, _>>()
                .map_err(|source| wrap_read(table, DeltaTableError::Arrow { source }))?;
            let back = back.into_iter().filter(|rows| rows.num_rows() > 0).map(Ok);
            if self.try_commit(table, back).await?.is_some() {
                return Ok(());
            }
            self.wait_turn(table, attempt).await?;
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// Stores the contents that the table does not hold yet; gives how many.
    pub(crate) async fn put_contents(&mut self, table: Table, wanted: &[(i64, &Prepared<'_>)], put: Put) -> Result<usize, Error> {
        for attempt in 1..=ATTEMPTS {
            let missing = self.missing(table, wanted).await?;
            let rows = in_columns(table, missing.iter().map(|(_, one)| *one), put, |_, _| true, (ROWS, BYTES));
            if let Some(files) = self.try_commit(table, rows).await? {
                if files.is_empty() {
                    return Ok(0);
                }
                // Should they be taken out before an observation points to them, it is seen by these files that are gone.
                let known = self.ids.entry(table).or_default();
                known.files.extend(files);
                known.ids.extend(missing.iter().map(|(id, _)| *id));
                return Ok(missing.len());
            }
            self.wait_turn(table, attempt).await?;
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// Appends the rows of observations that the lake does not hold; gives how many those were.
    pub(crate) async fn put_observations(&mut self, rows: &mut impl ObservationRows) -> Result<usize, Error> {
        let table = Table::Observations;
        for attempt in 1..=ATTEMPTS {
            if attempt > 1 {
                self.drop_present(rows).await?;
            }
            if self.try_commit(table, rows.by_day()).await?.is_some() {
                return Ok(rows.len());
            }
            self.wait_turn(table, attempt).await?;
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// Takes out the observations that the lake holds.
    pub(crate) async fn drop_present(&mut self, rows: &mut impl ObservationRows) -> Result<(), Error> {
        for look in 1.. {
            match self.present(rows).await {
                Ok(present) if present.contains(&true) => return rows.drop_those(&present),
                Ok(_) => break,
                // It was put together with others and removed meanwhile.
                Err(error) if look < LOOKS && has_vanished(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Which of the observations the lake holds.
    async fn present(&mut self, waiting: &impl ObservationRows) -> Result<Vec<bool>, Error> {
        let table = Table::Observations;
        let mut present = vec![false; waiting.len()];
        let Some(delta) = self.refreshed(table).await?.cloned() else {
            return Ok(present);
        };
        let keys: HashMap<Key<'_>, usize> = waiting.keys().zip(0..).collect();
        // Most rows are told by their instant alone.
        let instants: HashSet<i64> = keys.keys().map(Key::seen).collect();
        let (Some(from), Some(until)) = (instants.iter().copied().min(), instants.iter().copied().max()) else {
            return Ok(present);
        };
        let files = files_of(&delta).map_err(|source| wrap_read(table, source))?;
        for file in files.iter().filter(|file| file.may_hold_seen(from, until)) {
            Scanner::new(table, &delta)
                .columns(&Key::COLUMNS)
                .seen(from, until)
                .read(file, |rows| {
                    for row in 0..rows.len() {
                        let known = rows.micros("seen", row).is_some_and(|seen| instants.contains(&seen));
                        if known && let Some(at) = Key::read(rows, row).and_then(|key| keys.get(&key).copied()) {
                            present[at] = true;
                        }
                    }
                    Ok(())
                })
                .await?;
        }
        Ok(present)
    }

    /// Writes files and commits them on top of the version that was last seen; gives which, none where there are no rows, or `None` if
    /// another writer was first. Of a table by date, the rows of a day stand together, and no two days in one batch.
    async fn try_commit(&mut self, table: Table, batches: impl RowBatches) -> Result<Option<Vec<String>>, Error> {
        let wrap = |source: DeltaTableError| write_error(table, source);
        let mut batches = batches.peekable();
        if batches.peek().is_none() {
            return Ok(Some(Vec::new()));
        }
        let Some(delta) = self.tables.get_mut(&table) else {
            return self.try_create(table, batches).await;
        };
        let writer = RecordBatchWriter::for_table(delta).map_err(wrap)?;
        let folder = self.place.folder(table);
        let adds = written(delta, table, folder.as_deref(), writer, batches).await?;
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: table.spec().partition.map(|column| vec![column.to_owned()]),
            predicate: None,
        };
        let done = committed(&self.place, table, delta, Vec::new(), &adds, operation).await;
        if matches!(done, Err(Error::Disk { .. })) {
            self.unsynced.insert(table);
        }
        Ok(done?.then(|| paths(adds)))
    }

    /// Makes a table with its first rows, in one commit; `None` if another writer made it first.
    async fn try_create(&mut self, table: Table, batches: impl RowBatches) -> Result<Option<Vec<String>>, Error> {
        let wrap = |source: DeltaTableError| write_error(table, source);
        let (spec, folder) = (table.spec(), self.place.folder(table));
        let empty = self.place.unloaded(table)?;
        let spare = empty.clone();
        let partition = spec.partition.map(|column| vec![column.to_owned()]);
        let schema = SchemaRef::clone(&spec.schema);
        let writer = RecordBatchWriter::try_new(empty.table_url().as_str(), schema, partition, None).map_err(wrap)?;
        let adds = written(&spare, table, folder.as_deref(), writer, batches).await?;
        let created = empty
            .create()
            .with_table_name(table.name())
            .with_comment(spec.comment)
            .with_columns(spec.delta_fields())
            .with_partition_columns(spec.partition)
            .with_configuration([
                ("delta.dataSkippingStatsColumns", Some(spec.indexed)),
                // A scan commits each minute: a month of log entries would outweigh the data.
                ("delta.logRetentionDuration", Some("interval 7 days")),
            ])
            .with_actions(adds.iter().cloned().map(Action::Add))
            .with_save_mode(SaveMode::ErrorIfExists)
            .await;
        let delta = match created {
            Ok(delta) => delta,
            // Another writer made it, or it was made and could not be read back: then the files are its own and stay.
            Err(error) => match self.place.load(table).await? {
                Some(delta) if holds(table, &delta, &adds)? => delta,
                Some(_) => {
                    discard(&spare, &adds).await;
                    return Ok(None);
                }
                None => {
                    discard(&spare, &adds).await;
                    return Err(self.place.cannot_open(table, error));
                }
            },
        };
        self.tables.insert(table, delta);
        self.synced_log(table, 0).await?;
        Ok(Some(paths(adds)))
    }

    /// Makes an entry of a table's log durable; if it fails it is tried again before anything else is acknowledged.
    async fn synced_log(&mut self, table: Table, version: u64) -> Result<(), Error> {
        let synced = sync_log(self.place.folder(table).as_deref(), version).await;
        if synced.is_err() {
            self.unsynced.insert(table);
        }
        synced
    }

    /// Makes durable what was committed and could not be made durable then: an append finds it there, and would say that it is safe.
    pub(crate) async fn sync_again(&mut self) -> Result<(), Error> {
        for table in self.unsynced.clone() {
            let version = self.refreshed(table).await?.and_then(|delta| delta.version());
            if let (Some(version), Some(folder)) = (version, self.place.folder(table)) {
                sync_log(Some(&folder), version).await?;
            }
            self.unsynced.remove(&table);
        }
        Ok(())
    }

    /// Waits a little, longer each time and not the same for two processes, then looks at what the others wrote.
    async fn wait_turn(&mut self, table: Table, attempt: u32) -> Result<(), Error> {
        pause(attempt).await;
        self.refreshed(table).await?;
        Ok(())
    }
}

/// Waits a little, longer each time and not the same for two processes.
pub(crate) async fn pause(attempt: u32) {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos());
    let spread = u64::from(nanos ^ std::process::id().wrapping_mul(0x9e37_79b9)) % 20;
    let millis = u64::from(attempt.min(20)) * 2 + spread;
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Commits files, and that others do not count any more, on top of the version of a table that was loaded; `false` if another process was
/// first, and then the files are gone again.
pub(crate) async fn committed(
    place: &Place,
    table: Table,
    delta: &mut DeltaTable,
    removes: Vec<Remove>,
    adds: &[Add],
    operation: DeltaOperation,
) -> Result<bool, Error> {
    let wrap = |source: DeltaTableError| write_error(table, source);
    // The version is of no use to vigie: what counts is that two commits with one application conflict.
    let next = delta.version().map_or(0, |version| version + 1);
    let properties = CommitProperties::default()
        .with_application_transaction(Transaction::new(APPLICATION, 0))
        // Old entries of the log can go once a checkpoint stands for them, so nobody looks for them between two.
        .with_cleanup_expired_logs(Some((next + 1).is_multiple_of(CHECKPOINT)));
    let removes = removes.into_iter().map(Action::Remove);
    let commit = CommitBuilder::from(properties)
        .with_actions(removes.chain(adds.iter().cloned().map(Action::Add)).collect())
        .build(Some(delta.snapshot().map_err(wrap)?), delta.log_store(), operation)
        .await;
    let (error, fate) = match commit {
        Ok(commit) if !is_cut_off(delta, commit.version()).await => {
            delta.state = Some(commit.snapshot());
            sync_log(place.folder(table).as_deref(), commit.version()).await?;
            return Ok(true);
        }
        // If it counts all the same and its files were put together with others already, appending again finds it there.
        Ok(commit) => {
            let fate = fate(place, table, None, adds).await;
            (DeltaTableError::InvalidVersion(commit.version()), fate)
        }
        Err(error) if is_a_race(&error) => (error, Fate::Nothing),
        Err(error) => (error, fate(place, table, Some(next), adds).await),
    };
    match fate {
        // What failed came afterwards: a checkpoint, say.
        Fate::Counts(newer) => {
            *delta = *newer;
            sync_log(place.folder(table).as_deref(), delta.version().unwrap_or(next)).await?;
            return Ok(true);
        }
        Fate::Nothing => discard(delta, adds).await,
        // They stay until a vacuum.
        Fate::Unknown => {}
    }
    if is_conflict(&error) { Ok(false) } else { Err(wrap(error)) }
}

/// What became of a commit that failed.
enum Fate {
    /// It is in the log; the table as it is now.
    Counts(Box<DeltaTable>),
    /// It is not and will not be.
    Nothing,
    /// It is not known, or may still come.
    Unknown,
}

/// Looks for files among those that count, and then in the entries of the log from one on.
async fn fate(place: &Place, table: Table, from: Option<u64>, adds: &[Add]) -> Fate {
    let Ok(Some(now)) = place.load(table).await else {
        return Fate::Unknown;
    };
    if holds(table, &now, adds).unwrap_or(false) {
        return Fate::Counts(Box::new(now));
    }
    let Some(from) = from else { return Fate::Nothing };
    // A request to a store may arrive after whoever sent it gave up.
    if place.folder(table).is_none() {
        return Fate::Unknown;
    }
    // It may have been there and been put together with others already.
    let log = now.log_store();
    for version in from..=now.version().unwrap_or_default() {
        let Ok(Some(entry)) = log.read_commit_entry(version).await else {
            return Fate::Unknown;
        };
        let entry = String::from_utf8_lossy(&entry);
        let names = |add: &Add| add.path.rsplit('/').next().is_some_and(|name| entry.contains(name));
        if adds.iter().any(names) {
            return Fate::Counts(Box::new(now));
        }
    }
    Fate::Nothing
}

/// Whether a commit is the first of what is left of the log. Then a checkpoint of a later version may have been there before it, which
/// its number was free for, and nobody would ever read it.
async fn is_cut_off(delta: &DeltaTable, version: u64) -> bool {
    let Some(before) = version.checked_sub(1) else { return false };
    let entry = deltalake_core::Path::from(format!("_delta_log/{before:020}.json"));
    matches!(delta.object_store().head(&entry).await, Err(object_store::Error::NotFound { .. }))
}

/// Observations that are to be appended, sorted by day.
pub(crate) trait ObservationRows: Sync {
    /// How many.
    fn len(&self) -> usize;
    /// What each is known by, in their order.
    fn keys(&self) -> impl Iterator<Item = Key<'_>>;
    /// Takes out those that are marked.
    fn drop_those(&mut self, marked: &[bool]) -> Result<(), Error>;
    /// Their rows, those of one day in each batch.
    fn by_day(&self) -> impl RowBatches;
}

impl ObservationRows for Vec<Prepared<'_>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        self.iter().map(Prepared::key)
    }

    fn drop_those(&mut self, marked: &[bool]) -> Result<(), Error> {
        let mut marked = marked.iter();
        self.retain(|_| marked.next() != Some(&true));
        Ok(())
    }

    fn by_day(&self) -> impl RowBatches {
        let (table, put): (Table, Put) = OF_OBSERVATIONS;
        in_columns(table, self.iter(), put, |one, next| one.place.0 == next.place.0, (ROWS, BYTES))
    }
}

/// Rows on their way into a table, made when they are asked for: all of a batch at once would take several times its memory.
pub(crate) trait RowBatches: Iterator<Item = Result<RecordBatch, Error>> + Send {}
impl<I: Iterator<Item = Result<RecordBatch, Error>> + Send> RowBatches for I {}

/// Turns what stands together, as `together` says of two neighbours, into columns of a table, at most so many rows or bytes of text at a
/// time.
pub(crate) fn in_columns<'p, I>(
    table: Table,
    all: I,
    put: Put,
    together: fn(&Prepared<'_>, &Prepared<'_>) -> bool,
    (rows, bytes): (usize, usize),
) -> impl RowBatches + use<'p, I>
where
    I: ExactSizeIterator<Item = &'p Prepared<'p>> + Send,
{
    let mut all = all.peekable();
    std::iter::from_fn(move || {
        // What says nothing that this table holds puts no rows.
        while let Some(first) = all.next() {
            let mut batch = Batch::new(table, (all.len() + 1).min(rows));
            put(first, &mut batch);
            while batch.rows() < rows
                && batch.text_bytes() < bytes
                && let Some(next) = all.next_if(|next| together(first, next))
            {
                put(next, &mut batch);
            }
            if let Some(built) = built(table, batch).transpose() {
                return Some(built);
            }
        }
        None
    })
}

/// Writes rows into files of a table that no commit names yet, and makes them durable.
async fn written(
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

/// Writes rows into files, those of a few days at a time, and says which files are finished, even if it fails.
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

/// The day of a batch's first row, which is that of all its rows; `None`: the table is not by date.
fn day_of(table: Table, batch: &RecordBatch) -> Option<i32> {
    let days = batch.column_by_name(table.spec().partition?)?;
    Some(days.as_primitive_opt::<Date32Type>()?.value(0))
}

/// Makes files of a table durable that no commit names yet.
pub(crate) async fn durable(delta: &DeltaTable, folder: Option<&Path>, adds: Vec<Add>) -> Result<Vec<Add>, Error> {
    let Some(folder) = folder else { return Ok(adds) };
    let mut durable: Vec<PathBuf> = adds.iter().map(|add| folder.join(&add.path)).collect();
    durable.extend(adds.iter().filter_map(|add| Some(folder.join(&add.path).parent()?.to_owned())));
    durable.push(folder.to_owned());
    durable.sort_unstable();
    durable.dedup();
    if let Err(error) = sync(durable).await {
        discard(delta, &adds).await;
        return Err(error);
    }
    Ok(adds)
}

/// Makes an entry of a table's log durable. The first makes the table: then its folder and its place in
/// the lake's are new too.
async fn sync_log(folder: Option<&Path>, version: u64) -> Result<(), Error> {
    let Some(folder) = folder else { return Ok(()) };
    let log = folder.join("_delta_log");
    let mut paths = vec![log.join(format!("{version:020}.json")), log];
    if version == 0 {
        paths.extend(folder.ancestors().take(2).map(Path::to_owned));
    }
    sync(paths).await
}

/// Makes the checkpoint of a table's version durable, whatever its files are called.
#[cfg(feature = "upkeep")]
pub(crate) async fn sync_checkpoint(folder: Option<&Path>, version: u64) -> Result<(), Error> {
    let Some(folder) = folder else { return Ok(()) };
    let log = folder.join("_delta_log");
    let begins = format!("{version:020}.checkpoint");
    let is_of_it = |path: &PathBuf| {
        let name = path.file_name().and_then(std::ffi::OsStr::to_str);
        name.is_some_and(|name| name.starts_with(&begins) || name == "_last_checkpoint")
    };
    let listed =
        std::fs::read_dir(&log).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>());
    let mut paths = listed.map_err(|source| Error::Disk { path: log.clone(), source })?;
    paths.retain(is_of_it);
    paths.push(log);
    sync(paths).await
}

fn paths(adds: Vec<Add>) -> Vec<String> {
    adds.into_iter().map(|add| add.path).collect()
}

fn write_error(table: Table, source: DeltaTableError) -> Error {
    Error::Write {
        table,
        source: Box::new(source),
    }
}

/// Whether a table names one of these files.
fn holds(table: Table, delta: &DeltaTable, adds: &[Add]) -> Result<bool, Error> {
    let files = files_of(delta).map_err(|source| wrap_read(table, source))?;
    Ok(files.iter().any(|file| adds.iter().any(|add| add.path == file.path)))
}

/// Adds the columns that the table lacks; a table of a later version keeps the ones it has more.
async fn grown(delta: DeltaTable, table: Table) -> Result<DeltaTable, DeltaTableError> {
    let missing: Vec<_> = {
        let schema = delta.snapshot()?.schema();
        table
            .spec()
            .delta_fields()
            .into_iter()
            .filter(|field| schema.field(field.name()).is_none())
            .collect()
    };
    if missing.is_empty() {
        return Ok(delta);
    }
    delta.add_columns().with_fields(missing).await
}

/// The states of these observations, each once.
pub(crate) fn states_of<'p>(prepared: &'p [Prepared<'p>]) -> Vec<(i64, &'p Prepared<'p>)> {
    first_of_each(prepared.iter().map(|one| (one.ids.state, one)))
}

/// Their lists of running models, each once.
pub(crate) fn running_of<'p>(prepared: &'p [Prepared<'p>]) -> Vec<(i64, &'p Prepared<'p>)> {
    first_of_each(prepared.iter().filter_map(|one| Some((one.ids.running?, one))))
}

fn first_of_each<'p>(contents: impl Iterator<Item = (i64, &'p Prepared<'p>)>) -> Vec<(i64, &'p Prepared<'p>)> {
    let mut met = HashSet::new();
    contents.filter(|(id, _)| met.insert(*id)).collect()
}

fn built(table: Table, batch: Batch) -> Result<Option<RecordBatch>, Error> {
    batch.finish().map_err(|source| Error::Write {
        table,
        source: Box::new(DeltaTableError::Arrow { source }),
    })
}

/// The batch in the table's columns: those that a later version added are NULL. Files that were put together hold their texts as views.
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

/// What is appended is squeezed a little, and not described page by page: it is read back soon, and put together with more.
fn properties(table: Table) -> WriterProperties {
    with_level(table, 1).set_statistics_enabled(EnabledStatistics::Chunk).build()
}

/// What was put together stays.
#[cfg(feature = "upkeep")]
pub(crate) fn squeezed(table: Table) -> WriterProperties {
    with_level(table, 12).build()
}

fn with_level(table: Table, level: i32) -> WriterPropertiesBuilder {
    let level = ZstdLevel::try_new(level).unwrap_or_default();
    let mut properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    if table == Table::Observations {
        // Instants hardly repeat; their differences are small.
        for column in ["seen", "recorded"] {
            properties = properties
                .set_column_dictionary_enabled(ColumnPath::from(column), false)
                .set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BINARY_PACKED);
        }
        // Sorted, an address shares its first digits with the one before.
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from("address"), false)
            .set_column_encoding(ColumnPath::from("address"), Encoding::DELTA_BYTE_ARRAY);
    }
    properties
}

/// Whether to look at the table again and try once more.
pub(crate) fn is_conflict(error: &DeltaTableError) -> bool {
    // The entries that the version that was seen is held against are gone: another process removed old ones.
    is_a_race(error) || matches!(error, DeltaTableError::InvalidVersion(_))
}

/// Whether another writer was first, so that nothing was committed.
fn is_a_race(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::CommitConflict(_)
                    | TransactionError::VersionAlreadyExists(_)
                    | TransactionError::MaxCommitAttempts(_)
            }
    )
}

/// Takes away files of a commit that did not happen. If it fails they stay until the next vacuum: no reader sees them.
pub(crate) async fn discard(delta: &DeltaTable, adds: &[Add]) {
    let store = delta.object_store();
    for add in adds {
        drop(store.delete(&deltalake_core::Path::from(add.path.as_str())).await);
    }
}

/// Makes files and folders survive a loss of power. Whatever keeps it from being done, a task that panicked or was ended included, is an
/// error: what nobody knows to be on disk is not.
pub(crate) async fn sync(paths: Vec<PathBuf>) -> Result<(), Error> {
    let Some(first) = paths.first().cloned() else { return Ok(()) };
    let synced = tokio::task::spawn_blocking(move || {
        for path in paths {
            sync_one(&path).map_err(|source| Error::Disk { path, source })?;
        }
        Ok(())
    });
    synced.await.unwrap_or_else(|ended| {
        Err(Error::Disk {
            path: first,
            source: ended.into(),
        })
    })
}

fn sync_one(path: &Path) -> std::io::Result<()> {
    #[cfg(test)]
    fault::strike(path)?;
    // Only Unix lets a folder be opened; elsewhere the file itself is what can be asked for. What is gone cannot be asked at all.
    if cfg!(unix) || !path.is_dir() {
        std::fs::File::open(path)?.sync_all()?;
    }
    Ok(())
}

/// Faults of a disk, for tests.
#[cfg(test)]
pub(crate) mod fault {
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    /// What happens when something in a folder is to be made durable.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// The system refuses.
        Refused,
        /// The task panics.
        Panics,
    }

    static FAULTS: Mutex<Vec<(PathBuf, Fault)>> = Mutex::new(Vec::new());

    /// Lets it happen below a folder, until it is told to stop.
    pub(crate) fn set(folder: &Path, fault: Option<Fault>) {
        let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|(at, _)| at != folder);
        faults.extend(fault.map(|fault| (folder.to_owned(), fault)));
    }

    pub(super) fn strike(path: &Path) -> std::io::Result<()> {
        let faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match faults.iter().find(|(at, _)| path.starts_with(at)) {
            Some((_, Fault::Refused)) => Err(std::io::Error::other("no such luck")),
            Some((_, Fault::Panics)) => panic!("a fault of the test"),
            None => Ok(()),
        }
    }
}
