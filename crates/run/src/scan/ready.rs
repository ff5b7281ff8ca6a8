//! A scan that is ready to run, and its run.

use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use vigie_assess::Knowledge;
use vigie_export::baseline::Baseline;
use vigie_export::{Counts, Summary};
use vigie_lake::Scan;
use vigie_model::{EffectSet, Known, Observation, Severity, Source, SourceKind, Timestamp, Why};
use vigie_scan::sweep::SweepOptions;
use vigie_scan::{Engine, EngineOptions, Event as Seen, Handle, ProbeOptions, Work};
use vigie_scope::{Budget, Coverage, Scope, Shard};

use super::ended::Ended;
use super::enrich::Enrich;
use super::event::{Event, Listener};
use super::inputs::Inputs;
use super::job::Job;
use super::missed::Missed;
use super::pauses::Pauses;
use super::resume::Resume;
use super::summary::{Reasons, once, summary};
use super::{ScanOptions, coverage, transcripts};
use crate::failure::{Failure, read};
use crate::files::write_whole;
use crate::lake::Writer;
use crate::stop::Stop;

/// The most notes about single endpoints.
const MAX_NOTES: usize = 200;

/// The wait for more events. To wake up for each one would cost more than to handle it.
const GATHERED: Duration = Duration::from_millis(20);

/// The options, read and checked.
pub enum Prepared {
    /// There is something to scan.
    Ready(Box<Ready>),
    /// Nothing can be scanned.
    Nothing(Box<NothingToScan>),
}

/// A scan with nothing to scan.
#[derive(Debug)]
pub struct NothingToScan {
    /// Why.
    pub failure: Failure,
    /// The catalogue and advisories that the scan would have used.
    pub knowledge: Knowledge,
    /// The summary for reports.
    pub summary: Summary,
}

/// A scan that is ready to run.
pub struct Ready {
    inputs: Inputs,
    job: Job,
    coverage: Coverage,
    id: String,
    baseline: Option<Baseline>,
    enrich: Enrich,
}

/// Reads the options, resolves names, and plans the scan. Nothing is sent to a target.
///
/// # Errors
///
/// An option, or a file that one names, is invalid.
pub fn prepare(options: ScanOptions) -> Result<Prepared, Failure> {
    let mut inputs = Inputs::read(options)?;
    let options = &inputs.options;
    let baseline = match &options.baseline {
        None => None,
        Some(path) => {
            Some(Baseline::parse(&read(path)?).map_err(|errors| Failure::of_all(&format!("baseline {}", path.display()), &errors))?)
        }
    };
    let enrich = Enrich {
        // A scan does not learn autonomous systems by itself, so without a database there is nothing to add.
        #[cfg(feature = "watch")]
        network: match options.network.geo.is_empty() {
            true => None,
            false => Some(options.network.open()?),
        },
        ..Enrich::default()
    };
    let id = super::fresh_id();
    let job = Job::resolved(&mut inputs);
    inputs.notes = once(std::mem::take(&mut inputs.notes));
    Ok(match job {
        Ok((job, coverage)) => Prepared::Ready(Box::new(Ready {
            inputs,
            job,
            coverage,
            id,
            baseline,
            enrich,
        })),
        Err(failure) => {
            let mut summary = summary(&inputs, &id, chrono::Utc::now(), Duration::ZERO, 0, false);
            summary.failed = Some(failure.to_string());
            Prepared::Nothing(Box::new(NothingToScan {
                failure,
                summary,
                knowledge: inputs.knowledge,
            }))
        }
    })
}

/// The `User-Agent` of a scan under a scope.
pub(crate) fn user_agent(scope: &Scope) -> String {
    vigie_scan::user_agent(scope.file().map(|file| file.contact.as_str()))
}

