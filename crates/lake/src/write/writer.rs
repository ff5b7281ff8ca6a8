//! The writer: the tables as this process last loaded them, and the ids of the contents in them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use deltalake_core::arrow::array::RecordBatch;
use deltalake_core::arrow::datatypes::SchemaRef;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{Action, Add, Remove};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::writer::RecordBatchWriter;
use deltalake_core::{DeltaTable, DeltaTableError};

use super::commit::{ATTEMPTS, committed, holds, pause};
use super::durable::{discard, sync_log};
use super::files::written;
use super::rows::{BYTES, OF_A_STATE, OF_RUNNING, ObservationRows, Put, ROWS, RowBatches, in_columns, running_of, states_of, write_error};
use crate::key::Key;
use crate::location::{Location, RELOADS, has_vanished};
use crate::prepared::Prepared;
use crate::read::{Scanner, files_of, wrap_read};
use crate::{Error, Table};

/// How many ids of each table are remembered. If a table has more contents than that, one that is appended again may be stored twice:
/// readers use the first.
const REMEMBERED: usize = 1 << 20;

/// The ids of the contents in a table, so that each content is stored once.
#[derive(Debug, Default)]
struct Ids {
    files: HashSet<String>,
    ids: HashSet<i64>,
}

/// Writes to the tables. Loaded tables and known ids are kept between appends.
#[derive(Debug)]
pub(crate) struct Writer {
    location: Location,
    tables: BTreeMap<Table, DeltaTable>,
    ids: HashMap<Table, Ids>,
    /// How often known files of a table were found removed.
    losses: HashMap<Table, u64>,
    /// Tables with a commit that is not durable yet.
    unsynced: BTreeSet<Table>,
}

impl Writer {
    pub(crate) fn over(location: Location) -> Self {
        Self {
            location,
            tables: BTreeMap::new(),
            ids: HashMap::new(),
            losses: HashMap::new(),
            unsynced: BTreeSet::new(),
        }
    }

    /// The folder of a table; `None`: the lake is in an object store.
    pub(super) fn folder(&self, table: Table) -> Option<std::path::PathBuf> {
        self.location.folder(table)
    }

    /// A table as last loaded, with the columns that an older version lacks added; `None`: it does not exist yet.
    async fn opened(&mut self, table: Table) -> Result<Option<&mut DeltaTable>, Error> {
        if !self.tables.contains_key(&table) {
            let Some(delta) = self.location.load(table).await? else {
                return Ok(None);
            };
            let delta = with_missing_columns(delta, table)
                .await
                .map_err(|source| self.location.cannot_open(table, source))?;
            self.tables.insert(table, delta);
        }
        Ok(self.tables.get_mut(&table))
    }

    /// The newest version of a table; `None`: it does not exist yet. Contents that are missing in this version are committed on top of
    /// exactly this version, or create the table.
    pub(super) async fn refreshed(&mut self, table: Table) -> Result<Option<&mut DeltaTable>, Error> {
        if let Some(delta) = self.tables.get_mut(&table)
            && delta.update_state().await.is_err()
        {
            // The log entries since the loaded version may have been removed; a checkpoint covers them.
            self.tables.remove(&table);
            return self.opened(table).await;
        }
        self.opened(table).await
    }

    /// The contents that the table lacks.
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

