//! What needs a query engine: tables for SQL, compaction, and taking out what must go.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::catalog::{Session, TableProvider};
use datafusion::prelude::{Expr, SessionContext, col, lit};
use deltalake_core::kernel::Transaction;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::{DeltaTable, DeltaTableError};
use vigie_model::{Timestamp, Why};

use crate::sweep::{RUNNING, SAFE, STATES};
use crate::write::{APPLICATION, ATTEMPTS, is_conflict, pause, squeezed};
use crate::{Error, Lake, Table};

/// Files that are smaller than this are put together, in bytes.
const TARGET: NonZeroU64 = NonZeroU64::new(128 << 20).expect("not zero");

/// A compaction that takes long commits what it has: a file without a commit must not get as old as what a vacuum takes for left behind.
const INTERVAL: Duration = Duration::from_mins(10);

/// What compaction did to a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files that were put together.
    pub removed: u64,
    /// Files that stand for them.
    pub added: u64,
}

/// What was taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Observations.
    pub observations: u64,
    /// States, with their models, tools and evidence, that no observation points to any more. Those count that a deletion or an import
    /// which was killed left behind.
    pub states: u64,
    /// Lists of running models that no observation points to any more.
    pub running: u64,
    /// States and lists that no observation points to and that are younger than an hour: a writer may be about to.
    pub left: u64,
}

/// What was removed from the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files that counted once and do not any more.
    pub files: u64,
    /// Files that never counted: a writer was killed between writing and committing them.
    pub unnamed: u64,
    /// Files that do not count and are younger than an hour: a writer may be about to commit them.
    pub left: u64,
    /// States that no observation pointed to, with what belongs to them. A vacuum takes none out.
    pub states: u64,
}

impl Lake {
    /// The tables that are there, as they are now, for a DataFusion session.
    ///
    /// # Errors
    ///
    /// If a table cannot be opened.
    pub async fn providers(&self, session: &dyn Session) -> Result<BTreeMap<Table, Arc<dyn TableProvider>>, Error> {
        let mut providers: BTreeMap<Table, Arc<dyn TableProvider>> = BTreeMap::new();
        for (table, delta) in self.tables().await? {
            providers.insert(table, provider(table, &delta, session).await?);
        }
        Ok(providers)
    }

    /// Puts small files together and squeezes them harder. Readers and writers at the same time notice nothing; the old files stay
    /// until [`Self::vacuum`].
    ///
    /// # Errors
    ///
    /// If a table cannot be read or written, or other writers won every time.
    pub async fn compact(&self) -> Result<BTreeMap<Table, Compacted>, Error> {
        let mut done = BTreeMap::new();
        for table in Table::ALL {
            for attempt in 1..=ATTEMPTS {
                let Some(delta) = self.place.load(table).await? else { break };
                let optimized = delta
                    .optimize()
                    .with_target_size(TARGET)
                    .with_min_commit_interval(INTERVAL)
                    .with_writer_properties(squeezed(table))
                    .await;
                match optimized {
                    Ok((_, metrics)) => {
                        let did = Compacted {
                            removed: metrics.num_files_removed,
                            added: metrics.num_files_added,
                        };
                        done.insert(table, did);
                        break;
                    }
                    Err(error) if is_conflict(&error) && attempt < ATTEMPTS => pause(attempt).await,
                    Err(source) => return Err(write(table, source)),
                }
            }
        }
        Ok(done)
    }

