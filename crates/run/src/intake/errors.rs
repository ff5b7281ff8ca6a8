//! The error file: the bad records as JSON lines.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_import::Bad;

use crate::failure::Failure;
use crate::files::{WholeFile, cannot_write};

/// A line of the error file.
#[derive(Serialize)]
struct BadLine<'b> {
    file: &'b str,
    line: u64,
    record: u64,
    reason: &'b str,
    quote: &'b str,
}

/// The error file. It is created with the first bad record, and put in its place when it is closed.
pub(super) struct ErrorFile {
    path: PathBuf,
    file: Option<BufWriter<WholeFile>>,
}

impl ErrorFile {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
        }
    }

    /// Writes a bad record of a file.
    pub(super) fn write(&mut self, file: &str, bad: &Bad) -> Result<(), Failure> {
        let out = match &mut self.file {
            Some(open) => open,
            none => none.insert(BufWriter::new(WholeFile::begin(&self.path).map_err(with_option)?)),
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
            .map_err(|error| with_option(cannot_write(&self.path, &error)))
    }

    /// Puts the file in its place and returns its path; `None` if no record was bad.
    pub(super) fn close(self) -> Result<Option<PathBuf>, Failure> {
        let Some(out) = self.file else { return Ok(None) };
        let file = out
            .into_inner()
            .map_err(|error| with_option(cannot_write(&self.path, error.error())))?;
        file.finish().map_err(with_option)?;
        Ok(Some(self.path))
    }
}

/// Adds the option that names the file.
fn with_option(failure: Failure) -> Failure {
    failure.and("the option is --errors")
}
