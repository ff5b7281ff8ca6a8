//! `vigie watch`: scans on a schedule, and what changed after each.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;
use vigie_catalog::Catalog;
use vigie_lake::Lake;
use vigie_model::Timestamp;
use vigie_scope::{OwnAddresses, Refusal};

use crate::args::{RoundFormat, WatchArgs};
use crate::changes::{self, Diff, Within};
use crate::failure::{Done, exit, heard};
use vigie_run::Failure;
use crate::interrupts::Interrupts;
use crate::verbs::scan::{self, Ended};
use crate::watch::{Lock, Question, Rounds, Schedule};

/// The schema of a round's line.
const SCHEMA: &str = "vigie.watch/1";

/// The clock is read again this often while a watch waits: a machine that slept does not notice itself.
const LOOK: Duration = Duration::from_secs(5);

/// A round as one line of JSON.
#[derive(Serialize)]
struct Line<'r> {
    schema: &'static str,
    watch: &'r str,
    scan: &'r str,
    started: Timestamp,
    finished: Timestamp,
    /// Addresses and ports that were tried, and endpoints that answered.
    swept: Option<u64>,
    observed: Option<u64>,
    /// The round that this one is held against; null: there was none.
    previous: Option<&'r str>,
    /// What changed since; null: there was none before, or the clock went back in between.
    diff: Option<&'r Diff>,
    notes: &'r [String],
}

pub(crate) fn run(args: &WatchArgs) -> Done {
    let question = Question::of(args)?;
    let dir = args.lake.folder()?;
    // What cannot be asked at all is said before anything waits.
    question.scan(args, &dir)?;
    let _alone = Lock::take(&dir, &question.id)?;
    let (runtime, lake) = vigie_run::lake::open_or_create(&dir)?;
    let mut watch = Watch {
        args,
        question,
        interrupts: Interrupts::of_a_watch(),
        runtime,
        lake,
        attempted: None,
    };
    if args.once { watch.once() } else { watch.rounds() }
}

struct Watch<'a> {
    args: &'a WatchArgs,
    question: Question,
    interrupts: Interrupts,
    runtime: tokio::runtime::Runtime,
    lake: Lake,
    /// When this process last began a round, whatever became of it.
    attempted: Option<Timestamp>,
}

