//! Records of other tools on their way into the lake: what an import and a discovery have in common.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use serde::Serialize;
use vigie_import::{Bad, Parsed};
use vigie_lake::Committed;
use vigie_model::Observation;

use crate::failure::Failure;
use crate::lake::Writer;

/// Observations that are committed together, for few large commits cost less than many small ones, and the check for duplicates reads a
/// day's files seldom.
const BATCH: usize = 50_000;

/// And of those that share what they say with no other, which take five times the memory.
const BATCH_ALONE: usize = 20_000;

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
    /// Of those that wait, how many share nothing.
    alone: usize,
    counts: Counts,
}

impl Intake {
    pub(crate) fn new(writer: Writer, errors: &Path) -> Self {
        Self {
            committer: Committer::new(writer),
            errors: Errors::new(errors),
            waiting: Vec::new(),
            alone: 0,
            counts: Counts::default(),
        }
    }

    /// Takes what records of `from` gave; has it committed, while more is taken, if enough waits.
    pub(crate) fn take(&mut self, from: &str, parsed: Parsed) -> Result<(), Failure> {
        self.counts.not_open += parsed.passed_over.not_open;
        self.counts.not_tcp += parsed.passed_over.not_tcp;
        self.counts.host_discovery += parsed.passed_over.host_discovery;
        self.counts.not_recognised += parsed.passed_over.not_recognised;
        self.alone += parsed.anew;
        for item in parsed.items {
            match item {
                Ok(observation) => self.waiting.push(observation),
                Err(bad) => {
                    self.counts.bad += 1;
                    self.errors.keep(from, &bad)?;
                }
            }
        }
        if self.waiting.len() >= BATCH || self.alone >= BATCH_ALONE {
            self.hand_over()?;
        }
        while let Some(done) = self.committer.done() {
            self.counts.add(done?);
        }
        Ok(())
    }

    /// Commits what waits; when this returns it is in the lake.
    pub(crate) fn commit(&mut self) -> Result<(), Failure> {
        self.hand_over()?;
        while let Some(done) = self.committer.wait() {
            self.counts.add(done?);
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Failure> {
        self.alone = 0;
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.committer.commit(std::mem::take(&mut self.waiting))
    }

    /// Observations that wait to be committed.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What was committed and counted since the last [`Intake::start_anew`].
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts from zero.
    pub(crate) fn start_anew(&mut self) {
        self.counts = Counts::default();
    }

    /// Puts the error file in its place; `None`: nothing was bad.
    pub(crate) fn close(self) -> Result<Option<PathBuf>, Failure> {
        self.errors.close()
    }
}

/// Commits batches one after the other on a thread of its own, so that reading goes on meanwhile.
struct Committer {
    /// `None` once no more comes.
    batches: Option<SyncSender<Vec<Observation>>>,
    results: Receiver<Result<Committed, Failure>>,
    thread: Option<JoinHandle<()>>,
    /// Batches whose result was not heard yet.
    pending: usize,
}

impl Committer {
    fn new(mut writer: Writer) -> Self {
        // One is written while the next is filled: more would only fill memory.
        let (batches, to_write) = sync_channel::<Vec<Observation>>(0);
        let (say, results) = channel();
        let thread = std::thread::spawn(move || {
            for batch in to_write {
                if say.send(writer.append(&batch)).is_err() {
                    return;
                }
            }
        });
        Self {
            batches: Some(batches),
            results,
            thread: Some(thread),
            pending: 0,
        }
    }

    fn commit(&mut self, batch: Vec<Observation>) -> Result<(), Failure> {
        let gone = || Failure::output("the lake's writer ended before its time; run the same again");
        self.batches.as_ref().ok_or_else(gone)?.send(batch).map_err(|_| gone())?;
        self.pending += 1;
        Ok(())
    }

    /// The next result, if there is one already.
    fn done(&mut self) -> Option<Result<Committed, Failure>> {
        let result = self.results.try_recv().ok()?;
        self.pending -= 1;
        Some(result)
    }

    /// The next result; `None`: nothing is under way.
    fn wait(&mut self) -> Option<Result<Committed, Failure>> {
        if self.pending == 0 {
            return None;
        }
        self.pending -= 1;
        let gone = |_| Failure::output("the lake's writer ended before its time; run the same again");
        Some(self.results.recv().map_err(gone).and_then(|result| result))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // What was handed over is still written.
        drop(self.batches.take());
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
    file: Option<(PathBuf, BufWriter<File>)>,
}

impl Errors {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
        }
    }

    fn keep(&mut self, file: &str, bad: &Bad) -> Result<(), Failure> {
        let (_, out) = match &mut self.file {
            Some(open) => open,
            none => {
                let mut beside = self.path.as_os_str().to_owned();
                beside.push(format!(".{}.partial", std::process::id()));
                let beside = PathBuf::from(beside);
                let open = File::create(&beside).map_err(|error| cannot_write(&beside, &error))?;
                none.insert((beside, BufWriter::new(open)))
            }
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
            .map_err(|error| cannot_write(&self.path, &error))
    }

    fn close(self) -> Result<Option<PathBuf>, Failure> {
        let Some((beside, mut out)) = self.file else { return Ok(None) };
        out.flush()
            .and_then(|()| std::fs::rename(&beside, &self.path))
            .map_err(|error| cannot_write(&self.path, &error))?;
        Ok(Some(self.path))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::output(format!("cannot write {}: {error}; name another file with --errors", path.display()))
}
