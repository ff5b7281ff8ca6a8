//! `vigie scan`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use vigie_assess::Knowledge;
use vigie_export::{Counts, Format, Options, Report, RuleText, Summary};
use vigie_host::LocalServer;
use vigie_lake::Scan;
use vigie_model::{Known, Observation, Severity, Source, SourceKind, Transcript, Why};
use vigie_scan::sweep::SweepOptions;
use vigie_scan::{Dress, Engine, EngineOptions, Event, Handle, ProbeOptions, Work};
use vigie_scope::{Budget, Coverage, OwnAddresses, Plan, Ports, Refusal, Scope, Shard, Targets};

use crate::args::ScanArgs;
use crate::failure::{Done, exit, written};
use vigie_run::{Failure, read, write_whole};
use crate::interrupts::Interrupts;
use vigie_run::lake::Writer;
use crate::looked::{self, Missed, Pauses};
use crate::progress::Shown;
use crate::resume::{RESUME_SCHEMA, Resume};
use crate::plain::Plain;
use vigie_run::WholeFile;
use crate::work::{Local, Planned};

/// Ports on this machine whose protocol is known to be another: an HTTP request there only fills logs, and some servers count it
/// against the sender. `--ports` looks at them all the same.
const OTHER_PROTOCOLS: [u16; 22] = [
    22, 25, 53, 110, 111, 139, 143, 445, 465, 587, 631, 993, 995, 1433, 1521, 2049, 3306, 5432, 5672, 6379, 11_211, 27_017,
];

/// The most notes, where one is made for an endpoint.
const MAX_NOTES: usize = 200;

/// Results are shown this soon.
const GATHERED: Duration = Duration::from_millis(20);

pub(crate) fn run(args: ScanArgs) -> Done {
    run_also(args, Vec::new())
}

/// A scan that says nothing on standard output: its results are in the lake.
#[cfg(feature = "watch")]
pub(crate) fn run_silently(args: ScanArgs) -> Done {
    match begin(args, Vec::new(), None)? {
        Begun::Told(code) => Ok(code),
        Begun::Nothing(mut run, failure) => {
            run.silent = true;
            run.fail(failure)
        }
        Begun::Ready(mut run, job) => {
            run.silent = true;
            Ok(run.go(job, &Interrupts::of_a_scan())?.code)
        }
    }
}

/// A scan that also writes its results to files, whole or not at all, each in its format.
pub(crate) fn run_also(args: ScanArgs, also: Vec<(Format, PathBuf)>) -> Done {
    match begin(args, also, None)? {
        Begun::Told(code) => Ok(code),
        Begun::Nothing(run, failure) => run.fail(failure),
        Begun::Ready(run, job) => Ok(run.go(job, &Interrupts::of_a_scan())?.code),
    }
}

/// One round of a watch: a scan that prints nothing on standard output and leaves nothing to resume.
#[cfg(feature = "watch")]
pub(crate) fn round(args: ScanArgs, watch: &str, interrupts: &Interrupts) -> Result<Ended, Failure> {
    match begin(args, Vec::new(), Some(watch.to_owned()))? {
        Begun::Told(_) => Err(Failure::usage("a watch scans: it cannot only tell what it would do")),
        Begun::Nothing(_, failure) => Err(failure),
        Begun::Ready(run, job) => run.go(job, interrupts),
    }
}

/// What a command line came to.
enum Begun {
    /// It only asked what a scan would do.
    Told(ExitCode),
    /// There is nothing that could be looked at, and why.
    Nothing(Box<Run>, Failure),
    /// A scan that can go.
    Ready(Box<Run>, Job),
}

/// A scan that went to its end or was interrupted.
#[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "a scan by itself needs its code only"))]
pub(crate) struct Ended {
    pub(crate) code: ExitCode,
    /// As the lake keeps it.
    pub(crate) scan: Scan,
    /// What it set out to look at.
    pub(crate) coverage: Coverage,
    pub(crate) notes: Vec<String>,
    pub(crate) interrupted: bool,
    /// Whether the scope's time cut it off, and not its user.
    pub(crate) cut: bool,
}

