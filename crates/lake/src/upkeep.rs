//! What needs a query engine: tables for SQL, compaction, and taking out what must go.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::catalog::{Session, TableProvider};
use datafusion::prelude::{Expr, SessionContext, col, lit};
use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::kernel::Transaction;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures_util::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use vigie_model::{Timestamp, Why};

use crate::write::{APPLICATION, ATTEMPTS, is_conflict, squeezed};
use crate::{Error, Lake, Table};

/// Files that are smaller than this are put together, in bytes.
const TARGET: NonZeroU64 = NonZeroU64::new(128 << 20).expect("not zero");

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
    /// States, with their models, tools and evidence, that only those observations pointed to.
    pub states: u64,
    /// Lists of running models that only those observations pointed to.
    pub running: u64,
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
                    Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {}
                    Err(source) => return Err(write(table, source)),
                }
            }
        }
        Ok(done)
    }

    /// Removes files that no longer count from the disk, once they have not counted for `older` long; gives how many. Versions that
    /// need them can no longer be read.
    ///
    /// # Errors
    ///
    /// If a table cannot be read or a file not removed.
    pub async fn vacuum(&self, older: chrono::TimeDelta) -> Result<u64, Error> {
        let mut removed = 0;
        for (table, delta) in self.tables().await? {
            let (_, metrics) = delta
                .vacuum()
                // What a writer has written and not committed yet is named nowhere, and this mode leaves it alone.
                .with_mode(VacuumMode::Lite)
                .with_retention_period(older)
                .with_enforce_retention_duration(false)
                .await
                .map_err(|source| write(table, source))?;
            removed += metrics.files_deleted.len() as u64;
        }
        Ok(removed)
    }

    /// Takes out every observation of an address, what only those pointed to, and the plans of scans that name it. It is gone from the
    /// tables at once, from the files and the logs after [`Self::purge`].
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
    /// with it is taken for it: what is lost is that nothing can be said to be gone by these scans.
    async fn redact_scans(&self, address: &str) -> Result<(), Error> {
        let table = Table::Scans;
        // Neither sign that LIKE reads stands in an address.
        let names = |column: &str| col(column).like(lit(format!("%{address}%")));
        for attempt in 1..=ATTEMPTS {
            let Some(delta) = self.place.load(table).await? else {
                return Ok(());
            };
            let schema = delta.snapshot().map_err(|source| write(table, source))?.schema();
            // A lake of an earlier version has neither.
            let columns: Vec<&str> = ["covers", "missed"]
                .into_iter()
                .filter(|name| schema.field(name).is_some())
                .collect();
            let Some(named) = columns.iter().map(|column| names(column)).reduce(Expr::or) else {
                return Ok(());
            };
            let nothing = || lit(datafusion::scalar::ScalarValue::Utf8(None));
            let mut update = delta
                .update()
                .with_predicate(named)
                .with_writer_properties(squeezed(table))
                .with_commit_properties(as_an_append());
            for column in columns {
                update = update
                    .with_update(column, nothing())
                    .with_update(format!("{column}_why"), lit(Why::Redacted.code()))
                    .with_update(format!("{column}_detail"), nothing());
            }
            match update.await {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {}
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
        let table = Table::Models;
        for attempt in 1..=ATTEMPTS {
            let Some(delta) = self.place.load(table).await? else {
                return Ok(0);
            };
            let nothing = || lit(datafusion::scalar::ScalarValue::Utf8(None));
            let updated = delta
                .update()
                .with_predicate(col("system_prompt_text").is_not_null().or(col("template_text").is_not_null()))
                .with_update("system_prompt_text", nothing())
                .with_update("template_text", nothing())
                .with_writer_properties(squeezed(table))
                .with_commit_properties(as_an_append())
                .await;
            match updated {
                Ok((_, metrics)) => return Ok(metrics.num_updated_rows as u64),
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {}
                Err(source) => return Err(write(table, source)),
            }
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// Removes now, from disk, whatever does not count any more: files, and the entries of the logs, in which extremes of columns
    /// stand. Older versions can no longer be read; whoever reads at that moment may fail and try again.
    ///
    /// # Errors
    ///
    /// If a table cannot be read or a file not removed.
    pub async fn purge(&self) -> Result<u64, Error> {
        let removed = self.vacuum(chrono::TimeDelta::zero()).await?;
        for (table, delta) in self.tables().await? {
            create_checkpoint(&delta, None).await.map_err(|source| write(table, source))?;
            let newest = delta.version().unwrap_or_default();
            drop_log_before(table, &delta, newest).await?;
        }
        // A study on a cluster that was killed left copies there.
        crate::remove(&self.place.below(crate::SCRATCH)).await?;
        Ok(removed)
    }

    async fn take_out(&self, which: Expr) -> Result<Forgotten, Error> {
        let mut done = Forgotten::default();
        let Some(before) = self.query().await? else { return Ok(done) };
        let concerned = before
            .table(Table::Observations.name())
            .await
            .map_err(asked)?
            .filter(which.clone())
            .map_err(asked)?;
        let states = ids(&concerned, "state").await?;
        let running = ids(&concerned, "running_state").await?;
        done.observations = concerned.count().await.map_err(asked)? as u64;
        if done.observations == 0 {
            return Ok(done);
        }
        self.delete(Table::Observations, which).await?;
        done.states = self
            .delete_orphans("state", &states, &[Table::Models, Table::Tools, Table::Evidence, Table::States])
            .await?;
        done.running = self.delete_orphans("running_state", &running, &[Table::Running]).await?;
        Ok(done)
    }

    /// Deletes contents that no observation points to any more. An append that met them meanwhile is met in turn: what it points to
    /// is put back.
    async fn delete_orphans(&self, column: &'static str, candidates: &[i64], tables: &[Table]) -> Result<u64, Error> {
        let orphans = self.without_observation(column, candidates).await?;
        if orphans.is_empty() {
            return Ok(0);
        }
        let these = || col(column).in_list(orphans.iter().map(|id| lit(*id)).collect(), false);
        let mut copies: Vec<(Table, Vec<RecordBatch>)> = Vec::new();
        if let Some(context) = self.query().await? {
            for table in tables {
                if context.table_exist(table.name()).map_err(asked)? {
                    let rows = context.table(table.name()).await.map_err(asked)?.filter(these()).map_err(asked)?;
                    copies.push((*table, rows.collect().await.map_err(asked)?));
                }
            }
        }
        for (table, _) in &copies {
            self.delete(*table, these()).await?;
        }
        let still: Vec<i64> = self.without_observation(column, &orphans).await?;
        let back: Vec<i64> = orphans.iter().copied().filter(|id| !still.contains(id)).collect();
        if !back.is_empty() {
            let mut writer = self.writer.lock().await;
            for (table, rows) in copies {
                let context = SessionContext::new();
                let rows = context
                    .read_batches(rows)
                    .and_then(|rows| rows.filter(col(column).in_list(back.iter().map(|id| lit(*id)).collect(), false)))
                    .map_err(asked)?;
                for batch in rows.collect().await.map_err(asked)? {
                    writer.put_back(table, &batch).await?;
                }
            }
        }
        Ok((orphans.len() - back.len()) as u64)
    }

    /// Those of the contents that no observation points to.
    async fn without_observation(&self, column: &str, candidates: &[i64]) -> Result<Vec<i64>, Error> {
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let Some(context) = self.query().await? else {
            return Ok(candidates.to_vec());
        };
        let pointing = context
            .table(Table::Observations.name())
            .await
            .and_then(|rows| rows.filter(col(column).in_list(candidates.iter().map(|id| lit(*id)).collect(), false)))
            .map_err(asked)?;
        let held = ids(&pointing, column).await?;
        Ok(candidates.iter().copied().filter(|id| !held.contains(id)).collect())
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
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {}
                Err(source) => return Err(write(table, source)),
            }
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// The tables under their names; `None`: there are no observations.
    async fn query(&self) -> Result<Option<SessionContext>, Error> {
        let context = SessionContext::new();
        let tables = self.tables().await?;
        if !tables.contains_key(&Table::Observations) {
            return Ok(None);
        }
        for (table, delta) in tables {
            let provider = provider(table, &delta, &context.state()).await?;
            context.register_table(table.name(), provider).map_err(asked)?;
        }
        Ok(Some(context))
    }
}

/// Removes the entries of a log that a checkpoint of that version stands for, and older checkpoints.
async fn drop_log_before(table: Table, delta: &DeltaTable, version: u64) -> Result<(), Error> {
    let store = delta.object_store();
    let refused = |source: object_store::Error| write(table, DeltaTableError::ObjectStore { source });
    let log = deltalake_core::Path::from("_delta_log");
    let entries: Vec<_> = store.list(Some(&log)).try_collect().await.map_err(refused)?;
    for entry in entries {
        let of = entry
            .location
            .filename()
            .and_then(|name| name.split('.').next()?.parse::<u64>().ok());
        // The newest entry itself stays: it says that there is such a version.
        if of.is_some_and(|of| of < version) {
            store.delete(&entry.location).await.map_err(refused)?;
        }
    }
    Ok(())
}

/// An append that races is told, and looks again at what is there.
fn as_an_append() -> CommitProperties {
    CommitProperties::default().with_application_transaction(Transaction::new(APPLICATION, 0))
}

async fn provider(table: Table, delta: &DeltaTable, session: &dyn Session) -> Result<Arc<dyn TableProvider>, Error> {
    let wrap = |source| Error::Read {
        table,
        source: Box::new(source),
    };
    delta.update_datafusion_session(session).map_err(wrap)?;
    let provider = delta.table_provider().await.map_err(|error| wrap(error.into()))?;
    Ok(provider)
}

/// The different values of a column of ids.
async fn ids(rows: &datafusion::prelude::DataFrame, column: &str) -> Result<Vec<i64>, Error> {
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

fn write(table: Table, source: DeltaTableError) -> Error {
    Error::Write {
        table,
        source: Box::new(source),
    }
}

fn asked(error: datafusion::error::DataFusionError) -> Error {
    Error::Read {
        table: Table::Observations,
        source: Box::new(error.into()),
    }
}
