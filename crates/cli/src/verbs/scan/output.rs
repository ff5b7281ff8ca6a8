//! What a scan prints and writes.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;

use vigie_assess::Knowledge;
use vigie_export::{Format, Options, Report, RuleText, Summary};
use vigie_model::{Observation, Severity};
use vigie_run::{Failure, WholeFile};

use crate::failure::written;
use crate::plain::Plain;
use crate::sort::{SortArgs, Sorted};

/// What to print and write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    /// The format on standard output; `None`: nothing is printed there.
    pub(crate) stdout: Option<Format>,
    /// Files, each with its format.
    pub(crate) files: Vec<(Format, PathBuf)>,
    pub(crate) sort: SortArgs,
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
    pub(crate) intelmq_legacy: bool,
    pub(crate) write_baseline: Option<PathBuf>,
    pub(crate) fail_on: Option<Severity>,
}

impl Output {
    /// Whether the user sees the notes in a table on the terminal, so that standard error need not repeat them.
    pub(crate) fn shows_notes(&self) -> bool {
        self.stdout == Some(Format::Table) && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// The reports of one scan.
pub(crate) struct Reports {
    reports: Vec<Box<dyn Report + Send>>,
    files: Vec<WholeFile>,
}

impl Reports {
    /// Creates the files, so that one that cannot be written is an error before anything is sent.
    pub(crate) fn new(output: &Output, knowledge: &Knowledge) -> Result<Self, Failure> {
        let files: Vec<WholeFile> = output
            .files
            .iter()
            .map(|(_, path)| WholeFile::begin(path))
            .collect::<Result<_, _>>()?;
        let rules = rules(knowledge);
        let options = |width| Options {
            verbose: output.verbose,
            width,
            keep_order: output.sort.sort.is_some(),
            rules: rules.clone(),
            intelmq_legacy: output.intelmq_legacy,
            ..Options::default()
        };
        let sorted = |report: Box<dyn Report + Send>| match output.sort.sort {
            None => report,
            Some(by) => Box::new(Sorted::new(report, by, output.sort.reverse, knowledge.catalog.clone())),
        };
        // Reports flush where a reader waits, and their many small writes are buffered in between. Only the table has colours.
        let buffered = |writer: Box<dyn Write + Send>| BufWriter::with_capacity(1 << 16, writer);
        let mut reports = Vec::new();
        if let Some(format) = output.stdout {
            let stdout: Box<dyn Write + Send> = match format {
                Format::Table => Box::new(anstream::AutoStream::auto(std::io::stdout())),
                _ => Box::new(std::io::stdout()),
            };
            reports.push(sorted(vigie_export::report(
                format,
                buffered(stdout),
                options(crate::terminal::width()),
            )));
        }
        for (file, (format, _)) in files.iter().zip(&output.files) {
            let part = file.part()?;
            let part: Box<dyn Write + Send> = match format {
                Format::Table => Box::new(Plain::new(part)),
                _ => Box::new(part),
            };
            reports.push(sorted(vigie_export::report(
                *format,
                buffered(part),
                options(vigie_export::UNBOUNDED),
            )));
        }
        Ok(Self { reports, files })
    }

    fn each(&mut self, write: impl FnMut(&mut Box<dyn Report + Send>) -> std::io::Result<()>) -> Result<(), Failure> {
        let mut write = write;
        let result = self.reports.iter_mut().try_for_each(|report| written(write(report)));
        // The error of a buffer does not name the file.
        result.map_err(|other| self.files.iter().find_map(WholeFile::fault).unwrap_or(other))
    }

    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        self.each(|report| report.begin())
    }

    pub(crate) fn observation(&mut self, observation: &Observation) -> Result<(), Failure> {
        self.each(|report| report.observation(observation))
    }

    pub(crate) fn pause(&mut self) -> Result<(), Failure> {
        self.each(|report| report.pause())
    }

    /// Ends the reports and moves the files to their final paths.
    pub(crate) fn end(mut self, summary: &Summary) -> Result<(), Failure> {
        self.each(|report| report.end(summary))?;
        drop(self.reports);
        self.files.into_iter().try_for_each(WholeFile::finish)
    }
}

/// The rules with their texts, for formats that list them.
fn rules(knowledge: &Knowledge) -> Vec<RuleText> {
    vigie_assess::RULES
        .iter()
        .filter_map(|rule| {
            let text = knowledge.texts.get(rule.id)?;
            Some(RuleText {
                id: rule.id.to_owned(),
                kind: rule.kind,
                title: text.title.clone(),
                help: format!("{} {}", text.why, text.remedy),
                url: rule.help_url(),
            })
        })
        .collect()
}
