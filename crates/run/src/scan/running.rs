//! A running scan: it passes events on, keeps observations in the lake, and records how it ended.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use vigie_export::Counts;
use vigie_export::baseline::Baseline;
use vigie_lake::Scan;
use vigie_model::{Known, Observation, Severity, Why};
use vigie_scan::{Event as Seen, Handle};
use vigie_scope::Coverage;

use super::ended::Ended;
use super::event::{Event, Listener};
use super::inputs::Inputs;
use super::missed::Missed;
use super::pauses::Pauses;
use super::resume::Resume;
use super::summary::{Reasons, once, summary};
use super::transcripts;
use crate::failure::Failure;
use crate::files::write_whole;
use crate::lake::Writer;

/// The most notes about single endpoints.
const MAX_NOTES: usize = 200;

/// The wait for more events. To wake up for each one would cost more than to handle it.
const GATHERED: Duration = Duration::from_millis(20);

/// A running scan.
pub(super) struct Running {
    inputs: Inputs,
    scan: Scan,
    handle: Handle,
    lake: Option<Writer>,
    baseline: Option<Baseline>,
    counts: Counts,
    worst: Option<Severity>,
    reasons: Reasons,
    missed: Missed,
    pauses: Pauses,
}

impl Running {
    pub(super) fn new(inputs: Inputs, scan: Scan, handle: Handle, lake: Option<Writer>, baseline: Option<Baseline>) -> Self {
        Self {
            inputs,
            scan,
            handle,
            lake,
            baseline,
            counts: Counts::default(),
            worst: None,
            reasons: Reasons::default(),
            missed: Missed::default(),
            pauses: Pauses::new(),
        }
    }

    /// Passes events on until the last. Gives whether something is left to do, and why the scope cut the scan off, if it did.
    pub(super) fn listen(&mut self, events: &Receiver<Seen>, listener: &mut Listener<'_>) -> Result<(bool, Option<String>), Failure> {
        let ended = loop {
            self.pauses.turn();
            match events.try_recv() {
                Err(TryRecvError::Empty) => {
                    listener(Event::Idle)?;
                    std::thread::sleep(GATHERED);
                }
                Err(TryRecvError::Disconnected) => break (true, None),
                Ok(Seen::Seen {
                    index,
                    mut observation,
                    transcript,
                }) => {
                    self.count(&mut observation);
                    listener(Event::Observed(&observation))?;
                    if let (Some(dir), Some(transcript)) = (&self.inputs.options.transcripts, transcript) {
                        transcripts::write(dir, &transcript)?;
                    }
                    self.keep(index, *observation)?;
                }
                Ok(Seen::Refused { address, why }) => {
                    self.missed.add(address);
                    *self.reasons.refused.entry(why).or_default() += 1;
                }
                Ok(Seen::Failed { address, why }) => {
                    self.missed.add(address);
                    *self.reasons.failed.entry(format!("{why} (first at {address})")).or_default() += 1;
                }
                Ok(Seen::End { interrupted, cut }) => break (interrupted, cut),
            }
            if let Some(lake) = &mut self.lake {
                let safe = self.pauses.apart(|| lake.tick())?;
                safe.into_iter().for_each(|index| self.handle.acknowledge(index));
            }
            listener(Event::Progress {
                counts: &self.handle.progress,
                findings: self.counts.findings.total(),
            })?;
        };
        listener(Event::Ended)?;
        Ok(ended)
    }

    fn count(&mut self, observation: &mut Observation) {
        if let Some(baseline) = &mut self.baseline {
            baseline.apply(observation, chrono::Utc::now().date_naive());
        }
        self.counts.add(observation);
        let endpoint = &observation.endpoint;
        let notes = &mut self.inputs.notes;
        if let Some(prefix) = &endpoint.prefix
            && !observation.identity.product.is_known()
            && notes.len() < MAX_NOTES
        {
            notes.push(if self.inputs.knowledge.catalog.asks_root_first(prefix) {
                format!(
                    "nothing was recognised at {endpoint}; its root was scanned first, because {prefix} may be a gateway's route to another server"
                )
            } else {
                format!("nothing was recognised at {endpoint}, which was scanned under {prefix} only; name it without the path to scan its root")
            });
        }
        let worst = observation
            .findings
            .iter()
            .filter(|finding| finding.accepted.is_none())
            .map(|finding| finding.severity)
            .max();
        self.worst = self.worst.max(worst);
    }

