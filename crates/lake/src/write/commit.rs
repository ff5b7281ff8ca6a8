//! Commits: how writers take turns, and whether a commit that reported an error is in the log.

use std::time::Duration;

use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, Remove, Transaction};
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::ObjectStoreExt as _;

use super::durable::{discard, sync_log};
use super::rows::write_error;
use crate::location::Location;
use crate::read::{files_of, wrap_read};
use crate::{Error, Table};

/// The application that every commit of vigie names. It makes racing commits conflict: the second fails and reads the table again.
pub(crate) const APPLICATION: &str = "vigie.append";

/// A checkpoint is written after this many commits: delta-rs' own default, which the tables do not change.
const CHECKPOINT: u64 = 100;

/// The most attempts of a commit against other writers. Each failed attempt means that another writer succeeded.
pub(crate) const ATTEMPTS: u32 = 200;

/// Waits a few milliseconds: longer with each attempt, and differently in each process.
pub(crate) async fn pause(attempt: u32) {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos());
    let spread = u64::from(nanos ^ std::process::id().wrapping_mul(0x9e37_79b9)) % 20;
    let millis = u64::from(attempt.min(20)) * 2 + spread;
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Commits added and removed files on top of the loaded version of a table; `false`: another process committed first, and the added files
/// were deleted.
pub(crate) async fn committed(
    location: &Location,
    table: Table,
    delta: &mut DeltaTable,
    removes: Vec<Remove>,
    adds: &[Add],
    operation: DeltaOperation,
) -> Result<bool, Error> {
    let wrap = |source: DeltaTableError| write_error(table, source);
    // The version of the transaction is not used: two commits of one application conflict in any case.
    let next = delta.version().map_or(0, |version| version + 1);
    let properties = CommitProperties::default()
        .with_application_transaction(Transaction::new(APPLICATION, 0))
        // Old entries of the log can only be removed after a checkpoint, so the cleanup runs with each checkpoint.
        .with_cleanup_expired_logs(Some((next + 1).is_multiple_of(CHECKPOINT)));
    let removes = removes.into_iter().map(Action::Remove);
    let commit = CommitBuilder::from(properties)
        .with_actions(removes.chain(adds.iter().cloned().map(Action::Add)).collect())
        .build(Some(delta.snapshot().map_err(wrap)?), delta.log_store(), operation)
        .await;
    let (error, fate) = match commit {
        Ok(commit) if !is_cut_off(delta, commit.version()).await => {
            delta.state = Some(commit.snapshot());
            sync_log(location.folder(table).as_deref(), commit.version()).await?;
            return Ok(true);
        }
        // If the commit is valid after all and its files were already compacted, a second append finds its observations.
        Ok(commit) => {
            let fate = fate(location, table, None, adds).await;
            (DeltaTableError::InvalidVersion(commit.version()), fate)
        }
        Err(error) if is_a_race(&error) => (error, Fate::NotCommitted),
        Err(error) => (error, fate(location, table, Some(next), adds).await),
    };
    match fate {
        // The commit succeeded; a later step failed, such as a checkpoint.
        Fate::Committed(newer) => {
            *delta = *newer;
            sync_log(location.folder(table).as_deref(), delta.version().unwrap_or(next)).await?;
            return Ok(true);
        }
        Fate::NotCommitted => discard(delta, adds).await,
        // The files stay until a vacuum.
        Fate::Unknown => {}
    }
    if is_conflict(&error) { Ok(false) } else { Err(wrap(error)) }
}

/// Whether a commit that reported an error is in the log.
enum Fate {
    /// It is in the log; with the current version of the table.
    Committed(Box<DeltaTable>),
    /// It is not in the log and will not be.
    NotCommitted,
    /// Unknown, or it may still arrive.
    Unknown,
}

/// Searches for files in the current version, and then in the entries of the log from `from` on.
async fn fate(location: &Location, table: Table, from: Option<u64>, adds: &[Add]) -> Fate {
    let Ok(Some(now)) = location.load(table).await else {
        return Fate::Unknown;
    };
    if holds(table, &now, adds).unwrap_or(false) {
        return Fate::Committed(Box::new(now));
    }
    let Some(from) = from else { return Fate::NotCommitted };
    // A request to an object store may arrive after its sender gave up.
    if location.folder(table).is_none() {
        return Fate::Unknown;
    }
    // The commit may have succeeded and its files been compacted already.
    let log = now.log_store();
    for version in from..=now.version().unwrap_or_default() {
        let Ok(Some(entry)) = log.read_commit_entry(version).await else {
            return Fate::Unknown;
        };
        let entry = String::from_utf8_lossy(&entry);
        let names = |add: &Add| add.path.rsplit('/').next().is_some_and(|name| entry.contains(name));
        if adds.iter().any(names) {
            return Fate::Committed(Box::new(now));
        }
    }
    Fate::NotCommitted
}

/// Whether the log entry before a commit is missing. In that case another process may have written a checkpoint of a later version and
/// removed the old entries, so that the commit's number was free again: no reader would ever see the commit.
async fn is_cut_off(delta: &DeltaTable, version: u64) -> bool {
    let Some(before) = version.checked_sub(1) else { return false };
    let entry = deltalake_core::Path::from(format!("_delta_log/{before:020}.json"));
    matches!(delta.object_store().head(&entry).await, Err(object_store::Error::NotFound { .. }))
}

/// Whether a table names one of these files.
pub(crate) fn holds(table: Table, delta: &DeltaTable, adds: &[Add]) -> Result<bool, Error> {
    let files = files_of(delta).map_err(|source| wrap_read(table, source))?;
    Ok(files.iter().any(|file| adds.iter().any(|add| add.path == file.path)))
}

/// Whether to reload the table and retry.
pub(crate) fn is_conflict(error: &DeltaTableError) -> bool {
    // Another process removed the entries of the log since the loaded version.
    is_a_race(error) || matches!(error, DeltaTableError::InvalidVersion(_))
}

/// Whether another writer committed first, so that nothing was committed.
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
