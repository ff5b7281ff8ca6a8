//! Garbage collection: removing contents that no observation points to.
//!
//! A deletion or an import that was killed leaves such contents. An append also makes some for a moment, because it commits contents before
//! observations. Contents are therefore removed only if their file is older than [`SAFE`], with two exceptions: contents whose observations
//! the same call deleted, and [`Lake::purge`], which removes everything without an owner. No acknowledged observation loses its contents:
//! after committing its observations, an append checks whether files with its contents have gone, and writes them again; after removing
//! contents, the garbage collection checks whether an observation points to them by now, and writes them back.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use datafusion::common::JoinType;
use datafusion::prelude::SessionContext;
use deltalake_core::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use deltalake_core::kernel::{Add, Remove};
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::writer::{DeltaWriter as _, RecordBatchWriter};
use deltalake_core::{DeltaTable, DeltaTableError};
use futures_util::StreamExt as _;

use crate::engine::{ids, provider, query_error};
use crate::read::{DataFile, Scanner, files_of, wrap_read};
use crate::rows::rows_with_id;
use crate::write::{ATTEMPTS, committed, compacted_properties, conformed, discard, durable, pause, write_error};
use crate::{Error, Lake, Table};

/// Younger files may belong to a writer that has not finished. A batch takes seconds from its first file to its last commit.
pub(crate) const SAFE: TimeDelta = TimeDelta::hours(1);

/// Tables that share a column of ids, in the order in which they are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContentKind {
    column: &'static str,
    tables: &'static [Table],
}

/// States with their models, tools and evidence; the state itself last, so that an existing state is complete.
pub(crate) const STATES: ContentKind = ContentKind {
    column: "state",
    tables: &[Table::Models, Table::Tools, Table::Evidence, Table::States],
};

/// Lists of running models.
pub(crate) const RUNNING: ContentKind = ContentKind {
    column: "running_state",
    tables: &[Table::Running],
};

/// The result of a garbage collection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Collected {
    /// Contents that were removed.
    pub(crate) removed: u64,
    /// Contents that are too young.
    pub(crate) left: u64,
}

/// Files of a table that are to be replaced.
#[derive(Default)]
struct Rewritten {
    removes: Vec<Remove>,
    adds: Vec<Add>,
    /// The rows that are not in the new files.
    taken: Vec<RecordBatch>,
}

impl Lake {
    /// Removes contents that no observation points to: those in files older than `older` (in all files, if `None`), and the candidates
    /// regardless of age.
    pub(crate) async fn collect_garbage(
        &self,
        kind: ContentKind,
        candidates: HashSet<i64>,
        older: Option<TimeDelta>,
    ) -> Result<Collected, Error> {
        let (mut old, young) = self.contents_by_age(kind, older).await?;
        // A part of what a writer is about to commit may be in an older file.
        old.retain(|id| !young.contains(id));
        old.extend(candidates);
        let mut all = young;
        all.extend(&old);
        let referenced = self.referenced(kind.column, &all).await?;
        all.retain(|id| !referenced.contains(id));
        let (orphans, left): (HashSet<i64>, HashSet<i64>) = all.into_iter().partition(|id| old.contains(id));
        let removed = self.remove_contents(kind, &orphans).await?;
        Ok(Collected {
            removed,
            left: left.len() as u64,
        })
    }

    /// The ids in files that are old enough, and those in younger ones.
    async fn contents_by_age(&self, kind: ContentKind, older: Option<TimeDelta>) -> Result<(HashSet<i64>, HashSet<i64>), Error> {
        let limit = older.map(|older| (Utc::now() - older).timestamp_millis());
        let (mut old, mut young) = (HashSet::new(), HashSet::new());
        for table in kind.tables {
            let Some(delta) = self.location.load(*table).await? else { continue };
            for file in files_of(&delta).map_err(|source| wrap_read(*table, source))? {
                let is_old = limit.is_none_or(|limit| file.modified <= limit);
                let ids = if is_old { &mut old } else { &mut young };
                Scanner::new(*table, &delta)
                    .columns(&[kind.column])
                    .read(&file, |rows| {
                        ids.extend((0..rows.len()).filter_map(|row| rows.long(kind.column, row)));
                        Ok(())
                    })
                    .await?;
            }
        }
        Ok((old, young))
    }

    /// The contents that an observation points to. Uses a join: a predicate with each id would be too deep for the engine's stack.
    async fn referenced(&self, column: &str, candidates: &HashSet<i64>) -> Result<HashSet<i64>, Error> {
        let table = Table::Observations;
        if candidates.is_empty() {
            return Ok(HashSet::new());
        }
        let Some(delta) = self.location.load(table).await? else {
            return Ok(HashSet::new());
        };
        let context = SessionContext::new();
        let column_of_ids: ArrayRef = Arc::new(Int64Array::from_iter_values(candidates.iter().copied()));
        let wanted = RecordBatch::try_from_iter([("wanted", column_of_ids)]).map_err(|error| query_error(error.into()))?;
        let observations = context
            .read_table(provider(table, &delta, &context.state()).await?)
            .and_then(|rows| rows.select_columns(&[column]))
            .map_err(query_error)?;
        let held = context
            .read_batch(wanted)
            .and_then(|wanted| wanted.join(observations, JoinType::LeftSemi, &["wanted"], &[column], None))
            .map_err(query_error)?;
        Ok(ids(&held, "wanted").await?.into_iter().collect())
    }

