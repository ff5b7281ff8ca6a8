//! The lake: its folder, how it is opened, and the writer of batches.

mod writer;

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;
use vigie_lake::Lake;

use crate::failure::Failure;
use crate::folders::data_folder;

#[cfg(feature = "watch")]
pub(crate) use writer::Parts;
pub use writer::Writer;

/// The lake's folder: as given, else `vigie/lake` in the user's data folder.
///
/// # Errors
///
/// No folder was given and the user has no data folder.
pub fn folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(dir) = given {
        return Ok(dir.to_owned());
    }
    data_folder()
        .map(|data| data.join("lake"))
        .ok_or_else(|| Failure::usage("no data folder for the lake: this user has no home folder; name one with --lake DIR"))
}

/// The folder of resume files.
pub(crate) fn resume_folder() -> PathBuf {
    data_folder().map_or_else(|| PathBuf::from("."), |data| data.join("resume"))
}

/// A runtime for the lake. On a single-threaded one, delta-rs would start a thread with its own runtime for each table.
fn runtime(threads: usize) -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        // Files are read and written on these; more would only wait for the same disk.
        .max_blocking_threads(4)
        .build()
        .map_err(|error| Failure::scan(format!("cannot start the asynchronous runtime: {error}")))
}

/// Opens a lake that exists.
///
/// # Errors
///
/// There is no lake, or it cannot be read.
pub fn open(dir: &Path) -> Result<(Runtime, Lake), Failure> {
    open_with(dir, 1)
}

/// The same with a runtime on every core, for queries.
///
/// # Errors
///
/// As [`open`].
pub fn open_for_queries(dir: &Path) -> Result<(Runtime, Lake), Failure> {
    open_with(dir, std::thread::available_parallelism().map_or(1, usize::from))
}

fn open_with(dir: &Path, threads: usize) -> Result<(Runtime, Lake), Failure> {
    let runtime = runtime(threads)?;
    if !vigie_lake::is_in_a_store(dir) && !dir.exists() {
        return Err(Failure::usage(format!(
            "there is no lake at {} yet; vigie scan creates one",
            dir.display()
        )));
    }
    let lake = runtime.block_on(Lake::open(dir)).map_err(|error| {
        use vigie_lake::Error::{NoStore, NotALake, Unnameable};
        let message = format!("cannot open the lake at {}: {error}", dir.display());
        match error {
            // The name is wrong, or this build has no object stores: no lake is damaged.
            NotALake(_) | NoStore(_) | Unnameable(..) => Failure::usage(message),
            _ => Failure::output(message),
        }
    })?;
    Ok((runtime, lake))
}

/// Opens a lake for reading, or makes the folder that becomes one.
///
/// # Errors
///
/// It cannot be read or made.
pub fn open_or_create(dir: &Path) -> Result<(Runtime, Lake), Failure> {
    let runtime = runtime(1)?;
    let lake = runtime
        .block_on(Lake::open_or_create(dir))
        .map_err(|error| Failure::output(format!("cannot open the lake at {}: {error}", dir.display())))?;
    Ok((runtime, lake))
}

/// Tests whether the folders of a lake can be written to, before anything depends on it. An object store cannot be tested without a write.
///
/// # Errors
///
/// A folder cannot be written into.
#[cfg(feature = "watch")]
pub(crate) fn try_writing(dir: &Path) -> Result<(), Failure> {
    if vigie_lake::is_in_a_store(dir) {
        return Ok(());
    }
    let tables = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = tables.map(|table| table.join("_delta_log")).filter(|log| log.is_dir());
    let folders = logs.flat_map(|log| [log.parent().map(Path::to_owned), Some(log)]).flatten();
    for folder in std::iter::once(dir.to_owned()).chain(folders) {
        crate::files::try_writing(&folder, true)
            .map_err(|error| Failure::output(format!("cannot write into the lake at {}: {error}", folder.display())))?;
    }
    Ok(())
}
