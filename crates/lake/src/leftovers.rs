//! The part of a vacuum that delta-rs does not do: removing files that no commit names, and old entries of the log.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{TimeDelta, Utc};
use deltalake_core::DeltaTableError;
use deltalake_core::checkpoints::{cleanup_expired_logs_for, create_checkpoint};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStoreExt as _};

use crate::read::files_of;
use crate::write::{sync_checkpoint, write_error};
use crate::{Error, Lake, Table};

const LOG: &str = "_delta_log";

impl Lake {
    /// Removes files that no commit names and that are older than `older`; returns how many, and how many younger ones stay.
    pub(crate) async fn remove_unnamed(&self, table: Table, older: TimeDelta) -> Result<(u64, u64), Error> {
        let folder = self.location.folder(table);
        if folder.as_deref().is_some_and(|folder| !folder.is_dir()) {
            return Ok((0, 0));
        }
        let limit = Utc::now() - older;
        let wrap = |source: DeltaTableError| write_error(table, source);
        let refused = |source: object_store::Error| wrap(DeltaTableError::ObjectStore { source });
        // Listed before the log is read, so that files committed in between are named there.
        let store = self.location.unloaded(table)?.object_store();
        let mut unnamed: Vec<ObjectMeta> = store
            .list(None)
            .try_filter(|file| {
                let is_data = file.location.extension() == Some("parquet") && !file.location.prefix_matches(&LOG.into());
                std::future::ready(is_data)
            })
            .try_collect()
            .await
            .map_err(refused)?;
        if !unnamed.is_empty()
            && let Some(delta) = self.location.load(table).await?
        {
            let mut named: HashSet<deltalake_core::Path> = HashSet::new();
            named.extend(files_of(&delta).map_err(wrap)?.into_iter().map(|file| file.object));
            let log = delta.log_store();
            let mut gone = delta.snapshot().map_err(wrap)?.all_tombstones(log.as_ref());
            while let Some(gone) = gone.next().await {
                let path = gone.map_err(wrap)?.path().into_owned();
                named.insert(deltalake_core::Path::parse(&path).unwrap_or_else(|_| path.as_str().into()));
            }
            unnamed.retain(|file| !named.contains(&file.location));
        }
        let (mut removed, mut left) = (0, 0);
        for file in unnamed {
            if file.last_modified > limit {
                left += 1;
                continue;
            }
            match store.delete(&file.location).await {
                Ok(()) => removed += 1,
                // Another process removed it.
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        if let Some(folder) = folder {
            for path in unfinished(&folder)? {
                let wrap = |source| Error::Disk {
                    path: path.clone(),
                    source,
                };
                let modified = match path.metadata().and_then(|metadata| metadata.modified()) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    modified => modified.map_err(wrap)?,
                };
                if modified > SystemTime::from(limit) {
                    left += 1;
                } else {
                    std::fs::remove_file(&path).map_err(wrap)?;
                    removed += 1;
                }
            }
        }
        Ok((removed, left))
    }

    /// Removes the entries of a table's log that are older than `older` and precede a checkpoint, and writes a checkpoint for the next
    /// time. If `older` is zero, the checkpoint is written first, and every entry before it is removed.
    pub(crate) async fn shorten_log(&self, table: Table, older: TimeDelta) -> Result<(), Error> {
        let Some(delta) = self.location.load(table).await? else {
            return Ok(());
        };
        let wrap = |source| write_error(table, source);
        let newest = delta.version().unwrap_or_default();
        if older > TimeDelta::zero() {
            let limit = (Utc::now() - older).timestamp_millis();
            cleanup_expired_logs_for(newest, delta.log_store().as_ref(), limit, None)
                .await
                .map_err(wrap)?;
            create_checkpoint(&delta, None).await.map_err(wrap)?;
            return sync_checkpoint(self.location.folder(table).as_deref(), newest).await;
        }
        create_checkpoint(&delta, None).await.map_err(wrap)?;
        // The checkpoint must be durable before the entries that it covers are removed.
        sync_checkpoint(self.location.folder(table).as_deref(), newest).await?;
        let store = delta.object_store();
        let refused = |source: object_store::Error| wrap(DeltaTableError::ObjectStore { source });
        let of = |entry: &ObjectMeta| {
            entry
                .location
                .filename()
                .and_then(|name| name.split('.').next()?.parse::<u64>().ok())
        };
        let mut entries: Vec<ObjectMeta> = store.list(Some(&LOG.into())).try_collect().await.map_err(refused)?;
        // The newest entry stays: it shows that the version exists.
        entries.retain(|entry| of(entry).is_some_and(|of| of < newest));
        // Oldest first: a writer on an old version notices that the entry before its own is missing.
        entries.sort_by_key(of);
        for entry in entries {
            match store.delete(&entry.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Ok(())
    }
}

/// Temporary files of killed writers in a folder. The object store gives them these names and does not list them.
fn unfinished(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let wrap = |source| Error::Disk {
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            if entry.file_type().map_err(wrap)?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_str().is_some_and(is_unfinished) {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

fn is_unfinished(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_numbered = name.rsplit_once('#').is_some_and(|(_, number)| is_number(number));
    is_numbered || (name.starts_with("_commit_") && name.ends_with(".json.tmp"))
}
