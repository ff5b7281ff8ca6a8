//! A watch: scans on a schedule, and what changed after each.

mod event;
mod identity;
mod lock;
mod schedule;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::runtime::Runtime;
use vigie_catalog::Catalog;
use vigie_lake::Lake;
use vigie_model::{Severity, Timestamp};
use vigie_scope::{OwnAddresses, Refusal};

use self::lock::Lock;
use self::schedule::{Rounds, Schedule};
use crate::diff::{self, Diff, Within};
use crate::failure::{Failure, FailureKind};
use crate::scan::{self, Ended, Prepared, ScanOptions};
use crate::stop::Stop;

pub use event::{Round, WatchEvent, WatchListener};
pub use identity::watch_id;

/// The clock is read again this often while a watch waits, because timers do not run while a machine sleeps.
const CLOCK: Duration = Duration::from_secs(5);

/// The options of a watch.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// The scan of each round; its lake and its watch are set by the watch.
    pub scan: ScanOptions,
    /// The lake that keeps the rounds.
    pub lake: PathBuf,
    /// From the start of one round to the start of the next; `None`: there is no schedule.
    pub every: Option<TimeDelta>,
    /// Rounds start up to this much later, at random.
    pub jitter: TimeDelta,
}

/// How a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// The user stopped it.
    Stopped,
    /// Its listener broke off.
    Unheard,
}

/// A watch. It is alone: another watch of the same targets in the same lake does not start while this one lives.
#[derive(Debug)]
pub struct Watch {
    options: WatchOptions,
    id: String,
    _lock: Lock,
    runtime: Runtime,
    lake: Lake,
    /// When this process last began a round, completed or not.
    attempted: Option<Timestamp>,
}

/// The result of [`Watch::once`].
#[derive(Debug)]
pub enum Once {
    /// No round was due.
    NotDue,
    /// The user, or the hours or expiry of the scope, interrupted it.
    Interrupted,
    /// It was completed; whether something changed at or above the limit.
    Completed {
        /// Whether it did.
        has_change: bool,
    },
}

impl Watch {
    /// Checks the options and opens the lake.
    ///
    /// # Errors
    ///
    /// An option is invalid, the same targets are watched in this lake already, or the lake cannot be opened.
    pub fn open(options: WatchOptions) -> Result<Self, Failure> {
        let id = watch_id(&options.scan)?;
        // Invalid options are an error before the first wait.
        identity::round(&options.scan, &options.lake, &id)?;
        let lock = Lock::take(&options.lake, &id)?;
        let (runtime, lake) = crate::lake::open_or_create(&options.lake)?;
        Ok(Self {
            options,
            id,
            _lock: lock,
            runtime,
            lake,
            attempted: None,
        })
    }

    /// Makes one round without waiting, if one is due. `limit` is the severity from which on a change counts in the result.
    ///
    /// # Errors
    ///
    /// It is outside the hours of the scope, the scan fails, or the lake cannot be read or written.
    pub fn once(&mut self, limit: Option<Severity>, stop: &Stop, listener: &mut WatchListener<'_>) -> Result<Once, Failure> {
        let before = self.rounds_before()?;
        let now = chrono::Utc::now();
        if let Some(schedule) = self.schedule() {
            let until = schedule.due(before.began(), now);
            if until > now {
                // The round is not made in any case.
                let _ = listener(WatchEvent::NotDue { until })?;
                return Ok(Once::NotDue);
            }
        }
        if let Some(next) = self.closed_until()? {
            return Err(Failure::usage(format!(
                "the hours of the scope are over until {}",
                next.format("%Y-%m-%d %H:%M:%SZ")
            )));
        }
        let ended = self.round(stop, listener)?;
        if ended.interrupted {
            return Ok(Once::Interrupted);
        }
        let (diff, notes) = self.compare(&ended, &before)?;
        let has_change = limit.is_some_and(|limit| diff.as_ref().is_some_and(|diff| diff.has_change_from(limit)));
        let round = Round::new(&self.id, &ended.scan, before.last.as_ref(), diff, notes);
        let _ = listener(WatchEvent::Round(&round))?;
        Ok(Once::Completed { has_change })
    }

    /// Makes rounds until it is stopped or the listener breaks off.
    ///
    /// # Errors
    ///
    /// The options are no longer valid. A round that fails for another reason is an event, and the next one follows.
    pub fn run(&mut self, stop: &Stop, listener: &mut WatchListener<'_>) -> Result<WatchEnd, Failure> {
        loop {
            let before = self.rounds_before()?;
            let last = before.began().max(self.attempted);
            match self.wait(last, stop, listener)? {
                Waited::Due => {}
                Waited::Stopped => return Ok(WatchEnd::Stopped),
                Waited::Unheard => return Ok(WatchEnd::Unheard),
            }
            let flow = match self.round(stop, listener) {
                Ok(ended) if ended.interrupted && (ended.cut.is_none() || ended.stopped) => return Ok(WatchEnd::Stopped),
                // The next round waits for the scope's hours.
                Ok(ended) if ended.interrupted => listener(WatchEvent::CutOff {
                    notes: &ended.summary.notes,
                })?,
                Ok(ended) => match self.compare(&ended, &before) {
                    Ok((diff, notes)) => {
                        let round = Round::new(&self.id, &ended.scan, before.last.as_ref(), diff, notes);
                        listener(WatchEvent::Round(&round))?
                    }
                    Err(why) => listener(WatchEvent::NotCompared {
                        scan: &ended.scan,
                        why: &why,
                    })?,
                },
                // The options are no longer valid: to go on would be to watch nothing and not report it.
                Err(failure) if failure.kind() == FailureKind::Usage => return Err(failure),
                // The network or the disk may be back at the next round.
                Err(failure) => listener(WatchEvent::Failed(&failure))?,
            };
            if flow.is_break() {
                return Ok(WatchEnd::Unheard);
            }
        }
    }

