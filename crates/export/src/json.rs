//! `--format json`: one document, `vigie.report/1`.

use std::io::{self, Write};

use vigie_model::Observation;

use crate::{Report, Summary, text};

/// The document's schema; its number increases when a field changes its meaning.
pub const SCHEMA: &str = "vigie.report/1";

/// One JSON document. Observations are written as they arrive, so memory use is constant and the summary is last.
#[derive(Debug)]
pub struct Json<W> {
    writer: W,
    first: bool,
}

impl<W: Write> Json<W> {
    /// A document into a writer.
    pub fn new(writer: W) -> Self {
        Self { writer, first: true }
    }
}

impl<W: Write> Report for Json<W> {
    fn begin(&mut self) -> io::Result<()> {
        write!(self.writer, "{{\"schema\":\"{SCHEMA}\",\"observations\":[")
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        self.writer.write_all(if self.first { b"\n" } else { b",\n" })?;
        self.first = false;
        text::json(&mut self.writer, observation)
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.writer.write_all(b"\n],\"summary\":")?;
        text::json(&mut self.writer, summary)?;
        self.writer.write_all(b"}\n")?;
        self.writer.flush()
    }
}
