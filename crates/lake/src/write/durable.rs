//! Making files, folders and log entries durable, so that they survive a loss of power.

use std::path::{Path, PathBuf};

use deltalake_core::DeltaTable;
use deltalake_core::kernel::Add;
use object_store::ObjectStoreExt as _;

use crate::Error;

/// Makes new files of a table durable, before they are committed.
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

/// Makes an entry of a table's log durable. With the first entry, the table's folder is new too.
pub(crate) async fn sync_log(folder: Option<&Path>, version: u64) -> Result<(), Error> {
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

/// Deletes the files of a commit that did not happen. If that fails they stay until the next vacuum; no reader sees them.
pub(crate) async fn discard(delta: &DeltaTable, adds: &[Add]) {
    let store = delta.object_store();
    for add in adds {
        drop(store.delete(&deltalake_core::Path::from(add.path.as_str())).await);
    }
}

/// Makes files and folders durable. Any failure is an error, also a panic or the end of the task: without confirmation nothing counts as
/// durable.
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
    // Only Unix can open a folder; elsewhere only files are synced.
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

    /// A fault that occurs when something in a folder is made durable.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// The system refuses.
        Refused,
        /// The task panics.
        Panics,
    }

    static FAULTS: Mutex<Vec<(PathBuf, Fault)>> = Mutex::new(Vec::new());

    /// Injects a fault below a folder; `None` removes it.
    pub(crate) fn set(folder: &Path, fault: Option<Fault>) {
        let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|(at, _)| at != folder);
        faults.extend(fault.map(|fault| (folder.to_owned(), fault)));
    }

    pub(super) fn strike(path: &Path) -> std::io::Result<()> {
        let faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match faults.iter().find(|(at, _)| path.starts_with(at)) {
            Some((_, Fault::Refused)) => Err(std::io::Error::other("injected by the test")),
            Some((_, Fault::Panics)) => panic!("a fault of the test"),
            None => Ok(()),
        }
    }
}