fn begin(mut args: ScanArgs, also: Vec<(Format, PathBuf)>, watch: Option<String>) -> Result<Begun, Failure> {
    let resume = args.resume.clone().map(|path| Resume::read(&path)).transpose()?;
    if let Some(resume) = &resume {
        resume.put_into(&mut args);
    }
    let knowledge = vigie_run::knowledge::knowledge(args.catalog.as_deref())?;
    let addresses = vigie_run::targets::own_addresses();
    let own = OwnAddresses::new(addresses.iter().copied());
    let scope = Arc::new(vigie_run::targets::scope(args.scope.as_deref(), &args.opt_out, &own)?);
    let (mut targets, mut notes) = vigie_run::targets::targets(&args.targets, &args.files)?;
    vigie_run::targets::own_paths(&mut targets, &knowledge.catalog)?;
    let local = targets.is_empty() && args.targets.is_empty() && args.files.is_empty();
    let ports = vigie_run::targets::ports(args.ports.as_deref(), &knowledge.catalog)?;
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let shard = match &args.shard {
        None => Shard::whole(),
        Some(text) => text.parse().map_err(Failure::usage)?,
    };

    notes.extend(targets.notes().iter().map(|note| note.text.clone()));
    let only_told = args.dry_run || args.notice;
    let there_is = if local {
        let only = args.ports.is_some().then_some(&ports);
        let coverage = looked::this_machine(&addresses, only, &OTHER_PROTOCOLS);
        Ok((this_machine(&scope, only, &mut notes)?, coverage))
    } else if targets.is_empty() {
        Err(Failure::usage(format!(
            "no target in what was given{}; without any target, vigie scan looks at this machine",
            in_brackets(&notes)
        )))
    } else {
        if !only_told {
            notes.extend(vigie_run::targets::resolve(&mut targets, &scope));
        }
        planned(&targets, &ports, &scope, seed, shard, resume.as_ref(), &mut notes).and_then(|planned| {
            if !only_told {
                could_look(&planned, &targets, &notes)?;
            }
            let coverage = Coverage::new(planned.plan.pairs(), &targets, &ports);
            Ok((Job::Planned(planned), coverage))
        })
    };
    if only_told {
        let (job, _) = there_is?;
        tell(&once(notes));
        return match args.dry_run {
            true => super::preview::dry_run(&job, &targets, &scope, &knowledge),
            false => super::preview::notice(&targets, &ports, &scope, &knowledge, &addresses, args.prove),
        }
        .map(Begun::Told);
    }
    let mut run = Run::new(args, also, knowledge, scope, targets, ports, seed, shard, notes)?;
    run.watch = watch;
    Ok(match there_is {
        Ok((job, coverage)) => {
            run.coverage = coverage;
            Begun::Ready(Box::new(run), job)
        }
        Err(failure) => Begun::Nothing(Box::new(run), failure),
    })
}

/// Whether anything of a plan can be looked at at all: no name may have resolved, or the scope's hours may be over.
fn could_look(planned: &Planned, targets: &Targets, notes: &[String]) -> Result<(), Failure> {
    let pairs = planned.plan.pairs();
    if pairs.is_empty() {
        let names = targets.names().count();
        return Err(Failure::scan(format!(
            "nothing could be looked at: {} resolved{}; check the spelling and that this machine's name server answers, or name addresses",
            if names == 1 { "the name was not" } else { "none of the names was" },
            in_brackets(notes)
        )));
    }
    let now = chrono::Utc::now();
    let mut closed = None;
    for segment in pairs.segments() {
        let Some(port) = segment.ports.as_slice().first() else { continue };
        for address in [segment.range.first(), segment.range.last()] {
            match planned.permits(address, *port, now) {
                Err(refusal @ (Refusal::OutsideWindow { .. } | Refusal::Expired { .. })) => closed = Some(refusal),
                // Something needs no hours, or is decided when its turn comes.
                _ => return Ok(()),
            }
        }
    }
    match closed {
        None => Ok(()),
        Some(refusal) => Err(Failure::scan(format!(
            "nothing could be looked at: {refusal}; scan within its hours, or have them changed in the scope file"
        ))),
    }
}

/// The first few notes, where a failure rests on them.
fn in_brackets(notes: &[String]) -> String {
    match notes {
        [] => String::new(),
        [..] => {
            let more = notes.len().saturating_sub(3);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            format!(" ({}{more})", notes[..notes.len().min(3)].join("; "))
        }
    }
}

