//! Observations of other tools on their way into the lake: what an import and a discovery have in common.

mod committer;
mod counts;
mod errors;
mod order;
mod weight;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vigie_import::{Bad, Parsed};
use vigie_model::{GatewayRequest, Observation};

use self::committer::{Committer, Done, Work};
use self::errors::ErrorFile;
use self::order::DayOrder;
use self::weight::BatchWeight;
use crate::failure::Failure;
use crate::lake::Writer;

pub use self::counts::ImportCounts;

/// Observations that are committed together, because few large commits cost less than many small ones, and the check for duplicates then
/// reads the files of a day less often.
const BATCH: usize = 50_000;

/// The most bytes that they take, except for the last record: while one batch is written, the next is filled.
const BYTES: usize = 48 << 20;

/// Requests of a gateway's log that are committed together.
const REQUESTS: usize = 16_384;

/// Takes parsed records: commits the observations to the lake in batches, and writes the bad records to the error file.
///
/// What is read is divided into parts, a file or a query each, which are counted apart.
pub(crate) struct Intake {
    committer: Committer,
    errors: ErrorFile,
    waiting: Vec<Observation>,
    /// Requests of a gateway's log.
    waiting_requests: Vec<GatewayRequest>,
    weight: BatchWeight,
    order: DayOrder,
    /// The counts of each part. The last part is the one that is read.
    counts: Vec<ImportCounts>,
    /// The first bad record of each part.
    first_bad: BTreeMap<usize, Bad>,
}

impl Intake {
    pub(crate) fn new(writer: Writer, errors: &Path) -> Self {
        Self {
            committer: Committer::new(writer),
            errors: ErrorFile::new(errors),
            waiting: Vec::new(),
            waiting_requests: Vec::new(),
            weight: BatchWeight::default(),
            order: DayOrder::default(),
            counts: vec![ImportCounts::default()],
            first_bad: BTreeMap::new(),
        }
    }

    /// Takes the results of some records of `from`. If enough observations wait, they are committed while more are taken.
    pub(crate) fn take(&mut self, from: &str, parsed: Parsed) -> Result<(), Failure> {
        self.counts_of(self.part()).pass_over(parsed.passed_over);
        self.take_requests(parsed.requests)?;
        if self.waiting.capacity() == 0 {
            self.waiting = self.committer.spare();
            // All of it at once, because a vector that grows copies its contents. Capacity that is never used takes no memory.
            self.waiting.reserve(BATCH + BATCH / 8);
        }
        for item in parsed.items {
            match item {
                Ok(observation) => {
                    self.weight.add(&observation);
                    self.waiting.push(observation);
                }
                Err(bad) => {
                    let part = self.part();
                    self.counts_of(part).bad += 1;
                    self.errors.write(from, &bad)?;
                    self.first_bad.entry(part).or_insert(bad);
                }
            }
        }
        if self.waiting.len() >= BATCH || self.weight.bytes() >= BYTES {
            let is_giant = self.weight.bytes() >= 2 * BYTES;
            self.hand_over(false)?;
            // One record can be as large as several batches: two of them are not held at once.
            if is_giant {
                self.wait_for_all()?;
            }
        }
        while let Some(done) = self.committer.done() {
            self.add(done?);
        }
        Ok(())
    }

    /// Waits until the committer has done all its work.
    fn wait_for_all(&mut self) -> Result<(), Failure> {
        while let Some(done) = self.committer.wait() {
            self.add(done?);
        }
        Ok(())
    }

    /// Takes requests of a gateway's log, which are in the order of their days.
    fn take_requests(&mut self, requests: Vec<GatewayRequest>) -> Result<(), Failure> {
        self.waiting_requests.extend(requests);
        if self.waiting_requests.len() >= REQUESTS {
            self.hand_over_requests()?;
        }
        Ok(())
    }

