//! Upkeep that needs a query engine: tables for SQL, compaction, deletion.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use datafusion::catalog::{Session, TableProvider};
use datafusion::prelude::{Expr, SessionContext, col, lit};
use deltalake_core::kernel::Transaction;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::operations::vacuum::VacuumMode;
use vigie_model::{Timestamp, Why};

use crate::engine::{ids, provider, query_error};
use crate::garbage::{RUNNING, SAFE, STATES};
use crate::write::{APPLICATION, ATTEMPTS, compacted_properties, is_conflict, pause, write_error};
use crate::{Error, Lake, Table};

/// Compaction merges files smaller than this, in bytes.
const TARGET: NonZeroU64 = NonZeroU64::new(128 << 20).expect("not zero");

/// A long compaction commits at this interval: a vacuum would remove uncommitted files that are older than an hour.
const INTERVAL: Duration = Duration::from_mins(10);

/// The result of compacting a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files that were merged.
    pub removed: u64,
    /// Files that replace them.
    pub added: u64,
}

/// The result of a deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Observations that were deleted.
    pub observations: u64,
    /// Requests to gateways that were deleted.
    pub requests: u64,
    /// States, with their models, tools and evidence, that no observation points to any more; including those that a killed deletion or
    /// import left.
    pub states: u64,
    /// Lists of running models that no observation points to any more.
    pub running: u64,
    /// States and lists without an observation that are younger than an hour: a writer may be about to commit one.
    pub left: u64,
}

/// The result of a vacuum or a purge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files of older versions.
    pub files: u64,
    /// Files that no commit ever named: their writer was killed before it committed them.
    pub unnamed: u64,
    /// Uncommitted files younger than an hour: a writer may be about to commit them.
    pub left: u64,
    /// States that no observation pointed to. A vacuum removes none.
    pub states: u64,
}

impl Lake {
    /// The current versions of the existing tables, for a DataFusion session.
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