/// Tells notes on standard error.
fn tell(notes: &[String]) {
    for note in notes {
        anstream::eprintln!("vigie: note: {}", vigie_export::text::lines(note));
    }
}

/// What there is to do.
pub(crate) enum Job {
    Local(Local),
    Planned(Box<Planned>),
}

fn this_machine(scope: &Arc<Scope>, only: Option<&Ports>, notes: &mut Vec<String>) -> Result<Job, Failure> {
    let mut skipped = Vec::new();
    let listeners: Vec<LocalServer> = vigie_run::targets::listeners()?
        .into_iter()
        .filter(|listener| match only {
            Some(ports) => ports.contains(listener.port()),
            None if OTHER_PROTOCOLS.contains(&listener.port()) => {
                skipped.push(listener.port().to_string());
                false
            }
            None => true,
        })
        .collect();
    if !skipped.is_empty() {
        notes.push(format!(
            "ports of other protocols were left out: {} (name them with --ports to look)",
            skipped.join(", ")
        ));
    }
    Ok(Job::Local(Local {
        listeners,
        scope: Arc::clone(scope),
        next: 0,
    }))
}

fn planned(
    targets: &Targets,
    ports: &Ports,
    scope: &Arc<Scope>,
    seed: u64,
    shard: Shard,
    resume: Option<&Resume>,
    notes: &mut Vec<String>,
) -> Result<Box<Planned>, Failure> {
    let clipped = scope.clip(targets, ports).map_err(Failure::usage)?;
    notes.extend(clipped.skipped.iter().map(|skipped| skipped.why.to_string()));
    let plan = Plan::over(seed, clipped.pairs, shard).map_err(Failure::usage)?;
    let (indices, begun): (Box<dyn Iterator<Item = u64> + Send>, u64) = match resume {
        None => (Box::new(plan.shard_indices()), 0),
        Some(resume) => (
            Box::new(plan.resume(&resume.cursor).map_err(Failure::usage)?),
            resume.cursor.next_index,
        ),
    };
    let total = plan.shard_len();
    if total == 0 && !plan.is_empty() {
        notes.push(format!(
            "this shard holds none of the {} addresses and ports: other shards do",
            plan.len()
        ));
    }
    Ok(Box::new(Planned {
        visits: targets.endpoint_index(ports),
        scope: Arc::clone(scope),
        indices,
        begun,
        total,
        plan,
    }))
}

/// A seed that nobody chose: the keys that the standard library draws for its hash maps.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

pub(crate) fn user_agent(scope: &Scope) -> String {
    vigie_scan::user_agent(scope.file().map(|file| file.contact.as_str()))
}

/// Everything about a running scan.
struct Run {
    args: ScanArgs,
    /// Files, each with its format.
    files: Vec<(Format, PathBuf)>,
    /// Whether nothing goes to standard output.
    silent: bool,
    knowledge: Knowledge,
    scope: Arc<Scope>,
    targets: Targets,
    ports: Ports,
    seed: u64,
    shard: Shard,
    id: String,
    /// What it sets out to look at.
    coverage: Coverage,
    /// The watch whose round it is.
    watch: Option<String>,
    notes: Vec<String>,
    /// How many of the notes were told on standard error.
    told: usize,
    baseline: Option<vigie_export::baseline::Baseline>,
    counts: Counts,
    worst: Option<Severity>,
    kept: Vec<Observation>,
    listeners: HashMap<std::net::SocketAddr, LocalServer>,
    #[cfg(feature = "watch")]
    enricher: Option<Arc<vigie_network::Enricher>>,
}

