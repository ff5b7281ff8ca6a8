//! Appending observations and scans.

use std::collections::HashSet;
use std::sync::PoisonError;

use vigie_model::{Observation, Timestamp};

use super::commit::ATTEMPTS;
use super::rows::{OF_A_STATE, OF_RUNNING, built, running_of, states_of};
use crate::batch::Batch;
use crate::prepared::Prepared;
use crate::scan::Scan;
use crate::{Error, Lake, Table};

/// The result of an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Observations that were added.
    pub observations: usize,
    /// Observations that were already in the lake, or twice in the batch.
    pub duplicates: usize,
    /// States that were new.
    pub states: usize,
}

impl Lake {
    /// Appends observations: when this returns they are on disk, and a reader sees either all of them or none.
    ///
    /// An observation is a duplicate if its source (kind, name, vantage), instant and endpoint are already in the lake. The
    /// check reads only the files whose `seen` overlaps the batch's: none for a scan, which moves forward in time, and those
    /// of the same days for an import, so import in order of time or in large batches. Instants are stored to the
    /// microsecond. Each call makes a file per day: append observations once a minute or by the thousand.
    ///
    /// # Errors
    ///
    /// After an error nothing of the batch is visible, unless only making it durable failed. Appending the batch again is always safe.
    pub async fn append(&self, batch: &[Observation]) -> Result<Committed, Error> {
        let mut done = Committed::default();
        if batch.is_empty() {
            return Ok(done);
        }
        let mut prepared = self.prepared(batch)?;

        let mut writer = self.writer.lock().await;
        writer.sync_again().await?;
        // Duplicates must not add states.
        writer.drop_duplicates(&mut prepared).await?;
        prepared.sort_by_key(Prepared::sort_key);

        done.states = writer.put_contents_of(&prepared).await?;
        done.observations = writer.put_observations(&mut prepared).await?;
        done.duplicates = batch.len() - done.observations;
        // The garbage collection may have removed contents after the check; if so, files with states are missing.
        if writer.has_lost_files(Table::States).await? {
            for (table, put) in OF_A_STATE {
                writer.put_contents(table, &states_of(&prepared), put).await?;
            }
        }
        if writer.has_lost_files(Table::Running).await? {
            let (table, put) = OF_RUNNING;
            writer.put_contents(table, &running_of(&prepared), put).await?;
        }
        Ok(done)
    }

    /// The observations of a batch with the ids of their contents, each once.
    pub(crate) fn prepared<'b>(&self, batch: &'b [Observation]) -> Result<Vec<Prepared<'b>>, Error> {
        let mut cache = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let mut prepared: Vec<Prepared<'b>> = Vec::with_capacity(batch.len());
        for observation in batch {
            // Similar servers come in runs with equal contents, and comparing is cheaper than hashing.
            let last = prepared.last().filter(|_| observation.exposure.is_alone());
            let ids = match last.and_then(|last| last.ids_of(observation)) {
                Some(ids) => ids,
                None => cache.ids(observation)?,
            };
            prepared.push(Prepared::new(observation, ids));
        }
        let mut keys = HashSet::with_capacity(prepared.len());
        let first: Vec<bool> = prepared.iter().map(|one| keys.insert(one.key())).collect();
        drop(keys);
        let mut first = first.into_iter();
        prepared.retain(|_| first.next() == Some(true));
        Ok(prepared)
    }

    /// Records a scan with what is needed to repeat it. Call it when the scan starts and again when it ends.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub async fn record_scan(&self, scan: &Scan, now: Timestamp) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        for attempt in 1..=ATTEMPTS {
            let mut batch = Batch::new(Table::Scans.spec(), 1);
            scan.put(&mut batch, now);
            let batch = built(Table::Scans, batch).transpose();
            if writer.try_commit(Table::Scans, batch.into_iter()).await?.is_some() {
                return Ok(());
            }
            writer.wait_turn(Table::Scans, attempt).await?;
        }
        Err(Error::Busy {
            table: Table::Scans,
            attempts: ATTEMPTS,
        })
    }
}