impl Ready {
    /// What the user should know before it runs. [`Ended::summary`] has these notes too, first.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.inputs.notes
    }

    /// The catalogue, the advisories and the texts of findings that it uses.
    #[must_use]
    pub fn knowledge(&self) -> &Knowledge {
        &self.inputs.knowledge
    }

    /// Whether a lake keeps the observations.
    #[must_use]
    pub fn keeps_lake(&self) -> bool {
        self.inputs.options.lake.is_some()
    }

    /// Scans. Each observation goes to the listener and then to the lake; what is in the lake is not scanned again by a resume.
    ///
    /// # Errors
    ///
    /// The lake or a file cannot be written, or the listener fails.
    pub fn run(self, stop: &Stop, listener: &mut Listener<'_>) -> Result<Ended, Failure> {
        let Self {
            inputs,
            job,
            coverage,
            id,
            baseline,
            mut enrich,
        } = self;
        let mut lake = inputs.options.lake.as_deref().map(Writer::open).transpose()?;
        let vantage = inputs.scope.file().and_then(|file| file.vantage.clone());
        let vantage = vantage.unwrap_or_else(|| job.vantage().to_owned());
        let (work, total): (Box<dyn Work>, u64) = match job {
            Job::Local(local) => {
                let listeners = local.listeners.iter();
                enrich.listeners = listeners.map(|listener| (listener.probe_address(), listener.clone())).collect();
                let total = local.total();
                (Box::new(local), total)
            }
            Job::Planned(planned) => {
                let total = planned.total;
                (planned, total)
            }
        };
        let is_local_and_empty = enrich.listeners.is_empty() && inputs.is_local;
        let started = chrono::Utc::now();
        let mut scan = record(&inputs, &id, &vantage, started, total);
        scan.covers = coverage::kept(&coverage, inputs.resume.is_some());
        if let Some(lake) = &mut lake {
            lake.scan(&scan)?;
        }

        let identifier = crate::knowledge::identifier(inputs.options.catalog.as_deref(), &inputs.knowledge.catalog)?;
        let options = engine_options(&inputs, &id, vantage, enrich);
        let engine = Engine::new(inputs.knowledge.clone(), identifier, options);
        let budget = Budget::new(inputs.scope.limits(), inputs.scope.own().clone());
        // First, so that a scan that was asked to stop before it began sends nothing.
        let handle = vigie_scan::Handle::default();
        stop.begin(handle.clone());
        let events = engine.start_with(&handle, work, budget);
        let mut running = Running {
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
        };
        let begun = Instant::now();
        listener(Event::Begun { total })?;
        let (interrupted, cut) = running.listen(&events, listener)?;
        let mut ended = running.end(interrupted, cut, total, begun.elapsed())?;
        ended.coverage = coverage;
        ended.is_local_and_empty = is_local_and_empty;
        Ok(ended)
    }
}

/// The scan as the lake keeps it, at its start.
fn record(inputs: &Inputs, id: &str, vantage: &str, started: Timestamp, total: u64) -> Scan {
    let options = &inputs.options;
    Scan {
        id: id.to_owned(),
        vigie: env!("CARGO_PKG_VERSION").to_owned(),
        seed: inputs.seed,
        scope: Known::Known(inputs.scope.hash()),
        catalog: inputs.knowledge.catalog.hash().to_owned(),
        advisories: Known::Known(inputs.knowledge.advisories.date().to_string()),
        vantage: vantage.to_owned(),
        targets: vigie_model::sha256(options.targets.join(" ").as_bytes()),
        ports: inputs.ports.to_string(),
        shard: (options.shard != Shard::whole()).then(|| options.shard.numbers()),
        started,
        finished: None,
        planned: Some(total),
        swept: None,
        open: None,
        observed: None,
        covers: Known::unknown(Why::NotAsked),
        missed: Known::unknown(Why::NotAsked),
        watch: options.watch.clone(),
    }
}

fn engine_options(inputs: &Inputs, id: &str, vantage: String, enrich: Enrich) -> EngineOptions {
    let options = &inputs.options;
    let limits = inputs.scope.limits();
    EngineOptions {
        sweep: SweepOptions::default(),
        probe: ProbeOptions {
            limits: vigie_identify::Limits {
                requests: limits.per_endpoint as usize,
                models: limits.models as usize,
                prove: EffectSet::EMPTY,
            },
            reply: options.timeout,
            endpoint: options.timeout * 8,
            user_agent: user_agent(&inputs.scope),
            ..ProbeOptions::default()
        },
        threads: std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8),
        probes: vigie_scan::probes(),
        host: options.timeout * 24,
        source: Source {
            kind: SourceKind::Scan,
            name: "vigie".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            catalog: inputs.knowledge.catalog.hash().to_owned(),
            vantage,
            scan: Some(id.to_owned()),
        },
        scope: Known::Known(inputs.scope.hash()),
        transcripts: options.transcripts.is_some(),
        prove: if options.prove { vigie_scope::GRANTABLE } else { EffectSet::EMPTY },
        keep_prompts: options.keep_prompts,
        dress: enrich.for_scanner(),
        clock: vigie_scan::Clock::default(),
    }
}

/// A running scan.
struct Running {
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
    /// Passes events on until the last. Gives whether something is left to do, and why the scope cut the scan off, if it did.
    fn listen(&mut self, events: &std::sync::mpsc::Receiver<Seen>, listener: &mut Listener<'_>) -> Result<(bool, Option<String>), Failure> {
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

    fn end(mut self, interrupted: bool, cut: Option<String>, total: u64, took: Duration) -> Result<Ended, Failure> {
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