    fn schedule(&self) -> Option<Schedule> {
        let jitter = match u64::try_from(self.options.jitter.num_milliseconds()) {
            Ok(longest) if longest > 0 => scan::fresh_seed() % longest,
            _ => 0,
        };
        Some(Schedule {
            every: self.options.every?,
            jitter: TimeDelta::milliseconds(i64::try_from(jitter).unwrap_or(0)),
        })
    }

    /// The completed rounds.
    fn rounds_before(&self) -> Result<Rounds, Failure> {
        let scans = self
            .runtime
            .block_on(self.lake.scans())
            .map_err(|error| Failure::output(format!("cannot read the lake: {error}")))?;
        Ok(Rounds::of(&self.id, scans))
    }

    /// Waits until the next round is due and the scope's hours allow it.
    fn wait(&self, last: Option<Timestamp>, stop: &Stop, listener: &mut WatchListener<'_>) -> Result<Waited, Failure> {
        let Some(schedule) = self.schedule() else { return Ok(Waited::Due) };
        let mut due = schedule.due(last, chrono::Utc::now());
        let mut reported = None;
        loop {
            let now = chrono::Utc::now();
            // The clock may have gone back meanwhile.
            due = due.min(schedule.due(Some(now), now));
            let until = match due <= now {
                true => self.closed_until()?.unwrap_or(due),
                false => due,
            };
            if until <= now {
                let rounds = schedule.missed(last, now);
                let flow = match rounds {
                    0 => ControlFlow::Continue(()),
                    _ => listener(WatchEvent::Missed { rounds })?,
                };
                return Ok(if flow.is_break() { Waited::Unheard } else { Waited::Due });
            }
            if reported != Some(until) {
                if listener(WatchEvent::Waiting { until })?.is_break() {
                    return Ok(Waited::Unheard);
                }
                reported = Some(until);
            }
            let left = (until - now).to_std().unwrap_or(CLOCK).min(CLOCK);
            if stop.wait(left) {
                return Ok(Waited::Stopped);
            }
        }
    }

    /// When the hours of the scope begin again; `None`: a scan is allowed now.
    fn closed_until(&self) -> Result<Option<Timestamp>, Failure> {
        let scan = &self.options.scan;
        if scan.scope.is_none() {
            return Ok(None);
        }
        let scope = crate::targets::scope(scan.scope.as_deref(), &scan.opt_out, &OwnAddresses::default())?;
        match scope.in_time(chrono::Utc::now()) {
            Ok(()) => Ok(None),
            Err(Refusal::OutsideWindow { next: Some(next), .. }) => Ok(Some(next)),
            Err(refusal) => Err(Failure::usage(refusal)),
        }
    }

    fn round(&mut self, stop: &Stop, listener: &mut WatchListener<'_>) -> Result<Ended, Failure> {
        self.attempted = Some(chrono::Utc::now());
        let options = identity::round(&self.options.scan, &self.options.lake, &self.id)?;
        let ready = match scan::prepare(options)? {
            Prepared::Ready(ready) => ready,
            Prepared::Nothing(nothing) => return Err(nothing.failure),
        };
        let ended = ready.run(stop, &mut |event| listener(WatchEvent::Scan(event)).map(|_| ()))?;
        match ended.failure {
            Some(failure) => Err(failure),
            None => Ok(ended),
        }
    }

    /// What changed since the previous round, and the round's notes. Other scans into the same lake count too, if they have the same
    /// vantage.
    fn compare(&self, ended: &Ended, before: &Rounds) -> Result<(Option<Diff>, Vec<String>), Failure> {
        let scan = &ended.scan;
        let finished = scan.finished.unwrap_or(scan.started);
        let mut notes = ended.summary.notes.clone();
        let diff = match before.last.as_ref().and_then(|previous| previous.finished) {
            Some(since) if since < finished => {
                let within = Within {
                    vantage: &scan.vantage,
                    coverage: &ended.coverage,
                };
                let catalog = match &self.options.scan.catalog {
                    None => Catalog::embedded(),
                    dir => crate::knowledge::knowledge(dir.as_deref())?.catalog,
                };
                Some(diff::between(
                    (&self.runtime, &self.lake),
                    (since, finished),
                    Some(&within),
                    &catalog,
                )?)
            }
            Some(_) => {
                notes.push("the clock went back since the previous round, so the two are not compared".to_owned());
                None
            }
            None => None,
        };
        Ok((diff, notes))
    }
}

/// How a wait ended.
enum Waited {
    /// A round is due.
    Due,
    /// The user stopped it.
    Stopped,
    /// Nobody listens any more.
    Unheard,
}
