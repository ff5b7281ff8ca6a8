//! What a watch prints.

use std::io::Write as _;
use std::ops::ControlFlow;

use vigie_export::text;
use vigie_model::Timestamp;
use vigie_run::Failure;
use vigie_run::watch::{Round, WatchEvent};

use super::args::{RoundFormat, WatchArgs};
use crate::failure::has_reader;
use crate::verbs::diff;

/// Prints rounds on standard output, and what happens between them on standard error.
pub(super) struct Printed {
    format: RoundFormat,
    verbose: bool,
    quiet: bool,
    once: bool,
}

impl Printed {
    pub(super) fn new(args: &WatchArgs) -> Self {
        Self {
            format: args.format,
            verbose: args.verbose,
            quiet: args.quiet,
            once: args.once,
        }
    }

    /// Prints an event; breaks if the output has no reader any more.
    pub(super) fn event(&self, event: &WatchEvent<'_>) -> Result<ControlFlow<()>, Failure> {
        match event {
            WatchEvent::Waiting { until } => self.note(&format!("the next round is due at {}", second(*until))),
            WatchEvent::NotDue { until } => self.note(&format!("no round is due before {}", second(*until))),
            WatchEvent::Missed { rounds: 1 } => self.note("1 round was missed; this one replaces it"),
            WatchEvent::Missed { rounds } => self.note(&format!("{rounds} rounds were missed; this one replaces them")),
            WatchEvent::CutOff { notes } => notes.iter().for_each(|note| self.note(note)),
            WatchEvent::Failed(failure) => anstream::eprintln!("vigie: this round failed: {failure}"),
            WatchEvent::NotCompared { scan, why } => {
                anstream::eprintln!("vigie: round {} cannot be compared with the previous one: {why}", scan.id);
            }
            WatchEvent::Round(round) => {
                return match self.round(round) {
                    Ok(true) => Ok(ControlFlow::Continue(())),
                    Ok(false) => Ok(ControlFlow::Break(())),
                    // The disk may have room again at the next round.
                    Err(failure) if !self.once => {
                        anstream::eprintln!("vigie: round {} cannot be printed: {failure}", round.scan);
                        Ok(ControlFlow::Continue(()))
                    }
                    Err(failure) => Err(failure),
                };
            }
            WatchEvent::Scan(_) => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(super) fn note(&self, note: &str) {
        if !self.quiet {
            anstream::eprintln!("vigie: {}", text::lines(note));
        }
    }

    /// Prints a round and what changed since the previous one; returns whether the output still has a reader.
    fn round(&self, round: &Round<'_>) -> Result<bool, Failure> {
        let mut out = anstream::stdout().lock();
        let printed = match self.format {
            RoundFormat::Jsonl => text::json(&mut out, round).and_then(|()| writeln!(out)),
            RoundFormat::Table => writeln!(out, "{}", self.block(round)),
        };
        has_reader(printed.and_then(|()| out.flush()))
    }

    fn block(&self, round: &Round<'_>) -> String {
        let against = round
            .previous_finished
            .map(|at| format!("; compared with {}", second(at)))
            .unwrap_or_default();
        let mut block = format!(
            "── {}, round {}: {} endpoints answered{against}\n",
            second(round.started),
            round.scan,
            round.observed.unwrap_or(0)
        );
        match &round.diff {
            Some(changes) => block.push_str(&diff::table(changes, self.verbose, crate::terminal::width())),
            None if round.previous.is_none() => block.push_str("The first round: there is no earlier one to compare it with.\n"),
            None => {}
        }
        for note in &round.notes {
            block.push_str(&format!("note: {}\n", text::clean(note, 400)));
        }
        block
    }
}

fn second(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}
