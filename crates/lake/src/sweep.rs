//! Contents that no observation points to.
//!
//! They are left by a deletion or an import that was killed, and an append makes some for a moment: it commits what its observations point
//! to before them. So contents count as left behind only once their file is older than [`SAFE`], but for those whose observations the very
//! call took out, and for a [`Lake::purge`], which takes whatever nothing points to. Nothing that was acknowledged is lost by either: an
//! append looks, after its observations, whether files went that its contents were in, and puts them back; whoever takes contents out looks
//! afterwards whether something points to them by then, and puts them back.

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

use crate::read::{DataFile, Scanner, files_of, wrap_read};
use crate::rows::picked;
use crate::upkeep::{asked, ids, provider, write};
use crate::write::{ATTEMPTS, committed, conformed, discard, durable, pause, squeezed};
use crate::{Error, Lake, Table};

/// What is younger than this may belong to a writer that is not done. A batch takes seconds from its first file to its last commit.
pub(crate) const SAFE: TimeDelta = TimeDelta::hours(1);

/// Tables that share a column of ids, in the order in which they are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    column: &'static str,
    tables: &'static [Table],
}

/// What a state says; the state itself last, so that one that is there is whole.
pub(crate) const STATES: Kind = Kind {
    column: "state",
    tables: &[Table::Models, Table::Tools, Table::Evidence, Table::States],
};

/// Lists of running models.
pub(crate) const RUNNING: Kind = Kind {
    column: "running_state",
    tables: &[Table::Running],
};

/// What became of contents that nothing points to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Swept {
    /// Taken out.
    pub(crate) removed: u64,
    /// Too young.
    pub(crate) left: u64,
}

/// Files of a table that are to be replaced.
#[derive(Default)]
struct Rewritten {
    removes: Vec<Remove>,
    adds: Vec<Add>,
    /// The rows that are in none of the new ones.
    taken: Vec<RecordBatch>,
}

impl Lake {
    /// Takes out the contents that no observation points to: those that lie in files that are older than `older` (all, if there is no
    /// such limit), and these candidates in any case.
    pub(crate) async fn sweep(&self, kind: Kind, candidates: HashSet<i64>, older: Option<TimeDelta>) -> Result<Swept, Error> {
        let (mut old, young) = self.contents_by_age(kind, older).await?;
        // The rest of something that a writer is at may lie in an older file.
        old.retain(|id| !young.contains(id));
        old.extend(candidates);
        let mut all = young;
        all.extend(&old);
        let pointed = self.pointed(kind.column, &all).await?;
        all.retain(|id| !pointed.contains(id));
        let (orphans, left): (HashSet<i64>, HashSet<i64>) = all.into_iter().partition(|id| old.contains(id));
        let removed = self.take_out_contents(kind, &orphans).await?;
        Ok(Swept {
            removed,
            left: left.len() as u64,
        })
    }

