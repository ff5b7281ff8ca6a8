//! The lake as the verbs use it: where it is, and batches of observations on their way into it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vigie_lake::{Lake, Scan};
use vigie_model::Observation;

use crate::args::LakeDir;
use crate::failure::Failure;

/// Observations are committed at least this often.
const EVERY: Duration = Duration::from_secs(20);
/// And whenever this many wait.
const BATCH: usize = 4_000;

/// The lake's folder: as given, else `vigie/lake` in the user's data folder.
pub(crate) fn folder(args: &LakeDir) -> Result<PathBuf, Failure> {
    if let Some(dir) = &args.lake {
        return Ok(dir.clone());
    }
    data_folder()
        .map(|data| data.join("lake"))
        .ok_or_else(|| Failure::usage("no data folder for the lake: this user has no home folder; name one with --lake DIR"))
}

/// vigie's folder in the user's data folder, which each system has in another place.
pub(crate) fn data_folder() -> Option<PathBuf> {
    dirs::data_local_dir().map(|base| base.join("vigie"))
}

/// A runtime for the lake's own work. On one of a single thread delta-rs starts a thread with a runtime of its own for each table.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        // Files are read and written on these; more would only wait for the same disk.
        .max_blocking_threads(4)
        .build()
        .map_err(|error| Failure::scan(format!("no runtime: {error}")))
}

/// Opens a lake that must be there.
pub(crate) fn open(args: &LakeDir) -> Result<(tokio::runtime::Runtime, Lake), Failure> {
    open_with(args, 1)
}

/// The same, for questions: on every core.
#[cfg(feature = "study")]
pub(crate) fn open_for_questions(args: &LakeDir) -> Result<(tokio::runtime::Runtime, Lake), Failure> {
    open_with(args, std::thread::available_parallelism().map_or(1, usize::from))
}

fn open_with(args: &LakeDir, threads: usize) -> Result<(tokio::runtime::Runtime, Lake), Failure> {
    let dir = folder(args)?;
    let runtime = runtime(threads)?;
    if !vigie_lake::is_in_a_store(&dir) && !dir.exists() {
        return Err(Failure::usage(format!(
            "there is no lake at {} yet; a scan makes one: vigie scan",
            dir.display()
        )));
    }
    let lake = runtime.block_on(Lake::open(&dir)).map_err(|error| {
        use vigie_lake::Error::{NoStore, NotALake, Unnameable};
        let said = format!("cannot open the lake at {}: {error}", dir.display());
        match error {
            // Another name is wanted, or another build: nothing is wrong with a lake.
            NotALake(_) | NoStore(_) | Unnameable(..) => Failure::usage(said),
            _ => Failure::output(said),
        }
    })?;
    Ok((runtime, lake))
}

/// Tries whether something can be written into a lake's folders, before anything depends on it. A store says so only when it is written to.
#[cfg(feature = "watch")]
pub(crate) fn try_writing(dir: &Path) -> Result<(), Failure> {
    if vigie_lake::is_in_a_store(dir) {
        return Ok(());
    }
    let tables = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = tables.map(|table| table.join("_delta_log")).filter(|log| log.is_dir());
    let folders = logs.flat_map(|log| [log.parent().map(Path::to_owned), Some(log)]).flatten();
    for folder in std::iter::once(dir.to_owned()).chain(folders) {
        crate::failure::try_writing(&folder, true)
            .map_err(|error| Failure::output(format!("cannot write into the lake at {}: {error}", folder.display())))?;
    }
    Ok(())
}

/// Opens a lake for reading, or the folder that becomes one.
#[cfg(feature = "watch")]
pub(crate) fn open_or_create(dir: &Path) -> Result<(tokio::runtime::Runtime, Lake), Failure> {
    let runtime = runtime(1)?;
    let lake = runtime
        .block_on(Lake::open_or_create(dir))
        .map_err(|error| Failure::output(format!("cannot open the lake at {}: {error}", dir.display())))?;
    Ok((runtime, lake))
}