    fn hand_over_requests(&mut self) -> Result<(), Failure> {
        if self.waiting_requests.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.waiting_requests);
        self.committer.hand(Work::Requests(self.part(), batch))
    }

    fn add(&mut self, done: Vec<(usize, Done)>) {
        for (part, done) in done {
            match done {
                Done::Observations(done) => self.counts_of(part).add(done),
                Done::Requests(done) => self.counts_of(part).add_requests(done),
            }
        }
    }

    /// The number of the part that is read.
    fn part(&self) -> usize {
        self.counts.len() - 1
    }

    fn counts_of(&mut self, part: usize) -> &mut ImportCounts {
        if part >= self.counts.len() {
            self.counts.resize(part + 1, ImportCounts::default());
        }
        &mut self.counts[part]
    }

    /// Commits everything that waits. When this returns, it is in the lake.
    pub(crate) fn commit(&mut self) -> Result<(), Failure> {
        self.hand_over_requests()?;
        self.hand_over(true)?;
        if std::mem::take(&mut self.order).gathers() {
            self.committer.hand(Work::CommitGathered)?;
        }
        self.wait_for_all()
    }

    /// Commits what waits at the end of a file. Only observations that are gathered by day stay, because further files may have more of
    /// the same days.
    pub(crate) fn end_of_file(&mut self, is_last: bool) -> Result<(), Failure> {
        self.hand_over_requests()?;
        self.hand_over(is_last)?;
        self.wait_for_all()
    }

    /// Hands the waiting batch to the committer. With `last`, nothing of its days can follow.
    fn hand_over(&mut self, last: bool) -> Result<(), Failure> {
        self.weight = BatchWeight::default();
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.waiting);
        let is_scattered = self.order.is_scattered(&batch, last);
        let part = self.part();
        self.committer.hand(if is_scattered {
            Work::Gather(part, batch)
        } else {
            Work::Append(part, batch)
        })
    }

    /// The number of observations that wait to be committed.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The counts of the part that is read.
    pub(crate) fn counts(&self) -> ImportCounts {
        self.counts.last().copied().unwrap_or_default()
    }

    /// The counts of each part. They are complete once [`Intake::commit`] has returned.
    #[must_use]
    pub(crate) fn all_counts(&self) -> &[ImportCounts] {
        &self.counts
    }

    /// The first bad record of a part.
    pub(crate) fn first_bad(&self, part: usize) -> Option<&Bad> {
        self.first_bad.get(&part)
    }

    /// Starts a new part and returns its number in [`Intake::all_counts`].
    pub(crate) fn start_part(&mut self) -> usize {
        self.counts.push(ImportCounts::default());
        self.part()
    }

    /// Puts the error file in its place and returns its path; `None` if no record was bad.
    pub(crate) fn close(self) -> Result<Option<PathBuf>, Failure> {
        self.errors.close()
    }
}

#[cfg(test)]
mod samples {
    use vigie_model::{Observation, Timestamp};

    /// Equal observations, one of each of these days, counted from 1970.
    pub(super) fn observations(days: impl IntoIterator<Item = u32>) -> Vec<Observation> {
        let line = r#"{"schema":"vigie.observation/1","seen":"2026-01-01T08:00:00Z","recorded":"2026-11-22T08:00:01Z","source":{"kind":"scan","name":"vigie","version":"0.1.0"},"scope":{"unknown":"not-asked"},"endpoint":{"address":"192.0.2.7","port":11434,"transport":"tcp","name":null,"tls":{"known":false}},"identity":{"product":{"known":"ollama"},"version":{"known":"0.9.0"},"confidence":0.9,"evidence":[]},"exposure":{"posture":{"known":"open"},"posture_from":null,"reach":{"unknown":"not-asked"},"activity":{"unknown":"not-asked"},"models":{"known":[]},"running":{"unknown":"not-asked"},"capabilities":{"unknown":"not-asked"},"tools":{"unknown":"not-asked"}},"network":{"country":{"known":"DE"},"asn":{"known":1},"class":{"unknown":"not-asked"}},"deception":{"score":{"known":0.0},"tells":[]},"advisories":[],"findings":[]}"#;
        let one: Observation = serde_json::from_str(line).expect("a record");
        let at = |day: u32| Observation {
            seen: Timestamp::UNIX_EPOCH + chrono::TimeDelta::days(day.into()),
            ..one.clone()
        };
        days.into_iter().map(at).collect()
    }
}
