//! Records of other tools on their way into the lake: what an import and a discovery have in common.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use chrono::NaiveDate;
use serde::Serialize;
use vigie_import::{Bad, Parsed};
use vigie_lake::Committed;
use vigie_model::{Finding, Observation};
use vigie_run::Failure;
use vigie_run::lake::{Parts, Writer};
use vigie_run::{WholeFile, cannot_write};

/// Observations that are committed together, for few large commits cost less than many small ones, and the check for duplicates reads a
/// day's files seldom.
const BATCH: usize = 50_000;

/// And the bytes that they take, at most but for the last record: while one batch is written the next is filled.
const BYTES: usize = 48 << 20;

/// Fewer observations of a day than this cost less than the file that they would become.
const WORTH_A_FILE: usize = 1_000;

/// What was taken, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) observations: u64,
    pub(crate) added: u64,
    pub(crate) duplicates: u64,
    pub(crate) bad: u64,
    pub(crate) not_open: u64,
    pub(crate) not_tcp: u64,
    pub(crate) host_discovery: u64,
    pub(crate) not_recognised: u64,
}

impl Counts {
    fn add(&mut self, done: Committed) {
        self.observations += (done.observations + done.duplicates) as u64;
        self.added += done.observations as u64;
        self.duplicates += done.duplicates as u64;
    }

    /// What was passed over, in words; empty if nothing was.
    pub(crate) fn passed_over(&self) -> String {
        let passed: Vec<String> = [
            (self.not_open, "not open"),
            (self.not_tcp, "not TCP"),
            (self.host_discovery, "without a port (host discovery)"),
            (self.not_recognised, "not recognised"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        passed.join(", ")
    }
}

/// Takes records: observations to the lake in batches, bad ones to the error file.
pub(crate) struct Intake {
    committer: Committer,
    errors: Errors,
    waiting: Vec<Observation>,
    weight: Weight,
    order: Order,
    /// Of each file or query, the last of which is read.
    counts: Vec<Counts>,
    /// The first bad record of each.
    first_bad: BTreeMap<usize, Bad>,
}

impl Intake {
    pub(crate) fn new(writer: Writer, errors: &Path) -> Self {
        Self {
            committer: Committer::new(writer),
            errors: Errors::new(errors),
            waiting: Vec::new(),
            weight: Weight::default(),
            order: Order::default(),
            counts: vec![Counts::default()],
            first_bad: BTreeMap::new(),
        }
    }

    /// Takes what records of `from` gave; has it committed, while more is taken, if enough waits.
    pub(crate) fn take(&mut self, from: &str, parsed: Parsed) -> Result<(), Failure> {
        let counts = self.counts_of(self.part());
        counts.not_open += parsed.passed_over.not_open;
        counts.not_tcp += parsed.passed_over.not_tcp;
        counts.host_discovery += parsed.passed_over.host_discovery;
        counts.not_recognised += parsed.passed_over.not_recognised;
        if self.waiting.capacity() == 0 {
            self.waiting = self.committer.spare();
            // At once, for growing it copies it: what is not used yet takes no memory.
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
                    self.errors.keep(from, &bad)?;
                    self.first_bad.entry(part).or_insert(bad);
                }
            }
        }
        if self.waiting.len() >= BATCH || self.weight.bytes >= BYTES {
            let is_giant = self.weight.bytes >= 2 * BYTES;
            self.hand_over(false)?;
            // One record can be as large as several batches: two of them are not held at once.
            if is_giant {
                self.hear_all()?;
            }
        }
        while let Some(done) = self.committer.done() {
            self.add(done?);
        }
        Ok(())
    }

    fn hear_all(&mut self) -> Result<(), Failure> {
        while let Some(done) = self.committer.wait() {
            self.add(done?);
        }
        Ok(())
    }

    fn add(&mut self, done: Parts) {
        for (part, done) in done {
            self.counts_of(part).add(done);
        }
    }

    /// The number of what is read.
    fn part(&self) -> usize {
        self.counts.len() - 1
    }

    fn counts_of(&mut self, part: usize) -> &mut Counts {
        if part >= self.counts.len() {
            self.counts.resize(part + 1, Counts::default());
        }
        &mut self.counts[part]
    }