    /// Removes contents, and writes those back that a concurrent append points to by now; returns how many were removed.
    async fn remove_contents(&self, kind: ContentKind, orphans: &HashSet<i64>) -> Result<u64, Error> {
        if orphans.is_empty() {
            return Ok(0);
        }
        let mut copies: Vec<(Table, Vec<RecordBatch>)> = Vec::new();
        // The state itself goes first, so that no reader takes an incomplete one for complete.
        for table in kind.tables.iter().rev() {
            copies.push((*table, self.remove_rows(*table, orphans).await?));
        }
        let back = self.referenced(kind.column, orphans).await?;
        if !back.is_empty() {
            let mut writer = self.writer.lock().await;
            for (table, rows) in copies.iter().rev() {
                writer.restore_rows(*table, rows, &back).await?;
            }
        }
        Ok((orphans.len() - back.len()) as u64)
    }

    /// Removes the rows of contents from a table in one commit, and returns them. Files are rewritten one by one, so that a content that
    /// is complete in one file stays so, in its order.
    async fn remove_rows(&self, table: Table, gone: &HashSet<i64>) -> Result<Vec<RecordBatch>, Error> {
        for attempt in 1..=ATTEMPTS {
            let Some(mut delta) = self.location.load(table).await? else {
                return Ok(Vec::new());
            };
            let mut rewritten = Rewritten::default();
            if let Err(error) = self.rewrite(table, &delta, gone, &mut rewritten).await {
                discard(&delta, &rewritten.adds).await;
                return Err(error);
            }
            let Rewritten { removes, adds, taken } = rewritten;
            let operation = DeltaOperation::Delete { predicate: None };
            if removes.is_empty() || committed(&self.location, table, &mut delta, removes, &adds, operation).await? {
                return Ok(taken);
            }
            pause(attempt).await;
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    async fn rewrite(&self, table: Table, delta: &DeltaTable, gone: &HashSet<i64>, rewritten: &mut Rewritten) -> Result<(), Error> {
        let column = table.spec().indexed;
        let wrap = |source: DeltaTableError| write_error(table, source);
        for file in files_of(delta).map_err(wrap)? {
            let mut is_concerned = false;
            Scanner::new(table, delta)
                .columns(&[column])
                .read(&file, |rows| {
                    is_concerned |= (0..rows.len()).any(|row| rows.long(column, row).is_some_and(|id| gone.contains(&id)));
                    Ok(())
                })
                .await?;
            if !is_concerned {
                continue;
            }
            let mut adds = self.without(table, delta, &file, gone, &mut rewritten.taken).await?;
            rewritten.adds.append(&mut adds);
            let removed = delta
                .snapshot()
                .map_err(wrap)?
                .log_data()
                .iter()
                .find(|one| one.path() == file.path);
            rewritten.removes.extend(removed.map(|one| one.remove_action(true)));
        }
        Ok(())
    }

    /// Writes a new file with the rows that stay, and adds the others to `taken`.
    async fn without(
        &self,
        table: Table,
        delta: &DeltaTable,
        file: &DataFile,
        gone: &HashSet<i64>,
        taken: &mut Vec<RecordBatch>,
    ) -> Result<Vec<Add>, Error> {
        let column = table.spec().indexed;
        let wrap = |source: DeltaTableError| write_error(table, source);
        let arrow_error = |source| wrap(DeltaTableError::Arrow { source });
        let mut writer = RecordBatchWriter::for_table(delta)
            .map_err(wrap)?
            .with_writer_properties(compacted_properties(table));
        let schema = writer.arrow_schema();
        let mut rows = Scanner::new(table, delta).stream(file).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|source| wrap(DeltaTableError::Parquet { source }))?;
            let goes = |id: Option<i64>| id.is_some_and(|id| gone.contains(&id));
            let out = rows_with_id(&batch, column, goes).map_err(arrow_error)?;
            let kept = rows_with_id(&batch, column, |id| !goes(id)).map_err(arrow_error)?;
            if out.num_rows() > 0 {
                taken.push(out);
            }
            if kept.num_rows() > 0 {
                writer.write(conformed(&kept, &schema).map_err(arrow_error)?).await.map_err(wrap)?;
            }
        }
        let adds = writer.flush().await.map_err(wrap)?;
        durable(delta, self.location.folder(table).as_deref(), adds).await
    }
}