    /// Puts an observation into the lake. Once it is committed, a resume leaves its endpoint out.
    fn keep(&mut self, index: u64, observation: Observation) -> Result<(), Failure> {
        match &mut self.lake {
            Some(lake) => {
                let safe = self.pauses.apart(|| lake.take(index, observation))?;
                safe.into_iter().for_each(|index| self.handle.acknowledge(index));
            }
            None => self.handle.acknowledge(index),
        }
        Ok(())
    }

    /// Writes the end of the scan to the lake, and a resume file if something is left to do.
    pub(super) fn end(mut self, interrupted: bool, cut: Option<String>, total: u64, took: Duration) -> Result<Ended, Failure> {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let progress = &self.handle.progress;
        let (swept, open, seen) = (load(&progress.tried), load(&progress.open), load(&progress.seen));
        let scan = &mut self.scan;
        (scan.swept, scan.open, scan.observed) = (Some(swept), Some(open), Some(seen));
        let notes = &mut self.inputs.notes;
        if let Some(lake) = &mut self.lake {
            lake.flush()?.into_iter().for_each(|index| self.handle.acknowledge(index));
            if let Some(pause) = self.pauses.longest() {
                notes.push(format!("{pause}; endpoints that did not answer may only have been missed"));
                scan.covers = Known::unknown_because(Why::NotCarried, pause);
            }
            scan.missed = self.missed.kept(self.handle.unacknowledged());
            scan.finished = (!interrupted).then(chrono::Utc::now);
            lake.scan(scan)?;
        }
        // Nothing answered because nothing could be tried.
        let nothing = !interrupted && open == 0 && swept > 0 && self.reasons.total() >= swept;
        let failure = nothing.then(|| self.reasons.failure());
        notes.extend(self.reasons.refusals());
        if let Some(why) = &cut {
            let (next, left) = self.handle.standing();
            let one_by_one = self.handle.cut_off();
            let more = if next < total || left.len() > one_by_one {
                ", and those that were not started,"
            } else {
                ""
            };
            notes.push(format!(
                "the scan was cut off: {why}; {one_by_one} addresses and ports{more} are left: nothing was sent there since, and they count \
                 as neither gone nor closed"
            ));
        }
        notes.extend(self.reasons.failures());
        if let Some(baseline) = &self.baseline {
            notes.extend(baseline.notes(chrono::Utc::now().date_naive()));
        }
        self.inputs.notes = once(std::mem::take(&mut self.inputs.notes));
        let resume = match interrupted && self.scan.watch.is_none() {
            true => write_resume(&self.inputs, &self.scan.id, &self.handle)?,
            false => None,
        };
        let complete = !interrupted && failure.is_none();
        let mut summary = summary(&self.inputs, &self.scan.id, self.scan.started, took, swept, complete);
        summary.counts = self.counts;
        summary.failed = failure.as_ref().map(ToString::to_string);
        Ok(Ended {
            scan: self.scan,
            coverage: Coverage::default(),
            summary,
            worst: self.worst,
            interrupted,
            stopped: self.handle.is_stopped(),
            cut,
            resume,
            failure,
            is_local_and_empty: false,
        })
    }
}

/// Writes what a resume needs: the same targets, the same seed, and how far the scan got.
fn write_resume(inputs: &Inputs, id: &str, handle: &Handle) -> Result<Option<std::path::PathBuf>, Failure> {
    if inputs.is_local {
        // This machine's listeners are scanned in a second.
        return Ok(None);
    }
    let clipped = inputs.scope.clip(&inputs.targets, &inputs.ports).map_err(Failure::usage)?;
    let plan = vigie_scope::Plan::over(inputs.seed, clipped.pairs, inputs.options.shard).map_err(Failure::usage)?;
    let (next, in_flight) = handle.standing();
    let resume = Resume::of(&inputs.options, inputs.ports.to_string(), inputs.seed, plan.cursor(next, in_flight));
    let path = crate::lake::resume_folder().join(format!("{id}.json"));
    let text = serde_json::to_string_pretty(&resume).map_err(Failure::output)?;
    write_whole(&path, text.as_bytes())?;
    Ok(Some(path))
}