    /// Commits what waits; when this returns it is in the lake.
    pub(crate) fn commit(&mut self) -> Result<(), Failure> {
        self.hand_over(true)?;
        if std::mem::take(&mut self.order).gathers {
            self.committer.hand(Work::Finish)?;
        }
        self.hear_all()
    }

    /// Commits what waits, but for what is worth being written together with what further files hold of the same days.
    pub(crate) fn end_of_file(&mut self, is_last: bool) -> Result<(), Failure> {
        self.hand_over(is_last)?;
        self.hear_all()
    }

    /// Hands on what waits; `last`: nothing comes after it that could belong to its days.
    fn hand_over(&mut self, last: bool) -> Result<(), Failure> {
        self.weight = Weight::default();
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

    /// Observations that wait to be committed.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What was committed and counted since the last [`Intake::start_anew`].
    pub(crate) fn counts(&self) -> Counts {
        self.counts.last().copied().unwrap_or_default()
    }

    /// The same of something before; everything is counted once [`Intake::commit`] has returned.
    #[must_use]
    pub(crate) fn all_counts(&self) -> &[Counts] {
        &self.counts
    }

    /// The first bad record of a part.
    pub(crate) fn first_bad(&self, part: usize) -> Option<&Bad> {
        self.first_bad.get(&part)
    }

    /// Counts from zero; gives the number under which it stands in [`Intake::all_counts`].
    pub(crate) fn start_anew(&mut self) -> usize {
        self.counts.push(Counts::default());
        self.part()
    }

    /// Puts the error file in its place; `None`: nothing was bad.
    pub(crate) fn close(self) -> Result<Option<PathBuf>, Failure> {
        self.errors.close()
    }
}

/// The bytes that observations take, what several share once.
#[derive(Default)]
struct Weight {
    bytes: usize,
    met: HashSet<usize>,
}

impl Weight {
    fn add(&mut self, observation: &Observation) {
        // The texts of its own: of its source and its endpoint.
        const TEXTS: usize = 400;
        let endpoint = &observation.endpoint;
        self.bytes += size_of::<Observation>() + TEXTS + endpoint.name.as_ref().map_or(0, String::len);
        self.bytes += observation.network.texts_weight();
        self.bytes += endpoint.certificate.as_ref().map_or(0, |certificate| {
            certificate.subject.len() + certificate.issuer.len() + certificate.names.iter().map(|name| name.len() + 24).sum::<usize>()
        });
        self.bytes += observation.deception.texts_weight();
        if self.met.insert(observation.identity.mark().number()) {
            self.bytes += as_written(observation.identity.weight());
        }
        if self.met.insert(observation.exposure.mark().number()) {
            self.bytes += as_written(observation.exposure.weight());
        }
        if self.met.insert(observation.findings.mark().number()) {
            self.bytes += observation.findings.iter().map(Finding::weight).sum::<usize>();
        }
    }
}

/// What is large is copied whole while it is written: hashed, put into columns, encoded and compressed. Of the small only some is at a time.
fn as_written(bytes: usize) -> usize {
    if bytes < 1 << 20 { bytes } else { 4 * bytes }
}

/// In which order days come.
#[derive(Default)]
struct Order {
    /// Those that were handed on.
    met: HashSet<NaiveDate>,
    /// Whether observations are gathered, so that all of a day are written together.
    gathers: bool,
}

impl Order {
    /// Whether a batch would become files of a few observations each, of days that come again.
    fn is_scattered(&mut self, batch: &[Observation], last: bool) -> bool {
        let mut days = HashSet::new();
        let mut returns = 0_usize;
        for runs in batch.chunk_by(|one, next| one.seen.date_naive() == next.seen.date_naive()) {
            // Never empty: a run has its first.
            returns += usize::from(!days.insert(runs[0].seen.date_naive()));
        }
        let again = days.iter().filter(|day| self.met.contains(day)).count();
        let is_thin = batch.len() < WORTH_A_FILE * days.len();
        // In order of time, or against it, a day comes once, or twice where batches meet. In the last batch a day that returns is written
        // together all the same.
        let comes_again = (returns > days.len() && !(last && self.met.is_empty())) || 2 * again > days.len();
        self.met.extend(days);
        let is_scattered = is_thin && comes_again;
        self.gathers |= is_scattered;
        is_scattered
    }
}

/// What is asked of the committer.
enum Work {
    /// Commit these of a part at once.
    Append(usize, Vec<Observation>),
    /// Commit these with others of their kind.
    Gather(usize, Vec<Observation>),
    /// Commit what was gathered.
    Finish,
}

/// Commits batches one after the other on a thread of its own, so that reading goes on meanwhile.
struct Committer {
    /// `None` once no more comes.
    work: Option<SyncSender<Work>>,
    results: Receiver<(Result<Parts, Failure>, Vec<Observation>)>,
    thread: Option<JoinHandle<()>>,
    /// What was asked for and not heard of yet.
    pending: usize,
    /// The room of batches that were written. It is used again by the thread that it was made by: the allocator gives large room back late
    /// that another thread frees.
    spare: Vec<Vec<Observation>>,
}

impl Committer {
    fn new(mut writer: Writer) -> Self {
        // One is written while the next is filled: more would only fill memory.
        let (work, asked) = sync_channel::<Work>(0);
        let (say, results) = channel();
        let thread = std::thread::spawn(move || {
            for work in asked {
                let (done, mut batch) = match work {
                    Work::Append(part, batch) => (writer.append(&batch).map(|done| Parts::from([(part, done)])), batch),
                    Work::Gather(part, batch) => (writer.gather(&batch, part), batch),
                    Work::Finish => (writer.commit_gathered(), Vec::new()),
                };
                batch.clear();
                if say.send((done, batch)).is_err() {
                    return;
                }
            }
        });
        Self {
            work: Some(work),
            results,
            thread: Some(thread),
            pending: 0,
            spare: Vec::new(),
        }
    }

