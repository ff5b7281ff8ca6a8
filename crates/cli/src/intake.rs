//! Records of other tools on their way into the lake: what an import and a discovery have in common.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_import::{Bad, Parsed};
use vigie_model::Observation;

use crate::failure::Failure;
use crate::lake::Writer;

/// Observations that are committed together. Large, so that the check for duplicates reads a day's files seldom.
const BATCH: usize = 20_000;

/// What was taken, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) observations: u64,
    pub(crate) added: u64,
    pub(crate) duplicates: u64,
    pub(crate) bad: u64,
    pub(crate) not_open: u64,
    pub(crate) not_tcp: u64,
    pub(crate) not_recognised: u64,
}

impl Counts {
    /// What was passed over, in words; empty if nothing was.
    pub(crate) fn passed_over(&self) -> String {
        let passed: Vec<String> = [
            (self.not_open, "not open"),
            (self.not_tcp, "not TCP"),
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
    writer: Writer,
    errors: Errors,
    waiting: Vec<Observation>,
    counts: Counts,
}

impl Intake {
    pub(crate) fn new(writer: Writer, errors: &Path) -> Self {
        Self {
            writer,
            errors: Errors::new(errors),
            waiting: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Takes what records of `from` gave; commits if enough waits.
    pub(crate) fn take(&mut self, from: &str, parsed: Parsed) -> Result<(), Failure> {
        self.counts.not_open += parsed.passed_over.not_open;
        self.counts.not_tcp += parsed.passed_over.not_tcp;
        self.counts.not_recognised += parsed.passed_over.not_recognised;
        for item in parsed.items {
            match item {
                Ok(observation) => self.waiting.push(observation),
                Err(bad) => {
                    self.counts.bad += 1;
                    self.errors.keep(from, &bad)?;
                }
            }
        }
        if self.waiting.len() >= BATCH { self.commit() } else { Ok(()) }
    }

    /// Commits what waits.
    pub(crate) fn commit(&mut self) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let done = self.writer.append(&self.waiting)?;
        self.counts.observations += self.waiting.len() as u64;
        self.counts.added += done.observations as u64;
        self.counts.duplicates += done.duplicates as u64;
        self.waiting.clear();
        Ok(())
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