    /// The ids in files that are old enough, and those in younger ones.
    async fn contents_by_age(&self, kind: Kind, older: Option<TimeDelta>) -> Result<(HashSet<i64>, HashSet<i64>), Error> {
        let limit = older.map(|older| (Utc::now() - older).timestamp_millis());
        let (mut old, mut young) = (HashSet::new(), HashSet::new());
        for table in kind.tables {
            let Some(delta) = self.place.load(*table).await? else { continue };
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

    /// Those of the contents that an observation points to. A join: a predicate that names each of them is too deep for the engine's stack.
    async fn pointed(&self, column: &str, ids_asked: &HashSet<i64>) -> Result<HashSet<i64>, Error> {
        let table = Table::Observations;
        if ids_asked.is_empty() {
            return Ok(HashSet::new());
        }
        let Some(delta) = self.place.load(table).await? else {
            return Ok(HashSet::new());
        };
        let context = SessionContext::new();
        let asked_for: ArrayRef = Arc::new(Int64Array::from_iter_values(ids_asked.iter().copied()));
        let wanted = RecordBatch::try_from_iter([("wanted", asked_for)]).map_err(|error| asked(error.into()))?;
        let observations = context
            .read_table(provider(table, &delta, &context.state()).await?)
            .and_then(|rows| rows.select_columns(&[column]))
            .map_err(asked)?;
        let held = context
            .read_batch(wanted)
            .and_then(|wanted| wanted.join(observations, JoinType::LeftSemi, &["wanted"], &[column], None))
            .map_err(asked)?;
        Ok(ids(&held, "wanted").await?.into_iter().collect())
    }

    /// Takes out contents, and puts those back that an append came to point to meanwhile; gives how many are out.
    async fn take_out_contents(&self, kind: Kind, orphans: &HashSet<i64>) -> Result<u64, Error> {
        if orphans.is_empty() {
            return Ok(0);
        }
        let mut copies: Vec<(Table, Vec<RecordBatch>)> = Vec::new();
        // The state itself goes first: no reader takes the rest of one for all of it.
        for table in kind.tables.iter().rev() {
            copies.push((*table, self.take_out_rows(*table, orphans).await?));
        }
        let back = self.pointed(kind.column, orphans).await?;
        if !back.is_empty() {
            let mut writer = self.writer.lock().await;
            for (table, rows) in copies.iter().rev() {
                writer.put_back(*table, rows, &back).await?;
            }
        }
        Ok((orphans.len() - back.len()) as u64)
    }

    /// Takes the rows of contents out of a table, in one commit; gives them. File by file, so that what lies whole in one file stays so,
    /// and in its order.
    async fn take_out_rows(&self, table: Table, gone: &HashSet<i64>) -> Result<Vec<RecordBatch>, Error> {
        for attempt in 1..=ATTEMPTS {
            let Some(mut delta) = self.place.load(table).await? else {
                return Ok(Vec::new());
            };
            let mut rewritten = Rewritten::default();
            if let Err(error) = self.rewrite(table, &delta, gone, &mut rewritten).await {
                discard(&delta, &rewritten.adds).await;
                return Err(error);
            }
            let Rewritten { removes, adds, taken } = rewritten;
            let operation = DeltaOperation::Delete { predicate: None };
            if removes.is_empty() || committed(&self.place, table, &mut delta, removes, &adds, operation).await? {
                return Ok(taken);
            }
            pause(attempt).await;
        }
        Err(Error::Busy { table, attempts: ATTEMPTS })
    }

    async fn rewrite(&self, table: Table, delta: &DeltaTable, gone: &HashSet<i64>, rewritten: &mut Rewritten) -> Result<(), Error> {
        let column = table.spec().indexed;
        let wrap = |source: DeltaTableError| write(table, source);
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

    /// Writes what is left of a file.
    async fn without(
        &self,
        table: Table,
        delta: &DeltaTable,
        file: &DataFile,
        gone: &HashSet<i64>,
        taken: &mut Vec<RecordBatch>,
    ) -> Result<Vec<Add>, Error> {
        let column = table.spec().indexed;
        let wrap = |source: DeltaTableError| write(table, source);
        let unfit = |source| wrap(DeltaTableError::Arrow { source });
        let mut writer = RecordBatchWriter::for_table(delta)
            .map_err(wrap)?
            .with_writer_properties(squeezed(table));
        let schema = writer.arrow_schema();
        let mut rows = Scanner::new(table, delta).stream(file).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|source| wrap(DeltaTableError::Parquet { source }))?;
            let goes = |id: Option<i64>| id.is_some_and(|id| gone.contains(&id));
            let out = picked(&batch, column, goes).map_err(unfit)?;
            let kept = picked(&batch, column, |id| !goes(id)).map_err(unfit)?;
            if out.num_rows() > 0 {
                taken.push(out);
            }
            if kept.num_rows() > 0 {
                writer.write(conformed(&kept, &schema).map_err(unfit)?).await.map_err(wrap)?;
            }
        }
        let adds = writer.flush().await.map_err(wrap)?;
        durable(delta, self.place.folder(table).as_deref(), adds).await
    }
}