/// What was committed of each part of an import.
#[cfg(feature = "watch")]
pub(crate) type Parts = std::collections::BTreeMap<usize, vigie_lake::Committed>;

/// Takes observations and commits them in batches, whole or not at all.
pub(crate) struct Writer {
    runtime: tokio::runtime::Runtime,
    lake: Lake,
    waiting: Vec<(u64, Observation)>,
    last: Instant,
    #[cfg(feature = "watch")]
    gathered: Option<vigie_lake::Gathered>,
}

impl Writer {
    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        let runtime = runtime(1)?;
        let lake = runtime.block_on(Lake::open_or_create(dir)).map_err(|error| {
            Failure::output(format!(
                "cannot open the lake at {}: {error}; use another folder (--lake DIR); only a scan can do without one (--no-lake)",
                dir.display()
            ))
        })?;
        Ok(Self {
            runtime,
            lake,
            waiting: Vec::new(),
            last: Instant::now(),
            #[cfg(feature = "watch")]
            gathered: None,
        })
    }

    pub(crate) fn scan(&mut self, scan: &Scan) -> Result<(), Failure> {
        self.runtime
            .block_on(self.lake.record_scan(scan, chrono::Utc::now()))
            .map_err(|error| Failure::output(format!("cannot keep the scan in the lake: {error}")))
    }

    /// Commits a batch at once.
    #[cfg(feature = "watch")]
    pub(crate) fn append(&mut self, batch: &[Observation]) -> Result<vigie_lake::Committed, Failure> {
        self.runtime
            .block_on(self.lake.append(batch))
            .map_err(|error| Failure::output(format!("cannot commit {} observations to the lake: {error}", batch.len())))
    }

    /// Takes a batch whose days come in no order: it is committed with others of the kind, all of a day together. Gives what was committed of
    /// each part, if it was time.
    #[cfg(feature = "watch")]
    pub(crate) fn gather(&mut self, batch: &[Observation], part: usize) -> Result<Parts, Failure> {
        let said = |error: vigie_lake::Error| Failure::output(format!("cannot gather {} observations for the lake: {error}", batch.len()));
        let gathered = match &mut self.gathered {
            Some(gathered) => gathered,
            none => none.insert(self.lake.gathering().map_err(said)?),
        };
        self.runtime.block_on(self.lake.gather(batch, part, gathered)).map_err(said)?;
        if gathered.is_full() {
            self.commit_gathered()
        } else {
            Ok(Parts::new())
        }
    }

    /// Commits what was gathered.
    #[cfg(feature = "watch")]
    pub(crate) fn commit_gathered(&mut self) -> Result<Parts, Failure> {
        let Some(gathered) = self.gathered.take() else {
            return Ok(Parts::new());
        };
        self.runtime
            .block_on(self.lake.commit_gathered(gathered))
            .map_err(|error| Failure::output(format!("cannot commit what was gathered to the lake: {error}; run the same again")))
    }

    /// Takes one; commits if it is time, and gives the indices that are safe now.
    pub(crate) fn take(&mut self, index: u64, observation: Observation) -> Result<Vec<u64>, Failure> {
        self.waiting.push((index, observation));
        self.tick()
    }

    /// Commits if it is time.
    pub(crate) fn tick(&mut self) -> Result<Vec<u64>, Failure> {
        if self.waiting.len() >= BATCH || (!self.waiting.is_empty() && self.last.elapsed() >= EVERY) {
            self.flush()
        } else {
            Ok(Vec::new())
        }
    }

    /// Commits what waits.
    pub(crate) fn flush(&mut self) -> Result<Vec<u64>, Failure> {
        self.last = Instant::now();
        let (indices, batch): (Vec<u64>, Vec<Observation>) = std::mem::take(&mut self.waiting).into_iter().unzip();
        self.runtime
            .block_on(self.lake.append(&batch))
            .map_err(|error| Failure::output(format!("cannot commit {} observations to the lake: {error}", batch.len())))?;
        Ok(indices)
    }
}