    /// The ids of the contents in a table now; `None`: the table does not exist.
    async fn known(&mut self, table: Table) -> Result<Option<&HashSet<i64>>, Error> {
        for attempt in 1.. {
            match self.learn(table).await {
                Ok(true) => break,
                Ok(false) => return Ok(None),
                // The file was compacted and removed in the meantime.
                Err(error) if attempt < RELOADS && has_vanished(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(&self.ids.entry(table).or_default().ids))
    }

    /// Reads the ids in files that are new to this process; `false`: the table does not exist.
    async fn learn(&mut self, table: Table) -> Result<bool, Error> {
        let Some(delta) = self.refreshed(table).await?.cloned() else {
            return Ok(false);
        };
        let known = self.ids.entry(table).or_default();
        let mut files = files_of(&delta).map_err(|source| wrap_read(table, source))?;
        let current: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        // A compaction or a garbage collection has removed files: the known ids may be gone.
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

    /// Stores the contents of observations that the lake lacks; returns the number of new states.
    pub(crate) async fn put_contents_of(&mut self, prepared: &[Prepared<'_>]) -> Result<usize, Error> {
        let states = states_of(prepared);
        let new = self.missing(Table::States, &states).await?;
        let mut stored = 0;
        // Each table is checked, because a writer may have been killed between two of them.
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

    /// How often known files of a table were found removed so far.
    pub(crate) fn losses(&self, table: Table) -> u64 {
        self.losses.get(&table).copied().unwrap_or_default()
    }

    /// Whether known files of a table were removed.
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

    /// Appends rows of contents that were removed and are needed again, unless another writer has restored them.
    pub(crate) async fn restore_rows(&mut self, table: Table, rows: &[RecordBatch], ids: &HashSet<i64>) -> Result<(), Error> {
        let column = table.spec().indexed;
        for attempt in 1..=ATTEMPTS {
            let there = self.known(table).await?;
            let lacks = |id: Option<i64>| id.is_some_and(|id| ids.contains(&id) && there.is_none_or(|there| !there.contains(&id)));
            let back: Vec<RecordBatch> = rows
                .iter()
                .map(|rows| crate::rows::rows_with_id(rows, column, lacks))
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

    /// Stores the contents that the table lacks; returns how many.
    pub(crate) async fn put_contents(&mut self, table: Table, wanted: &[(i64, &Prepared<'_>)], put: Put) -> Result<usize, Error> {
        for attempt in 1..=ATTEMPTS {
            let missing = self.missing(table, wanted).await?;
            let rows = in_columns(table, missing.iter().map(|(_, one)| *one), put, |_, _| true, (ROWS, BYTES));
            if let Some(files) = self.try_commit(table, rows).await? {
                if files.is_empty() {
                    return Ok(0);
                }
                // If they are removed before an observation points to them, `has_lost_files` notices the missing files.
                let known = self.ids.entry(table).or_default();
                known.files.extend(files);
                known.ids.extend(missing.iter().map(|(id, _)| *id));
                return Ok(missing.len());
            }
            self.wait_turn(table, attempt).await?;
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// Appends the observations that the lake lacks; returns how many.
    pub(crate) async fn put_observations(&mut self, rows: &mut impl ObservationRows) -> Result<usize, Error> {
        let table = Table::Observations;
        for attempt in 1..=ATTEMPTS {
            if attempt > 1 {
                self.drop_duplicates(rows).await?;
            }
            if self.try_commit(table, rows.by_day()).await?.is_some() {
                return Ok(rows.len());
            }
            self.wait_turn(table, attempt).await?;
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// Drops the observations that are already in the lake.
    pub(crate) async fn drop_duplicates(&mut self, rows: &mut impl ObservationRows) -> Result<(), Error> {
        for attempt in 1.. {
            match self.present(rows).await {
                Ok(present) if present.contains(&true) => return rows.drop_marked(&present),
                Ok(_) => break,
                // The file was compacted and removed in the meantime.
                Err(error) if attempt < RELOADS && has_vanished(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Marks the observations that are already in the lake.
    async fn present(&mut self, waiting: &impl ObservationRows) -> Result<Vec<bool>, Error> {
        let table = Table::Observations;
        let mut present = vec![false; waiting.len()];
        let Some(delta) = self.refreshed(table).await?.cloned() else {
            return Ok(present);
        };
        let keys: HashMap<Key<'_>, usize> = waiting.keys().zip(0..).collect();
        // Compare the instant first: in most rows it differs.
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

    /// Writes files and commits them on top of the loaded version. Returns their paths (none if there are no rows), or `None` if another
    /// writer committed first. For a table by date, batches hold one day each and come in groups of one day.
    pub(crate) async fn try_commit(&mut self, table: Table, batches: impl RowBatches) -> Result<Option<Vec<String>>, Error> {
        self.try_exchange(table, Vec::new(), Vec::new(), batches).await
    }

    /// The same; the commit also removes files and adds `rewritten`, which replace them.
    pub(super) async fn try_exchange(
        &mut self,
        table: Table,
        removes: Vec<Remove>,
        rewritten: Vec<Add>,
        batches: impl RowBatches,
    ) -> Result<Option<Vec<String>>, Error> {
        let wrap = |source: DeltaTableError| write_error(table, source);
        let mut batches = batches.peekable();
        if batches.peek().is_none() {
            return Ok(Some(Vec::new()));
        }
        let Some(delta) = self.tables.get_mut(&table) else {
            return self.try_create(table, batches).await;
        };
        let writer = RecordBatchWriter::for_table(delta).map_err(wrap)?;
        let folder = self.location.folder(table);
        let mut adds = match written(delta, table, folder.as_deref(), writer, batches).await {
            Ok(adds) => adds,
            Err(error) => {
                discard(delta, &rewritten).await;
                return Err(error);
            }
        };
        adds.extend(rewritten);
        let operation = if removes.is_empty() {
            DeltaOperation::Write {
                mode: SaveMode::Append,
                partition_by: table.spec().partition.map(|column| vec![column.to_owned()]),
                predicate: None,
            }
        } else {
            DeltaOperation::Update { predicate: None }
        };
        let done = committed(&self.location, table, delta, removes, &adds, operation).await;
        if matches!(done, Err(Error::Disk { .. })) {
            self.unsynced.insert(table);
        }
        Ok(done?.then(|| paths(adds)))
    }

    /// Creates a table with its first rows, in one commit; `None`: another writer created it first.
    async fn try_create(&mut self, table: Table, batches: impl RowBatches) -> Result<Option<Vec<String>>, Error> {
        let wrap = |source: DeltaTableError| write_error(table, source);
        let (spec, folder) = (table.spec(), self.location.folder(table));
        let empty = self.location.unloaded(table)?;
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
                // A scan commits every minute: a month of log entries would be larger than the data.
                ("delta.logRetentionDuration", Some("interval 7 days")),
            ])
            .with_actions(adds.iter().cloned().map(Action::Add))
            .with_save_mode(SaveMode::ErrorIfExists)
            // A create that loses the race for version 0 would otherwise be committed after the winner's, with the same rows once more.
            .with_commit_properties(CommitProperties::default().with_max_retries(0))
            .await;
        let delta = match created {
            Ok(delta) => delta,
            // Either another writer created the table, or this one did and could not read it back: then the files belong to it and stay.
            Err(error) => match self.location.load(table).await? {
                Some(delta) if holds(table, &delta, &adds)? => delta,
                Some(_) => {
                    discard(&spare, &adds).await;
                    return Ok(None);
                }
                None => {
                    discard(&spare, &adds).await;
                    return Err(self.location.cannot_open(table, error));
                }
            },
        };
        self.tables.insert(table, delta);
        self.synced_log(table, 0).await?;
        Ok(Some(paths(adds)))
    }

    /// Makes an entry of a table's log durable. After a failure it is retried before anything else is acknowledged.
    async fn synced_log(&mut self, table: Table, version: u64) -> Result<(), Error> {
        let synced = sync_log(self.location.folder(table).as_deref(), version).await;
        if synced.is_err() {
            self.unsynced.insert(table);
        }
        synced
    }

    /// Retries to make earlier commits durable: an append would find their observations and report them as stored.
    pub(crate) async fn sync_again(&mut self) -> Result<(), Error> {
        for table in self.unsynced.clone() {
            let version = self.refreshed(table).await?.and_then(|delta| delta.version());
            if let (Some(version), Some(folder)) = (version, self.location.folder(table)) {
                sync_log(Some(&folder), version).await?;
            }
            self.unsynced.remove(&table);
        }
        Ok(())
    }

    /// Waits (see [`pause`]) and reloads the table.
    pub(crate) async fn wait_turn(&mut self, table: Table, attempt: u32) -> Result<(), Error> {
        pause(attempt).await;
        self.refreshed(table).await?;
        Ok(())
    }
}

fn paths(adds: Vec<Add>) -> Vec<String> {
    adds.into_iter().map(|add| add.path).collect()
}

/// Adds the columns that a table of an earlier version lacks; a table of a later version keeps its additional ones.
async fn with_missing_columns(delta: DeltaTable, table: Table) -> Result<DeltaTable, DeltaTableError> {
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