    fn hand(&mut self, work: Work) -> Result<(), Failure> {
        let gone = || Failure::output("the lake's writer ended before its time; run the same again");
        self.work.as_ref().ok_or_else(gone)?.send(work).map_err(|_| gone())?;
        self.pending += 1;
        Ok(())
    }

    /// Room for a batch.
    fn spare(&mut self) -> Vec<Observation> {
        self.spare.pop().unwrap_or_default()
    }

    /// The next result, if there is one already.
    fn done(&mut self) -> Option<Result<Parts, Failure>> {
        let (result, batch) = self.results.try_recv().ok()?;
        Some(self.heard(result, batch))
    }

    /// The next result; `None`: nothing is under way.
    fn wait(&mut self) -> Option<Result<Parts, Failure>> {
        if self.pending == 0 {
            return None;
        }
        Some(match self.results.recv() {
            Ok((result, batch)) => self.heard(result, batch),
            Err(_) => {
                self.pending = 0;
                Err(Failure::output("the lake's writer ended before its time; run the same again"))
            }
        })
    }

    fn heard(&mut self, result: Result<Parts, Failure>, batch: Vec<Observation>) -> Result<Parts, Failure> {
        self.pending -= 1;
        if batch.capacity() > 0 {
            self.spare.push(batch);
        }
        result
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // What was handed over is still written.
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A bad record as the error file keeps it.
#[derive(Serialize)]
struct BadLine<'b> {
    file: &'b str,
    line: u64,
    record: u64,
    reason: &'b str,
    quote: &'b str,
}

/// The error file: made with the first bad record, in its place when all is done.
struct Errors {
    path: PathBuf,
    file: Option<BufWriter<WholeFile>>,
}

impl Errors {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
        }
    }

    fn keep(&mut self, file: &str, bad: &Bad) -> Result<(), Failure> {
        let out = match &mut self.file {
            Some(open) => open,
            none => none.insert(BufWriter::new(WholeFile::begin(&self.path).map_err(named)?)),
        };
        let line = BadLine {
            file,
            line: bad.line,
            record: bad.record,
            reason: &bad.reason,
            quote: &bad.quote,
        };
        serde_json::to_writer(&mut *out, &line)
            .map_err(std::io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .map_err(|error| named(cannot_write(&self.path, &error)))
    }

    fn close(self) -> Result<Option<PathBuf>, Failure> {
        let Some(out) = self.file else { return Ok(None) };
        let file = out.into_inner().map_err(|error| named(cannot_write(&self.path, error.error())))?;
        file.finish().map_err(named)?;
        Ok(Some(self.path))
    }
}

/// Which option names the file.
fn named(failure: Failure) -> Failure {
    failure.and("the option is --errors")
}

#[cfg(test)]
mod tests {
    use vigie_model::{Known, Timestamp};

