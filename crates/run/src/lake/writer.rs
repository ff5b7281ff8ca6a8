//! Batches of observations on their way into a lake.

#[cfg(feature = "watch")]
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use vigie_lake::{Lake, Scan};
use vigie_model::Observation;

use super::runtime;
use crate::failure::Failure;

/// Observations are committed at least this often.
const EVERY: Duration = Duration::from_secs(20);
/// And whenever this many wait.
const BATCH: usize = 4_000;

/// What was committed of each part of an import.
#[cfg(feature = "watch")]
pub(crate) type Parts = BTreeMap<usize, vigie_lake::Committed>;

/// Commits observations in batches, each whole or not at all.
#[derive(Debug)]
pub struct Writer {
    runtime: tokio::runtime::Runtime,
    lake: Lake,
    waiting: Vec<(u64, Observation)>,
    last: Instant,
    #[cfg(feature = "watch")]
    gathered: Option<vigie_lake::Gathered>,
}

impl Writer {
    /// Opens a lake, or makes it.
    ///
    /// # Errors
    ///
    /// It cannot be opened or made.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
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

    /// Records a scan, anew or with what is known of it by now.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn scan(&mut self, scan: &Scan) -> Result<(), Failure> {
        self.runtime
            .block_on(self.lake.record_scan(scan, chrono::Utc::now()))
            .map_err(|error| Failure::output(format!("cannot record the scan in the lake: {error}")))
    }

    /// Commits a batch at once.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    #[cfg(feature = "watch")]
    pub fn append(&mut self, batch: &[Observation]) -> Result<vigie_lake::Committed, Failure> {
        self.runtime
            .block_on(self.lake.append(batch))
            .map_err(|error| Failure::output(format!("cannot commit {} observations to the lake: {error}", batch.len())))
    }

    /// Commits requests of a gateway's log at once.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    #[cfg(feature = "watch")]
    pub(crate) fn append_requests(&mut self, batch: &[vigie_model::GatewayRequest]) -> Result<vigie_lake::CommittedRequests, Failure> {
        self.runtime
            .block_on(self.lake.append_requests(batch))
            .map_err(|error| Failure::output(format!("cannot commit {} requests to the lake: {error}", batch.len())))
    }

    /// Takes a batch whose days are in no order: it is committed with others like it, all of a day together. Gives what was committed of
    /// each part, if it was time.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    #[cfg(feature = "watch")]
    pub(crate) fn gather(&mut self, batch: &[Observation], part: usize) -> Result<Parts, Failure> {
        let failed =
            |error: vigie_lake::Error| Failure::output(format!("cannot gather {} observations for the lake: {error}", batch.len()));
        let gathered = match &mut self.gathered {
            Some(gathered) => gathered,
            none => none.insert(self.lake.gathering().map_err(failed)?),
        };
        self.runtime.block_on(self.lake.gather(batch, part, gathered)).map_err(failed)?;
        if gathered.is_full() {
            self.commit_gathered()
        } else {
            Ok(Parts::new())
        }
    }

    /// Commits what [`Writer::gather`] took.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    #[cfg(feature = "watch")]
    pub(crate) fn commit_gathered(&mut self) -> Result<Parts, Failure> {
        let Some(gathered) = self.gathered.take() else {
            return Ok(Parts::new());
        };
        self.runtime
            .block_on(self.lake.commit_gathered(gathered))
            .map_err(|error| Failure::output(format!("cannot commit what was gathered to the lake: {error}; run the same again")))
    }

    /// Takes an observation; commits if it is time, and gives the indices that are committed now.
    ///
    /// # Errors
    ///
    /// The batch cannot be written.
    pub fn take(&mut self, index: u64, observation: Observation) -> Result<Vec<u64>, Failure> {
        self.waiting.push((index, observation));
        self.tick()
    }

    /// Commits if it is time, and gives the indices that are committed now.
    ///
    /// # Errors
    ///
    /// The batch cannot be written.
    pub fn tick(&mut self) -> Result<Vec<u64>, Failure> {
        if self.waiting.len() >= BATCH || (!self.waiting.is_empty() && self.last.elapsed() >= EVERY) {
            self.flush()
        } else {
            Ok(Vec::new())
        }
    }

    /// Commits what waits, and gives its indices.
    ///
    /// # Errors
    ///
    /// The batch cannot be written.
    pub fn flush(&mut self) -> Result<Vec<u64>, Failure> {
        self.last = Instant::now();
        let (indices, batch): (Vec<u64>, Vec<Observation>) = std::mem::take(&mut self.waiting).into_iter().unzip();
        self.runtime
            .block_on(self.lake.append(&batch))
            .map_err(|error| Failure::output(format!("cannot commit {} observations to the lake: {error}", batch.len())))?;
        Ok(indices)
    }
}
