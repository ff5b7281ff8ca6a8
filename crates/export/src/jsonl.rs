//! `--format jsonl`: one record per line, exactly `vigie.observation/1`, as results come.

use std::io::{self, Write};

use vigie_model::Observation;

use crate::{Report, Summary, text};

/// JSON lines. A reader at the other end of a pipe sees each line as soon as no other is at hand; the summary is not
/// written, for every line is a record.
#[derive(Debug)]
pub struct Jsonl<W> {
    writer: W,
}

impl<W: Write> Jsonl<W> {
    /// Lines into that writer.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }
}

impl<W: Write> Report for Jsonl<W> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        text::json(&mut self.writer, observation)?;
        self.writer.write_all(b"\n")
    }

    fn pause(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.writer.flush()
    }
}
