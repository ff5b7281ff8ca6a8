//! Observations in the forms that people and other tools read: table, JSON, JSON lines, CSV, SARIF, IntelMQ events.
//!
//! Every format is a [`Report`] over any [`std::io::Write`]: nothing here opens a file, reads a clock or prints by
//! itself. What came from the network is hostile: every text form escapes control characters, terminal sequences and
//! bidirectional overrides, see [`text`]. The book describes each format in `docs/src/formats.md`.

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
pub use rule::{RuleKind, RuleText};
pub use sarif::Sarif;
pub use summary::{Catalog, Counts, FindingCounts, Summary, Tool, UnknownCounts};
pub use table::Table;
pub use wrap::UNBOUNDED;

/// One run's results on their way into one format.
///
/// [`begin`](Report::begin) once, [`observation`](Report::observation) per endpoint, [`end`](Report::end) once.
pub trait Report {
    /// Writes what stands before the first observation.
    ///
    /// # Errors
    /// When the writer fails.
    fn begin(&mut self) -> io::Result<()>;

    /// Takes one observation; formats that can stream write it, and [`pause`](Report::pause) shows it.
    ///
    /// # Errors
    /// When the writer fails.
    fn observation(&mut self, observation: &Observation) -> io::Result<()>;

    /// Nothing more is at hand for the moment: a reader at the other end sees what was written so far.
    ///
    /// # Errors
    /// When the writer fails.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Writes what could not be written before everything was seen, and flushes.
    ///
    /// # Errors
    /// When the writer fails.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}

/// The formats by the words of `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// What a person reads first.
    #[default]
    Table,
    /// One document, `vigie.report/1`.
    Json,
    /// One record per line, `vigie.observation/1`, as results come.
    Jsonl,
    /// One row per endpoint, `vigie.csv/1`.
    Csv,
    /// SARIF 2.1.0.
    Sarif,
    /// Events for IntelMQ, one JSON object per line.
    Intelmq,
}

impl Format {
    /// Every format, in the order in which help lists them.
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

/// A word that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no format is called {0:?}: use table, json, jsonl, csv, sarif or intelmq")]
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

/// What the user may choose about a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Table: everything about every endpoint, nothing grouped and nothing left off.
    pub verbose: bool,
    /// Table: columns of the terminal; [`UNBOUNDED`] where there is none: each field is one line, and nothing is grouped or left off.
    pub width: usize,
    /// Table: endpoints stay in the order in which they come, which the caller chose; else the worst come first.
    pub keep_order: bool,
    /// What is known of the rules themselves; a rule that is missing here is described from its first finding.
    pub rules: Vec<RuleText>,
    /// IntelMQ: for releases before 3.5, whose harmonisation lacks `severity` and `product.*`: those keys go under
    /// `extra.`.
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

/// A report of that format into that writer.
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