    use super::*;

    /// Observations of these days.
    fn of(days: impl IntoIterator<Item = u32>) -> Vec<Observation> {
        let line = r#"{"schema":"vigie.observation/1","seen":"2026-01-01T08:00:00Z","recorded":"2026-11-22T08:00:01Z","source":{"kind":"scan","name":"vigie","version":"0.1.0"},"scope":{"unknown":"not-asked"},"endpoint":{"address":"192.0.2.7","port":11434,"transport":"tcp","name":null,"tls":{"known":false}},"identity":{"product":{"known":"ollama"},"version":{"known":"0.9.0"},"confidence":0.9,"evidence":[]},"exposure":{"posture":{"known":"open"},"posture_from":null,"reach":{"unknown":"not-asked"},"activity":{"unknown":"not-asked"},"models":{"known":[]},"running":{"unknown":"not-asked"},"capabilities":{"unknown":"not-asked"},"tools":{"unknown":"not-asked"}},"network":{"country":{"known":"DE"},"asn":{"known":1},"class":{"unknown":"not-asked"}},"deception":{"score":{"known":0.0},"tells":[]},"advisories":[],"findings":[]}"#;
        let one: Observation = serde_json::from_str(line).expect("a record");
        let at = |day: u32| Observation {
            seen: Timestamp::UNIX_EPOCH + chrono::TimeDelta::days(day.into()),
            ..one.clone()
        };
        days.into_iter().map(at).collect()
    }

    #[test]
    fn what_comes_in_the_order_of_its_days_is_committed_at_once() {
        for backwards in [false, true] {
            let mut order = Order::default();
            for batch in 0..5_u32 {
                // A day that two batches share is no disorder.
                let mut days: Vec<u32> = (batch * 50..=batch * 50 + 50).flat_map(|day| [day; 3]).collect();
                if backwards {
                    days = days.into_iter().rev().map(|day| 1_000 - day).rev().collect();
                }
                assert!(!order.is_scattered(&of(days), false), "{batch} {backwards}");
            }
            assert!(!order.gathers);
        }
        // Many of a day are worth a file each time.
        let mut order = Order::default();
        for _ in 0..3 {
            assert!(!order.is_scattered(&of((0..10_000).map(|number| number % 5)), false));
        }
    }

    #[test]
    fn days_that_come_again_are_gathered() {
        // Host by host, and shuffled.
        for step in [1, 37] {
            let mut order = Order::default();
            assert!(order.is_scattered(&of((0..600).map(|number| number * step % 100)), false), "{step}");
            assert!(
                order.is_scattered(&of((600..650).map(|number| number * step % 100)), true),
                "{step}"
            );
        }
        // One sorted file after another, each of which is a batch.
        let mut order = Order::default();
        let sorted = || of((0..100).flat_map(|day| [day; 3]));
        let scattered: Vec<bool> = (0..3).map(|_| order.is_scattered(&sorted(), false)).collect();
        assert_eq!(scattered, [false, true, true]);
        // A batch that is all there is makes one file of each day anyhow.
        assert!(!Order::default().is_scattered(&of((0..600).map(|number| number % 100)), true));
    }

    #[test]
    fn what_observations_share_is_weighed_once() {
        let mut same = of([1, 2, 3]);
        let weigh = |all: &[Observation]| {
            let mut weight = Weight::default();
            all.iter().for_each(|one| weight.add(one));
            weight.bytes
        };
        let shared = weigh(&same);
        let mut long = same[0].exposure.clone();
        long.models = Known::Known(vec![
            vigie_model::Model::named("m".repeat(1_000_000), vigie_model::Why::NotAsked);
            2
        ]);
        for one in &mut same {
            one.exposure = long.clone();
        }
        assert!((8_000_000..8_010_000).contains(&(weigh(&same) - shared)), "{}", weigh(&same));
    }
}