    /// Merges small files and compresses them harder. Concurrent readers and writers are not affected; the old files stay until
    /// [`Self::vacuum`].
    ///
    /// # Errors
    ///
    /// If a table cannot be read or written, or other writers committed first in every attempt.
    pub async fn compact(&self) -> Result<BTreeMap<Table, Compacted>, Error> {
        let mut done = BTreeMap::new();
        for table in Table::ALL {
            for attempt in 1..=ATTEMPTS {
                let Some(delta) = self.location.load(table).await? else { break };
                let optimized = delta
                    .optimize()
                    .with_target_size(TARGET)
                    .with_min_commit_interval(INTERVAL)
                    .with_writer_properties(compacted_properties(table))
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
                    Err(source) => return Err(write_error(table, source)),
                }
            }
        }
        Ok(done)
    }

    /// Removes the files of versions older than `older`, and the older entries of the logs that a checkpoint covers. Those versions can no
    /// longer be read. Files that no commit names are removed too, if they are also older than an hour.
    ///
    /// # Errors
    ///
    /// If a table cannot be read or a file not removed.
    pub async fn vacuum(&self, older: TimeDelta) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        for table in Table::ALL {
            if let Some(delta) = self.location.load(table).await? {
                let (_, metrics) = delta
                    .vacuum()
                    // This mode leaves files alone that no commit names: a writer may be about to commit them.
                    .with_mode(VacuumMode::Lite)
                    .with_retention_period(older)
                    .with_enforce_retention_duration(false)
                    .await
                    .map_err(|source| write_error(table, source))?;
                removed.files += metrics.files_deleted.len() as u64;
            }
            let (unnamed, left) = self.remove_unnamed(table, older.max(SAFE)).await?;
            removed.unnamed += unnamed;
            removed.left += left;
            self.shorten_log(table, older).await?;
        }
        Ok(removed)
    }

    /// Deletes every observation of an address and every request of a client with it, the contents that no observation points to any more, and the plans of scans that name it.
    /// It is gone from the tables at once, and from files and logs after [`Self::purge`].
    ///
    /// # Errors
    ///
    /// If a table cannot be read or written. What was deleted by then stays deleted; the call can be repeated.
    pub async fn forget(&self, address: IpAddr) -> Result<Forgotten, Error> {
        let of_address = || col("address").eq(lit(address.to_string()));
        let mut done = self.delete_where(of_address()).await?;
        done.requests = self.delete_requests(of_address()).await?;
        self.redact_scans(&address.to_string()).await?;
        Ok(done)
    }

    /// Redacts `covers` and `missed` of scans that name an address there. A longer address that begins with it matches too; the only cost
    /// is that a comparison of these scans cannot show which endpoints are gone. The hashes of their targets and the ids of their watches,
    /// which are hashes, are removed too: the address could be found by hashing all addresses.
    async fn redact_scans(&self, address: &str) -> Result<(), Error> {
        let names = |column: &str| {
            // An address contains no wildcard of LIKE.
            col(column).like(lit(format!("%{address}%")))
        };
        let is_there = |columns: &HashSet<String>, column: &str| columns.contains(column);
        let hashes = |columns: &HashSet<String>| HASHES.into_iter().filter(|hash| is_there(columns, hash)).collect::<Vec<_>>();
        self.update(Table::Scans, |columns| {
            // A lake of an earlier version has neither column.
            let plans: Vec<&str> = ["covers", "missed"].into_iter().filter(|plan| is_there(columns, plan)).collect();
            let named = plans.iter().map(|plan| names(plan)).reduce(Expr::or)?;
            // An earlier version redacted plans and left their hashes.
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
        // A scan without `covers` may have named the address.
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

    /// Updates columns in some rows and returns the number of rows. `what` gets the names of the table's columns.
    async fn update<F>(&self, table: Table, what: F) -> Result<u64, Error>
    where
        F: Fn(&HashSet<String>) -> Option<(Expr, Vec<(String, Expr)>)> + Send + Sync,
    {
        for attempt in 1..=ATTEMPTS {
            let Some(delta) = self.location.load(table).await? else {
                return Ok(0);
            };
            let schema = delta.snapshot().map_err(|source| write_error(table, source))?.schema();
            let columns: HashSet<String> = schema.fields().map(|field| field.name().clone()).collect();
            let Some((which, values)) = what(&columns) else { return Ok(0) };
            let mut update = delta
                .update()
                .with_predicate(which)
                .with_writer_properties(compacted_properties(table))
                .with_commit_properties(as_an_append());
            for (column, value) in values {
                update = update.with_update(column, value);
            }
            match update.await {
                Ok((_, metrics)) => return Ok(metrics.num_updated_rows as u64),
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => pause(attempt).await,
                Err(source) => return Err(write_error(table, source)),
            }
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    /// Deletes every request that was made with a key, by the id of the key. Importing the log again adds them again, unless they were erased
    /// there.
    ///
    /// # Errors
    ///
    /// As for [`Self::forget`].
    pub async fn forget_key(&self, key: &str) -> Result<Forgotten, Error> {
        Ok(Forgotten {
            requests: self.delete_requests(col("key_id").eq(lit(key))).await?,
            ..Forgotten::default()
        })
    }

    /// Deletes every observation seen, and every request made, before an instant, and the contents that only those observations pointed to.
    ///
    /// # Errors
    ///
    /// As for [`Self::forget`].
    pub async fn forget_before(&self, instant: Timestamp) -> Result<Forgotten, Error> {
        let micros = datafusion::scalar::ScalarValue::TimestampMicrosecond(Some(instant.timestamp_micros()), Some("UTC".into()));
        let mut done = self.delete_where(col("seen").lt(lit(micros.clone()))).await?;
        done.requests = self.delete_requests(col("time").lt(lit(micros))).await?;
        Ok(done)
    }

    /// Deletes the texts of prompts and templates that `--keep-prompts` kept; their hashes and classes stay. Returns how many models had
    /// one. As with [`Self::forget`], the texts are gone from the files after [`Self::purge`].
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

    /// Removes everything from disk that the current version does not need: contents without an observation, files, and entries of the
    /// logs, which contain minima and maxima of columns. Older versions can no longer be read; a concurrent reader may fail and has to retry.
    ///
    /// # Errors
    ///
    /// If a table cannot be read or a file not removed.
    pub async fn purge(&self) -> Result<Removed, Error> {
        let states = self.collect_garbage(STATES, HashSet::new(), None).await?.removed;
        self.collect_garbage(RUNNING, HashSet::new(), None).await?;
        let mut removed = self.vacuum(TimeDelta::zero()).await?;
        removed.states = states;
        // A killed study on a cluster leaves copies there.
        crate::remove(&self.location.below(crate::SCRATCH)).await?;
        Ok(removed)
    }

    async fn delete_where(&self, which: Expr) -> Result<Forgotten, Error> {
        let mut done = Forgotten::default();
        let (mut states, mut running) = (HashSet::new(), HashSet::new());
        if let Some(delta) = self.location.load(Table::Observations).await? {
            let context = SessionContext::new();
            let concerned = context
                .read_table(provider(Table::Observations, &delta, &context.state()).await?)
                .and_then(|rows| rows.filter(which.clone()))
                .map_err(query_error)?;
            states.extend(ids(&concerned, "state").await?);
            running.extend(ids(&concerned, "running_state").await?);
            done.observations = concerned.count().await.map_err(query_error)? as u64;
            if done.observations > 0 {
                self.delete(Table::Observations, which).await?;
            }
        }
        // Also if nothing was found: an earlier call may have been killed between the observations and their contents.
        let states = self.collect_garbage(STATES, states, Some(SAFE)).await?;
        let running = self.collect_garbage(RUNNING, running, Some(SAFE)).await?;
        (done.states, done.running) = (states.removed, running.removed);
        done.left = states.left + running.left;
        Ok(done)
    }

    /// Deletes requests and returns how many.
    async fn delete_requests(&self, which: Expr) -> Result<u64, Error> {
        let Some(delta) = self.location.load(Table::Requests).await? else {
            return Ok(0);
        };
        let context = SessionContext::new();
        let concerned = context
            .read_table(provider(Table::Requests, &delta, &context.state()).await?)
            .and_then(|rows| rows.filter(which.clone()))
            .map_err(query_error)?;
        let count = concerned.count().await.map_err(query_error)? as u64;
        if count > 0 {
            self.delete(Table::Requests, which).await?;
        }
        Ok(count)
    }

    async fn delete(&self, table: Table, which: Expr) -> Result<(), Error> {
        for attempt in 1..=ATTEMPTS {
            let Some(delta) = self.location.load(table).await? else {
                return Ok(());
            };
            let deleted = delta
                .delete()
                .with_predicate(which.clone())
                .with_writer_properties(compacted_properties(table))
                .with_commit_properties(as_an_append())
                .await;
            match deleted {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => pause(attempt).await,
                Err(source) => return Err(write_error(table, source)),
            }
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }
}

/// The columns with hashes of a scan's targets and of its watch, from which the addresses could be found by trying.
const HASHES: [&str; 2] = [TARGETS, "watch"];
const TARGETS: &str = "targets";

fn nothing() -> Expr {
    lit(datafusion::scalar::ScalarValue::Utf8(None))
}

/// Makes a concurrent append conflict, so that it reloads the table.
fn as_an_append() -> CommitProperties {
    CommitProperties::default().with_application_transaction(Transaction::new(APPLICATION, 0))
}