    /// Removes files from the disk that no longer count, once they have not counted for `older` long, and with them the entries of the
    /// logs that are older and that a checkpoint stands for. Versions that need them can no longer be read. Files that never counted go
    /// too, if they are older than an hour as well.
    ///
    /// # Errors
    ///
    /// If a table cannot be read or a file not removed.
    pub async fn vacuum(&self, older: TimeDelta) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        for table in Table::ALL {
            if let Some(delta) = self.place.load(table).await? {
                let (_, metrics) = delta
                    .vacuum()
                    // What a writer has written and not committed yet is named nowhere, and this mode leaves it alone.
                    .with_mode(VacuumMode::Lite)
                    .with_retention_period(older)
                    .with_enforce_retention_duration(false)
                    .await
                    .map_err(|source| write(table, source))?;
                removed.files += metrics.files_deleted.len() as u64;
            }
            let (unnamed, left) = self.remove_unnamed(table, older.max(SAFE)).await?;
            removed.unnamed += unnamed;
            removed.left += left;
            self.shorten_log(table, older).await?;
        }
        Ok(removed)
    }

    /// Takes out every observation of an address, whatever no observation points to then, and the plans of scans that name it. It is gone
    /// from the tables at once, from the files and the logs after [`Self::purge`].
    ///
    /// # Errors
    ///
    /// If a table cannot be read or written; what was taken out until then stays out, and it can be called again.
    pub async fn forget(&self, address: IpAddr) -> Result<Forgotten, Error> {
        let done = self.take_out(col("address").eq(lit(address.to_string()))).await?;
        self.redact_scans(&address.to_string()).await?;
        Ok(done)
    }

    /// Takes what a scan set out to look at, and what it missed, out of the scans that name an address there. A longer address that begins
    /// with it is taken for it: what is lost is that nothing can be said to be gone by these scans. The hashes of their targets go too, and
    /// the ids of their watches, which are such hashes: all addresses can be tried against them.
    async fn redact_scans(&self, address: &str) -> Result<(), Error> {
        let names = |column: &str| {
            // Neither sign that LIKE reads stands in an address.
            col(column).like(lit(format!("%{address}%")))
        };
        let is_there = |columns: &HashSet<String>, column: &str| columns.contains(column);
        let hashes = |columns: &HashSet<String>| HASHES.into_iter().filter(|hash| is_there(columns, hash)).collect::<Vec<_>>();
        self.update(Table::Scans, |columns| {
            // A lake of an earlier version has neither.
            let plans: Vec<&str> = ["covers", "missed"].into_iter().filter(|plan| is_there(columns, plan)).collect();
            let named = plans.iter().map(|plan| names(plan)).reduce(Expr::or)?;
            // An earlier version left the hashes of those whose plan it took out.
            let kept = hashes(columns).into_iter().map(|hash| col(hash).is_not_null()).reduce(Expr::or);
            let redacted = is_there(columns, "covers").then(|| col("covers_why").eq(lit(Why::Redacted.code())));
            let which = redacted
                .zip(kept)
                .into_iter()
                .fold(named, |named, (redacted, kept)| named.or(redacted.and(kept)));
            let mut values: Vec<(String, Expr)> = Vec::new();
            for plan in plans {
                values.push((plan.to_owned(), nothing()));
                values.push((format!("{plan}_why"), lit(Why::Redacted.code())));
                values.push((format!("{plan}_detail"), nothing()));
            }
            values.extend(hashes(columns).into_iter().map(|hash| (hash.to_owned(), nothing())));
            Some((which, values))
        })
        .await?;
        // Of a scan that does not say what it looked at it cannot be told whether it named the address.
        self.update(Table::Scans, |columns| {
            let hashed = is_there(columns, TARGETS).then(|| col(TARGETS).is_not_null())?;
            let which = if is_there(columns, "covers") {
                hashed.and(col("covers").is_null())
            } else {
                hashed
            };
            Some((which, vec![(TARGETS.to_owned(), nothing())]))
        })
        .await?;
        Ok(())
    }

    /// Gives columns new values in some rows; tells how many. What to do is asked with the columns that the table has.
    async fn update<F>(&self, table: Table, what: F) -> Result<u64, Error>
    where
        F: Fn(&HashSet<String>) -> Option<(Expr, Vec<(String, Expr)>)> + Send + Sync,
    {
        for attempt in 1..=ATTEMPTS {
            let Some(delta) = self.place.load(table).await? else { return Ok(0) };
            let schema = delta.snapshot().map_err(|source| write(table, source))?.schema();
            let columns: HashSet<String> = schema.fields().map(|field| field.name().clone()).collect();
            let Some((which, values)) = what(&columns) else { return Ok(0) };
            let mut update = delta
                .update()
                .with_predicate(which)
                .with_writer_properties(squeezed(table))
                .with_commit_properties(as_an_append());
            for (column, value) in values {
                update = update.with_update(column, value);
            }
            match update.await {
                Ok((_, metrics)) => return Ok(metrics.num_updated_rows as u64),
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => pause(attempt).await,
                Err(source) => return Err(write(table, source)),
            }
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// Takes out every observation seen before an instant, and what only those pointed to.
    ///
    /// # Errors
    ///
    /// As for [`Self::forget`].
    pub async fn forget_before(&self, instant: Timestamp) -> Result<Forgotten, Error> {
        let micros = datafusion::scalar::ScalarValue::TimestampMicrosecond(Some(instant.timestamp_micros()), Some("UTC".into()));
        self.take_out(col("seen").lt(lit(micros))).await
    }

    /// Takes out the texts of prompts and templates that `--keep-prompts` kept; their hashes and classes stay. Gives how many models had
    /// one. As with [`Self::forget`], the texts are in no file after [`Self::purge`].
    ///
    /// # Errors
    ///
    /// As for [`Self::forget`].
    pub async fn redact(&self) -> Result<u64, Error> {
        let texts = ["system_prompt_text", "template_text"];
        self.update(Table::Models, |_| {
            let kept = texts.into_iter().map(|text| col(text).is_not_null()).reduce(Expr::or)?;
            Some((kept, texts.into_iter().map(|text| (text.to_owned(), nothing())).collect()))
        })
        .await
    }

    /// Removes now, from disk, whatever does not count any more: contents that no observation points to, files, and the entries of the
    /// logs, in which extremes of columns stand. Older versions can no longer be read; whoever reads at that moment may fail and try again.
    ///
    /// # Errors
    ///
    /// If a table cannot be read or a file not removed.
    pub async fn purge(&self) -> Result<Removed, Error> {
        let states = self.sweep(STATES, HashSet::new(), None).await?.removed;
        self.sweep(RUNNING, HashSet::new(), None).await?;
        let mut removed = self.vacuum(TimeDelta::zero()).await?;
        removed.states = states;
        // A study on a cluster that was killed left copies there.
        crate::remove(&self.place.below(crate::SCRATCH)).await?;
        Ok(removed)
    }

    async fn take_out(&self, which: Expr) -> Result<Forgotten, Error> {
        let mut done = Forgotten::default();
        let (mut states, mut running) = (HashSet::new(), HashSet::new());
        if let Some(delta) = self.place.load(Table::Observations).await? {
            let context = SessionContext::new();
            let concerned = context
                .read_table(provider(Table::Observations, &delta, &context.state()).await?)
                .and_then(|rows| rows.filter(which.clone()))
                .map_err(asked)?;
            states.extend(ids(&concerned, "state").await?);
            running.extend(ids(&concerned, "running_state").await?);
            done.observations = concerned.count().await.map_err(asked)? as u64;
            if done.observations > 0 {
                self.delete(Table::Observations, which).await?;
            }
        }
        // Whether or not anything was found: who was here before may have been killed between the observations and the rest.
        let states = self.sweep(STATES, states, Some(SAFE)).await?;
        let running = self.sweep(RUNNING, running, Some(SAFE)).await?;
        (done.states, done.running) = (states.removed, running.removed);
        done.left = states.left + running.left;
        Ok(done)
    }

    async fn delete(&self, table: Table, which: Expr) -> Result<(), Error> {
        for attempt in 1..=ATTEMPTS {
            let Some(delta) = self.place.load(table).await? else {
                return Ok(());
            };
            let deleted = delta
                .delete()
                .with_predicate(which.clone())
                .with_writer_properties(squeezed(table))
                .with_commit_properties(as_an_append())
                .await;
            match deleted {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => pause(attempt).await,
                Err(source) => return Err(write(table, source)),
            }
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }
}

/// What a scan keeps of the text of its targets, and a watch of its question: hashes, short enough to be found by trying.
const HASHES: [&str; 2] = [TARGETS, "watch"];
const TARGETS: &str = "targets";

fn nothing() -> Expr {
    lit(datafusion::scalar::ScalarValue::Utf8(None))
}

/// An append that races is told, and looks again at what is there.
fn as_an_append() -> CommitProperties {
    CommitProperties::default().with_application_transaction(Transaction::new(APPLICATION, 0))
}

pub(crate) async fn provider(table: Table, delta: &DeltaTable, session: &dyn Session) -> Result<Arc<dyn TableProvider>, Error> {
    let wrap = |source| Error::Read {
        table,
        source: Box::new(source),
    };
    delta.update_datafusion_session(session).map_err(wrap)?;
    let provider = delta.table_provider().await.map_err(|error| wrap(error.into()))?;
    Ok(provider)
}

/// The different values of a column of ids.
pub(crate) async fn ids(rows: &datafusion::prelude::DataFrame, column: &str) -> Result<Vec<i64>, Error> {
    let distinct = rows
        .clone()
        .select_columns(&[column])
        .and_then(|rows| rows.distinct())
        .map_err(asked)?;
    let mut ids = Vec::new();
    for batch in distinct.collect().await.map_err(asked)? {
        ids.extend(batch.column(0).as_primitive::<Int64Type>().iter().flatten());
    }
    Ok(ids)
}

pub(crate) fn write(table: Table, source: DeltaTableError) -> Error {
    Error::Write {
        table,
        source: Box::new(source),
    }
}

pub(crate) fn asked(error: datafusion::error::DataFusionError) -> Error {
    Error::Read {
        table: Table::Observations,
        source: Box::new(error.into()),
    }
}
