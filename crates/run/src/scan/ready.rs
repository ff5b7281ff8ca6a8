//! A scan that is prepared and ready to run.

use std::time::{Duration, Instant};

use vigie_assess::Knowledge;
use vigie_export::Summary;
use vigie_export::baseline::Baseline;
use vigie_lake::Scan;
use vigie_model::{EffectSet, Known, Source, SourceKind, Timestamp, Why};
use vigie_scan::sweep::SweepOptions;
use vigie_scan::{Engine, EngineOptions, ProbeOptions, Work};
use vigie_scope::{Budget, Coverage, Scope, Shard};

use super::ended::Ended;
use super::enrich::Enrich;
use super::event::{Event, Listener};
use super::inputs::Inputs;
use super::job::Job;
use super::running::Running;
use super::summary::{once, summary};
use super::{ScanOptions, coverage};
use crate::failure::{Failure, read};
use crate::lake::Writer;
use crate::stop::Stop;

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
        let mut running = Running::new(inputs, scan, handle, lake, baseline);
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
        enricher: enrich.for_scanner(),
        clock: vigie_scan::Clock::default(),
    }
}