impl Run {
    #[expect(clippy::too_many_arguments, reason = "the parts of one command line")]
    fn new(
        args: ScanArgs,
        mut files: Vec<(Format, PathBuf)>,
        knowledge: Knowledge,
        scope: Arc<Scope>,
        targets: Targets,
        ports: Ports,
        seed: u64,
        shard: Shard,
        notes: Vec<String>,
    ) -> Result<Self, Failure> {
        let baseline = match &args.baseline {
            None => None,
            Some(path) => Some(
                vigie_export::baseline::Baseline::parse(&read(path)?)
                    .map_err(|errors| Failure::of_all(&format!("baseline {}", path.display()), &errors))?,
            ),
        };
        // A scan knows no AS of its own, so there is nothing to say without a file.
        #[cfg(feature = "watch")]
        let enricher = match args.network.geo.is_empty() {
            true => None,
            false => Some(Arc::new(args.network.files().open()?)),
        };
        files.extend(args.output.iter().map(|path| (args.format, path.clone())));
        let now = chrono::Utc::now();
        let id = format!("{}-{:08x}", now.format("%Y%m%dT%H%M%SZ"), fresh_seed() as u32);
        Ok(Self {
            args,
            files,
            silent: false,
            knowledge,
            scope,
            targets,
            ports,
            seed,
            shard,
            id,
            coverage: Coverage::default(),
            watch: None,
            notes: once(notes),
            told: 0,
            baseline,
            counts: Counts::default(),
            worst: None,
            kept: Vec::new(),
            listeners: HashMap::new(),
            #[cfg(feature = "watch")]
            enricher,
        })
    }

    /// There is nothing to look at: what programs read is a valid document that says so.
    fn fail(mut self, failure: Failure) -> Done {
        let why = failure.to_string();
        let others: Vec<String> = self.notes.iter().filter(|note| !why.contains(note.as_str())).cloned().collect();
        tell(&others);
        // A table of nothing would read as if nothing had been found.
        self.files.retain(|(format, _)| *format != Format::Table);
        self.silent |= self.args.format == Format::Table;
        let files = self.begin_files()?;
        let mut reports = self.reports(&files)?;
        let mut summary = self.summary(chrono::Utc::now(), Duration::ZERO, 0, false);
        summary.failed = Some(why);
        for report in &mut reports {
            written(report.begin())?;
            written(report.end(&summary))?;
        }
        drop(reports);
        files.into_iter().try_for_each(WholeFile::finish)?;
        Err(failure)
    }

    /// Begins the files that were named for the reports: what cannot be written is said before anything is sent.
    fn begin_files(&self) -> Result<Vec<WholeFile>, Failure> {
        self.files.iter().map(|(_, path)| WholeFile::begin(path)).collect()
    }

    /// Tells on standard error what is to be known and was not told yet: whatever the format, a person hears it. A table on a terminal
    /// has it, and so has what a watch says of its round.
    fn tell_notes(&mut self) {
        use std::io::IsTerminal as _;
        let in_table = self.args.format == Format::Table
            && self.args.output.is_none()
            && !self.silent
            && std::io::stdout().is_terminal()
            && std::io::stderr().is_terminal();
        if !in_table && self.watch.is_none() {
            tell(&self.notes[self.told..]);
        }
        self.told = self.notes.len();
    }