impl Watch<'_> {
    fn once(&mut self) -> Done {
        let before = self.before()?;
        let now = chrono::Utc::now();
        if let Some(schedule) = self.schedule() {
            let due = schedule.due(before.began(), now);
            if due > now {
                self.say(&format!("no round is due before {}", minute(due)));
                return Ok(ExitCode::SUCCESS);
            }
        }
        if let Some(next) = self.closed_until()? {
            return Err(Failure::usage(format!("the scope's hours are over until {}", minute(next))));
        }
        let ended = self.round()?;
        if ended.interrupted {
            return Ok(ended.code);
        }
        let (diff, _) = self.tell(&ended, &before)?;
        let fails = diff.is_some_and(|diff| diff.fails(self.args.fail_on_change));
        Ok(if fails { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
    }

    fn rounds(&mut self) -> Done {
        loop {
            let before = self.before()?;
            let last = before.began().max(self.attempted);
            if self.wait(last)? {
                self.say("stopped");
                return Ok(ExitCode::from(exit::INTERRUPTED));
            }
            match self.round() {
                Ok(ended) if ended.interrupted && !ended.cut => return Ok(ended.code),
                // What it saw is kept; it is held against nothing, and the next round waits for the scope's hours.
                Ok(ended) if ended.cut => ended.notes.iter().for_each(|note| self.say(note)),
                Ok(ended) => match self.tell(&ended, &before) {
                    // Nobody reads any more: it ends as quietly as any verb does.
                    Ok((_, false)) => return Ok(ExitCode::SUCCESS),
                    Ok(_) => {}
                    Err(failure) => anstream::eprintln!("vigie: round {} cannot be told: {failure}", ended.scan.id),
                },
                // What was asked is no longer right: to go on would be to watch nothing and say nothing.
                Err(failure) if failure.is_usage() => return Err(failure),
                // The network or the disk may be back at the next round.
                Err(failure) => anstream::eprintln!("vigie: this round failed: {failure}"),
            }
        }
    }

    fn schedule(&self) -> Option<Schedule> {
        let longest = self.args.jitter.unwrap_or_default().num_milliseconds();
        let jitter = match u64::try_from(longest) {
            Ok(longest) if longest > 0 => scan::fresh_seed() % longest,
            _ => 0,
        };
        Some(Schedule {
            every: self.args.every?,
            jitter: TimeDelta::milliseconds(i64::try_from(jitter).unwrap_or(0)),
        })
    }

    /// The rounds that were.
    fn before(&self) -> Result<Rounds, Failure> {
        let scans = self
            .runtime
            .block_on(self.lake.scans())
            .map_err(|error| Failure::output(format!("cannot read the lake: {error}")))?;
        Ok(Rounds::of(&self.question.id, scans))
    }

    /// Waits until the next round is due and the scope's hours allow it; says whether an interrupt came.
    fn wait(&self, last: Option<Timestamp>) -> Result<bool, Failure> {
        let Some(schedule) = self.schedule() else { return Ok(false) };
        let mut due = schedule.due(last, chrono::Utc::now());
        let mut said = None;
        loop {
            let now = chrono::Utc::now();
            // A clock that went back while it waited.
            due = due.min(schedule.due(Some(now), now));
            let until = match due <= now {
                true => self.closed_until()?.unwrap_or(due),
                false => due,
            };
            if until <= now {
                let lost = schedule.lost(last, now);
                match lost {
                    0 => {}
                    1 => self.say("a round was missed; this one makes up for it"),
                    _ => self.say(&format!("{lost} rounds were missed; this one makes up for them")),
                }
                return Ok(false);
            }
            if said != Some(until) {
                self.say(&format!("the next round is due at {}", minute(until)));
                said = Some(until);
            }
            let left = (until - now).to_std().unwrap_or(LOOK).min(LOOK);
            if self.interrupts.wait(left) {
                return Ok(true);
            }
        }
    }

    /// When the scope's hours begin again; `None`: now is one of them.
    fn closed_until(&self) -> Result<Option<Timestamp>, Failure> {
        if self.args.scope.is_none() {
            return Ok(None);
        }
        let scope = vigie_run::targets::scope(self.args.scope.as_deref(), &self.args.opt_out, &OwnAddresses::default())?;
        match scope.in_time(chrono::Utc::now()) {
            Ok(()) => Ok(None),
            Err(Refusal::OutsideWindow { next: Some(next), .. }) => Ok(Some(next)),
            Err(refusal) => Err(Failure::usage(refusal)),
        }
    }

    fn round(&mut self) -> Result<Ended, Failure> {
        self.attempted = Some(chrono::Utc::now());
        let scan = self.question.scan(self.args, self.lake.dir())?;
        scan::round(scan, &self.question.id, &self.interrupts)
    }

    /// Prints a round and what changed since the one before; gives that, and whether somebody still reads.
    fn tell(&self, ended: &Ended, before: &Rounds) -> Result<(Option<Diff>, bool), Failure> {
        let scan = &ended.scan;
        let finished = scan.finished.unwrap_or(scan.started);
        let mut notes = ended.notes.clone();
        let previous = before.last.as_ref();
        let since = previous.and_then(|previous| previous.finished);
        let diff = match since {
            Some(since) if since < finished => Some(self.since(since, finished, ended)?),
            Some(_) => {
                notes.push("the clock went back since the round before: the two are not compared".to_owned());
                None
            }
            None => None,
        };
        let mut out = anstream::stdout().lock();
        let told = match self.args.format {
            RoundFormat::Jsonl => {
                let line = Line {
                    schema: SCHEMA,
                    watch: &self.question.id,
                    scan: &scan.id,
                    started: scan.started,
                    finished,
                    swept: scan.swept,
                    observed: scan.observed,
                    previous: previous.map(|previous| previous.id.as_str()),
                    diff: diff.as_ref(),
                    notes: &notes,
                };
                vigie_export::text::json(&mut out, &line).and_then(|()| writeln!(out))
            }
            RoundFormat::Table => {
                let against = previous.and_then(|previous| previous.finished);
                let mut text = format!(
                    "── {}, round {}: {} endpoints answered{}\n",
                    minute(scan.started),
                    scan.id,
                    scan.observed.unwrap_or(0),
                    against.map(|at| format!("; against {}", minute(at))).unwrap_or_default()
                );
                match &diff {
                    Some(diff) => text.push_str(&changes::lines(diff, self.args.verbose, super::width())),
                    None if previous.is_none() => text.push_str("The first round: there is nothing to hold it against.\n"),
                    None => {}
                }
                notes
                    .iter()
                    .for_each(|note| text.push_str(&format!("note: {}\n", vigie_export::text::clean(note, 400))));
                writeln!(out, "{text}")
            }
        };
        let heard = heard(told.and_then(|()| out.flush()))?;
        Ok((diff, heard))
    }

    /// What changed of what this round looked at. Other scans into the same lake count too, where they looked from the same place.
    fn since(&self, since: Timestamp, until: Timestamp, ended: &Ended) -> Result<Diff, Failure> {
        let within = Within {
            vantage: &ended.scan.vantage,
            coverage: &ended.coverage,
        };
        let catalog = match &self.args.catalog {
            None => Catalog::embedded(),
            dir => vigie_run::knowledge::knowledge(dir.as_deref())?.catalog,
        };
        changes::between((&self.runtime, &self.lake), (since, until), Some(&within), &catalog)
    }

    fn say(&self, text: &str) {
        if !self.args.quiet {
            anstream::eprintln!("vigie: {text}");
        }
    }
}

fn minute(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}
