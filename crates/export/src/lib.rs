//! Observations in the forms that people and other tools read: table, JSON, JSON lines, CSV, SARIF, IntelMQ events.
//!
//! Every format is a [`Report`] over any [`std::io::Write`]: this crate opens no file, reads no clock and prints nothing. Data from the
//! network is hostile: every text format escapes control characters, terminal sequences and bidirectional overrides, see [`text`].
//! The book describes each format in `docs/src/formats.md`.

pub mod baseline;
mod csv;
pub mod grid;
mod intelmq;
mod json;
mod jsonl;
mod rule;
mod sarif;
mod summary;
pub mod table;
pub mod text;
mod wrap;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use vigie_model::Observation;

pub use crate::csv::{COLUMNS as CSV_COLUMNS, Column as CsvColumn, Csv, CsvRows, SCHEMA as CSV_SCHEMA};
pub use intelmq::{Intelmq, SCHEMA as INTELMQ_SCHEMA};
pub use json::{Json, SCHEMA as REPORT_SCHEMA};
pub use jsonl::Jsonl;
pub use rule::RuleText;
pub use sarif::Sarif;
pub use summary::{Catalog, Counts, FindingCounts, Summary, Tool, UnknownCounts};
pub use table::Table;
pub use wrap::UNBOUNDED;

/// Writer of a run's results in one format.
///
/// Call [`begin`](Report::begin) once, [`observation`](Report::observation) for each endpoint, and [`end`](Report::end) once.
pub trait Report {
    /// Writes the part before the first observation.
    ///
    /// # Errors
    /// When the writer fails.
    fn begin(&mut self) -> io::Result<()>;

    /// Adds an observation. Formats that can stream write it at once; [`pause`](Report::pause) flushes it.
    ///
    /// # Errors
    /// When the writer fails.
    fn observation(&mut self, observation: &Observation) -> io::Result<()>;

    /// Flushes what was written so far, because no observation is ready at the moment.
    ///
    /// # Errors
    /// When the writer fails.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Writes the part after the last observation, and flushes.
    ///
    /// # Errors
    /// When the writer fails.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}

/// The values of `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// A table for people.
    #[default]
    Table,
    /// One document, `vigie.report/1`.
    Json,
    /// One record per line, `vigie.observation/1`, written as results arrive.
    Jsonl,
    /// One row per endpoint, `vigie.csv/1`.
    Csv,
    /// SARIF 2.1.0.
    Sarif,
    /// Events for IntelMQ, one JSON object per line.
    Intelmq,
}

impl Format {
    /// Every format, in the order of the help text.
    pub const ALL: [Self; 6] = [Self::Table, Self::Json, Self::Jsonl, Self::Csv, Self::Sarif, Self::Intelmq];

    /// The word of `--format`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Sarif => "sarif",
            Self::Intelmq => "intelmq",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An unknown format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {0:?}: use table, json, jsonl, csv, sarif or intelmq")]
pub struct NotAFormat(String);

impl FromStr for Format {
    type Err = NotAFormat;

    fn from_str(word: &str) -> Result<Self, NotAFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.word() == word)
            .ok_or_else(|| NotAFormat(word.to_owned()))
    }
}

/// Options of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Table: show all details of every endpoint, without grouping or limits.
    pub verbose: bool,
    /// Table: the width of the terminal in columns. [`UNBOUNDED`] if there is no terminal: each field is one line, without grouping or limits.
    pub width: usize,
    /// Table: keep the order of the observations, which the caller chose; otherwise the worst come first.
    pub keep_order: bool,
    /// Descriptions of the rules; a rule without one is described by its first finding.
    pub rules: Vec<RuleText>,
    /// IntelMQ: write for releases before 3.5, whose harmonisation lacks `severity` and `product.*`: those keys go under `extra.`.
    pub intelmq_legacy: bool,
    /// IntelMQ: the value of `feed.name`.
    pub feed: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verbose: false,
            width: 80,
            keep_order: false,
            rules: Vec::new(),
            intelmq_legacy: false,
            feed: "vigie".to_owned(),
        }
    }
}

/// Creates a report of a format.
pub fn report<'w, W: Write + Send + 'w>(format: Format, writer: W, options: Options) -> Box<dyn Report + Send + 'w> {
    match format {
        Format::Table => Box::new(Table::new(writer, options)),
        Format::Json => Box::new(Json::new(writer)),
        Format::Jsonl => Box::new(Jsonl::new(writer)),
        Format::Csv => Box::new(Csv::new(writer)),
        Format::Sarif => Box::new(Sarif::new(writer, options)),
        Format::Intelmq => Box::new(Intelmq::new(writer, options)),
    }
}