    fn go(mut self, job: Job, interrupts: &Interrupts) -> Result<Ended, Failure> {
        self.tell_notes();
        let started = chrono::Utc::now();
        let begun = Instant::now();
        let vantage = self.vantage(&job);
        let files = self.begin_files()?;
        let mut lake = if self.args.no_lake {
            None
        } else {
            Some(Writer::open(&self.args.lake.folder()?)?)
        };
        let (work, total): (Box<dyn Work>, u64) = match job {
            Job::Local(local) => {
                self.listeners = local
                    .listeners
                    .iter()
                    .map(|listener| (listener.probe_address(), listener.clone()))
                    .collect();
                let total = local.total();
                (Box::new(local), total)
            }
            Job::Planned(planned) => {
                let total = planned.total;
                (planned, total)
            }
        };
        let mut scan = Scan {
            id: self.id.clone(),
            vigie: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.seed,
            scope: Known::Known(self.scope.hash()),
            catalog: self.knowledge.catalog.hash().to_owned(),
            advisories: Known::Known(self.knowledge.advisories.date().to_string()),
            vantage: vantage.clone(),
            targets: vigie_model::sha256(self.args.targets.join(" ").as_bytes()),
            ports: self.ports.to_string(),
            shard: self
                .args
                .shard
                .as_deref()
                .and_then(|text| text.split_once('/'))
                .and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?))),
            started,
            finished: None,
            planned: Some(total),
            swept: None,
            open: None,
            observed: None,
            covers: looked::kept(&self.coverage, self.args.resume.is_some()),
            missed: Known::unknown(Why::NotAsked),
            watch: self.watch.clone(),
        };
        if let Some(lake) = &mut lake {
            lake.scan(&scan)?;
        }

        let told = |result: Result<(), Failure>| result.map_err(|other| files.iter().find_map(WholeFile::fault).unwrap_or(other));
        let mut reports = self.reports(&files)?;
        let identifier = vigie_run::knowledge::identifier(self.args.catalog.as_deref(), &self.knowledge.catalog)?;
        let engine = Engine::new(self.knowledge.clone(), identifier, self.options(vantage));
        let budget = Budget::new(self.scope.limits(), self.scope.own().clone());
        let (handle, events) = engine.start(work, budget);
        interrupts.begin(handle.clone());
        told(reports.iter_mut().try_for_each(|report| written(report.begin())))?;
        let mut shown = Shown::new(total, self.args.quiet);
        let mut failures: BTreeMap<String, u64> = BTreeMap::new();
        let mut refusals: BTreeMap<String, u64> = BTreeMap::new();
        let mut missed = Missed::default();
        let mut pauses = Pauses::new();
        let (interrupted, cut) = loop {
            pauses.turn();
            let event = match events.try_recv() {
                Err(TryRecvError::Empty) => {
                    // Nothing more is at hand: readers see what there is.
                    told(shown.aside(|| reports.iter_mut().try_for_each(|report| written(report.pause()))))?;
                    // To be woken by each event would cost more than the events: what comes meanwhile is taken together.
                    std::thread::sleep(GATHERED);
                    None
                }
                Err(TryRecvError::Disconnected) => break (true, None),
                Ok(event) => Some(event),
            };
            match event {
                Some(Event::Seen {
                    index,
                    mut observation,
                    transcript,
                }) => {
                    self.take(&mut observation);
                    told(shown.aside(|| reports.iter_mut().try_for_each(|report| written(report.observation(&observation)))))?;
                    if let (Some(dir), Some(transcript)) = (&self.args.transcripts, transcript) {
                        keep(dir, &transcript)?;
                    }
                    match &mut lake {
                        Some(lake) => pauses
                            .apart(|| lake.take(index, *observation))?
                            .into_iter()
                            .for_each(|index| handle.acknowledge(index)),
                        None => handle.acknowledge(index),
                    }
                }
                Some(Event::Refused { address, why }) => {
                    missed.add(address);
                    *refusals.entry(why).or_default() += 1;
                }
                Some(Event::Failed { address, why }) => {
                    missed.add(address);
                    *failures.entry(format!("{why} (first at {address})")).or_default() += 1;
                }
                Some(Event::End { interrupted, cut }) => break (interrupted, cut),
                None => {}
            }
            if let Some(lake) = &mut lake {
                let safe = pauses.apart(|| lake.tick())?;
                safe.into_iter().for_each(|index| handle.acknowledge(index));
            }
            shown.update(&handle.progress, self.counts.findings.total());
        };
        shown.end();
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let (swept, open, seen) = (
            load(&handle.progress.tried),
            load(&handle.progress.open),
            load(&handle.progress.seen),
        );
        (scan.swept, scan.open, scan.observed) = (Some(swept), Some(open), Some(seen));
        if let Some(lake) = &mut lake {
            lake.flush()?.into_iter().for_each(|index| handle.acknowledge(index));
            if let Some(pause) = pauses.told() {
                self.notes.push(format!("{pause}; what did not answer may only have been missed"));
                scan.covers = Known::unknown_because(Why::NotCarried, pause);
            }
            scan.missed = missed.kept(handle.unacknowledged());
            scan.finished = (!interrupted).then(chrono::Utc::now);
            lake.scan(&scan)?;
        }
        let (refused, failed) = (refusals.values().sum::<u64>(), failures.values().sum::<u64>());
        // Nothing answered, because nothing was asked.
        let nothing = !interrupted && open == 0 && swept > 0 && refused + failed >= swept;
        let nothing = nothing.then(|| nothing_tried(&refusals, &failures));
        self.notes.extend(
            refusals
                .into_iter()
                .map(|(why, count)| if count == 1 { why } else { format!("{why} ({count} times)") }),
        );
        let (next, left) = handle.standing();
        if let Some(why) = &cut {
            let one_by_one = handle.cut_off();
            let more = if next < total || left.len() > one_by_one {
                ", and what was not begun"
            } else {
                ""
            };
            self.notes.push(format!(
                "the scan was cut off: {why}; {one_by_one} addresses and ports{more} are left: nothing was sent there since, and they are \
                 neither gone nor closed"
            ));
        }
        self.notes.extend(
            failures
                .into_iter()
                .map(|(why, count)| if count == 1 { why } else { format!("{why}, {count} times in all") }),
        );
        if let Some(baseline) = &self.baseline {
            self.notes.extend(baseline.notes(chrono::Utc::now().date_naive()));
        }

        let resume = match interrupted && self.watch.is_none() {
            true => self.write_resume(&handle)?,
            false => None,
        };
        self.notes = once(std::mem::take(&mut self.notes));
        self.told = self.told.min(self.notes.len());
        let mut summary = self.summary(started, begun.elapsed(), swept, !interrupted && nothing.is_none());
        summary.failed = nothing.as_ref().map(ToString::to_string);
        summary.next = Some(match &resume {
            Some(path) => format!("vigie scan --resume {}", path.display()),
            None => self.next_step(),
        });
        told(reports.iter_mut().try_for_each(|report| written(report.end(&summary))))?;
        // The reports are done, and each is there whole.
        drop(reports);
        files.into_iter().try_for_each(WholeFile::finish)?;
        if let Some(path) = &self.args.write_baseline {
            let expires = chrono::Utc::now().date_naive() + chrono::Days::new(90);
            let text = vigie_export::baseline::write(&self.kept, "give a reason", expires, None);
            write_whole(path, text.as_bytes())?;
        }
        if let Some(path) = &resume {
            match &cut {
                Some(why) => eprintln!("vigie: cut off: {why}; go on then with: vigie scan --resume {}", path.display()),
                None => eprintln!("vigie: interrupted; go on with: vigie scan --resume {}", path.display()),
            }
        }
        self.tell_notes();
        if let Some(failure) = nothing {
            return Err(failure);
        }
        let code = match (interrupted, self.fails()) {
            (true, _) => ExitCode::from(exit::INTERRUPTED),
            (false, true) => ExitCode::from(exit::FINDINGS),
            (false, false) => ExitCode::SUCCESS,
        };
        Ok(Ended {
            code,
            scan,
            coverage: self.coverage,
            notes: self.notes,
            interrupted,
            cut: cut.is_some() && !handle.is_stopped(),
        })
    }

    fn vantage(&self, job: &Job) -> String {
        if let Some(vantage) = self.scope.file().and_then(|file| file.vantage.clone()) {
            return vantage;
        }
        match job {
            Job::Local(_) => "host".to_owned(),
            Job::Planned(planned) => {
                let mut segments = planned.plan.pairs().segments().iter();
                if segments.all(|s| vigie_scope::is_loopback(s.range.first()) && vigie_scope::is_loopback(s.range.last())) {
                    "loopback"
                } else {
                    "network"
                }
                .to_owned()
            }
        }
    }

    fn options(&self, vantage: String) -> EngineOptions {
        let limits = self.scope.limits();
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8);
        let probe = ProbeOptions {
            limits: vigie_identify::Limits {
                requests: limits.per_endpoint as usize,
                models: limits.models as usize,
                prove: None,
            },
            reply: Duration::from_secs(self.args.timeout),
            endpoint: Duration::from_secs(self.args.timeout * 8),
            user_agent: user_agent(&self.scope),
            ..ProbeOptions::default()
        };
        EngineOptions {
            sweep: SweepOptions::default(),
            probe,
            threads,
            probes: vigie_scan::probes(),
            host: Duration::from_secs(self.args.timeout * 24),
            source: Source {
                kind: SourceKind::Scan,
                name: "vigie".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                catalog: self.knowledge.catalog.hash().to_owned(),
                vantage,
                scan: Some(self.id.clone()),
            },
            scope: Known::Known(self.scope.hash()),
            transcripts: self.args.transcripts.is_some(),
            prove: self.args.prove,
            keep_prompts: self.args.keep_prompts,
            dress: self.dress(),
            clock: vigie_scan::Clock::default(),
        }
    }

    /// Who can reach an endpoint: told by its listening socket on this machine, else by the address it was reached at.
    fn dress(&self) -> Dress {
        let listeners = self.listeners.clone();
        #[cfg(feature = "watch")]
        let enricher = self.enricher.clone();
        Dress(Arc::new(move |observation: &mut Observation| {
            let endpoint = &observation.endpoint;
            if let Some(listener) = listeners.get(&endpoint.socket()) {
                observation.exposure.reach = Known::Known(listener.reach());
                observation.listener = Some(listener.to_model());
            } else {
                observation.exposure.reach = crate::reach::of(endpoint.address);
            }
            #[cfg(feature = "watch")]
            if let Some(enricher) = &enricher {
                enricher.enrich(observation.endpoint.address, &mut observation.network);
            }
        }))
    }

    /// One report for standard output (unless a file was named for it, or nobody wants one) and one per file.
    fn reports(&self, files: &[WholeFile]) -> Result<Vec<Box<dyn Report + Send>>, Failure> {
        let texts = &self.knowledge.texts;
        let rules: Vec<RuleText> = vigie_assess::RULES
            .iter()
            .filter_map(|rule| {
                let text = texts.get(rule.id)?;
                Some(RuleText {
                    id: rule.id.to_owned(),
                    kind: rule.kind,
                    title: text.title.clone(),
                    help: format!("{} {}", text.why, text.remedy),
                    url: rule.help_url(),
                })
            })
            .collect();
        let options = |width| Options {
            verbose: self.args.verbose,
            width,
            keep_order: self.args.sort.sort.is_some(),
            rules: rules.clone(),
            intelmq_legacy: self.args.intelmq_legacy,
            ..Options::default()
        };
        // Reports flush where a reader waits; between, what they write in small pieces is gathered. Only the table has colours.
        let gathered = |writer: Box<dyn Write + Send>| BufWriter::with_capacity(1 << 16, writer);
        let mut reports = Vec::new();
        if self.args.output.is_none() && !self.silent && self.watch.is_none() {
            let format = self.args.format;
            let stdout: Box<dyn Write + Send> = match format {
                Format::Table => Box::new(anstream::AutoStream::auto(std::io::stdout())),
                _ => Box::new(std::io::stdout()),
            };
            reports.push(self.sorted(vigie_export::report(format, gathered(stdout), options(super::width()))));
        }
        for (file, (format, _)) in files.iter().zip(&self.files) {
            let part = file.part()?;
            let part: Box<dyn Write + Send> = match format {
                Format::Table => Box::new(Plain::new(part)),
                _ => Box::new(part),
            };
            reports.push(self.sorted(vigie_export::report(*format, gathered(part), options(vigie_export::UNBOUNDED))));
        }
        Ok(reports)
    }

    /// A report whose endpoints come in the order that was asked for.
    fn sorted(&self, report: Box<dyn Report + Send>) -> Box<dyn Report + Send> {
        match self.args.sort.sort {
            None => report,
            Some(by) => Box::new(crate::sort::Sorted {
                inner: report,
                by,
                reverse: self.args.sort.reverse,
                catalog: Arc::clone(&self.knowledge.catalog),
                kept: Vec::new(),
            }),
        }
    }

    fn take(&mut self, observation: &mut Observation) {
        if let Some(baseline) = &mut self.baseline {
            baseline.apply(observation, chrono::Utc::now().date_naive());
        }
        self.counts.add(observation);
        let endpoint = &observation.endpoint;
        if let Some(prefix) = &endpoint.prefix
            && !observation.identity.product.is_known()
            && self.notes.len() < MAX_NOTES
        {
            self.notes.push(if self.knowledge.catalog.asks_root_first(prefix) {
                format!(
                    "nothing was recognised at {endpoint}; its root was asked first, because {prefix} may be a gateway's way to another server"
                )
            } else {
                format!(
                    "nothing was recognised at {endpoint}, which is looked at under {prefix} and nowhere else; without the path its root is \
                     looked at"
                )
            });
        }
        let worst = observation
            .findings
            .iter()
            .filter(|finding| finding.accepted.is_none())
            .map(|finding| finding.severity)
            .max();
        self.worst = self.worst.max(worst);
        if self.args.write_baseline.is_some() {
            self.kept.push(observation.clone());
        }
    }

    fn fails(&self) -> bool {
        let limit = self.args.fail_on.severity();
        limit.zip(self.worst).is_some_and(|(limit, worst)| worst >= limit)
    }

    fn summary(&self, started: vigie_model::Timestamp, took: Duration, tried: u64, complete: bool) -> Summary {
        let mut summary = Summary::new("vigie", env!("CARGO_PKG_VERSION"));
        summary.scan = Known::Known(self.id.clone());
        summary.seed = Known::Known(self.seed.to_string());
        summary.scope = Known::Known(self.scope.hash());
        summary.catalog.sha256 = Known::Known(self.knowledge.catalog.hash().to_owned());
        summary.catalog.date = Known::Known(self.knowledge.catalog.date().to_owned());
        summary.catalog.advisories_date = Known::Known(self.knowledge.advisories.date().to_string());
        summary.started = Known::Known(started);
        summary.duration_ms = Known::Known(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        summary.tried = Known::Known(tried);
        summary.complete = complete;
        summary.counts = self.counts.clone();
        summary.notes.clone_from(&self.notes);
        summary
    }

    fn next_step(&self) -> String {
        if self.counts.findings.total() == 0 && self.listeners.is_empty() && self.targets.is_empty() {
            return "vigie scan 192.168.0.0/24   (your own network)".to_owned();
        }
        if self.args.no_lake {
            "vigie catalog explain PRODUCT   (why it says so)".to_owned()
        } else {
            "vigie show ADDRESS   (one endpoint, with its history)".to_owned()
        }
    }

    /// What a resume needs: the same words, the same seed, and where it stood.
    fn write_resume(&self, handle: &Handle) -> Result<Option<PathBuf>, Failure> {
        if self.targets.is_empty() {
            // This machine's listeners are looked at in a second; there is nothing to go on with.
            return Ok(None);
        }
        let clipped = self.scope.clip(&self.targets, &self.ports).map_err(Failure::usage)?;
        let plan = Plan::over(self.seed, clipped.pairs, self.shard).map_err(Failure::usage)?;
        let (next, in_flight) = handle.standing();
        let resume = Resume {
            schema: RESUME_SCHEMA.to_owned(),
            targets: self.args.targets.clone(),
            files: self.args.files.clone(),
            ports: self.ports.to_string(),
            scope: self.args.scope.clone(),
            opt_out: self.args.opt_out.clone(),
            seed: self.seed,
            shard: self.args.shard.clone(),
            cursor: plan.cursor(next, in_flight),
        };
        let folder = vigie_run::lake::data_folder().map_or_else(|| PathBuf::from("."), |data| data.join("resume"));
        let path = folder.join(format!("{}.json", self.id));
        let text = serde_json::to_string_pretty(&resume).map_err(Failure::output)?;
        write_whole(&path, text.as_bytes())?;
        Ok(Some(path))
    }
}

/// Why a scan that had something to look at asked nobody.
fn nothing_tried(refusals: &BTreeMap<String, u64>, failures: &BTreeMap<String, u64>) -> Failure {
    let first = |all: &BTreeMap<String, u64>| all.keys().next().cloned().unwrap_or_default();
    Failure::scan(match (refusals.is_empty(), failures.is_empty()) {
        (false, true) => format!("nothing could be looked at: the scope refused everything ({})", first(refusals)),
        (true, _) => format!(
            "nothing could be tried: this machine could not connect anywhere ({}); check its network, its routes and its firewall",
            first(failures)
        ),
        (false, false) => format!(
            "nothing could be looked at: the scope refused some ({}), and this machine could not connect to the others ({})",
            first(refusals),
            first(failures)
        ),
    })
}

/// Each note once, in its order.
fn once(notes: Vec<String>) -> Vec<String> {
    let mut met = HashSet::new();
    notes.into_iter().filter(|note| met.insert(note.clone())).collect()
}

/// One transcript, one file.
fn keep(dir: &Path, transcript: &Transcript) -> Result<(), Failure> {
    let endpoint = &transcript.endpoint;
    let name = endpoint.name.as_deref().map(|name| format!("{name}-")).unwrap_or_default();
    let prefix = endpoint.prefix.as_ref().map(ToString::to_string).unwrap_or_default();
    let clean: String = format!("{name}{}-{}{prefix}", endpoint.address, endpoint.port)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' })
        .collect();
    let text = serde_json::to_string_pretty(transcript).map_err(Failure::output)?;
    write_whole(&dir.join(format!("{clean}.json")), text.as_bytes())
}
