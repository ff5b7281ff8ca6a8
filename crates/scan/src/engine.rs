//! The pipeline: sweep, probe, assess, report events.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use vigie_assess::Knowledge;
use vigie_identify::Identifier;
use vigie_model::{
    Deception, EffectSet, Exposure, Identity, Known, Network, Observation, SCHEMA, ScopeRef, Source, Timestamp, Transcript, Why,
};
use vigie_scope::{Budget, Pace, Permit, RateDecision, Refusal};

use crate::probe::{Gate, ProbeOptions, Probed, Visit, probe};
use crate::sweep::{Again, Next, SweepOptions, Sweeper, Swept, sweep};

/// How many indices a resume file may list one by one after the scope's window closed; at this number the sweep ends.
const MAX_CUT: usize = 10_000;

/// One address and port, and the ways to visit it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// The visits: by address, and by each host name.
    pub visits: Vec<PlannedVisit>,
}

/// One way to visit an address and port.
#[derive(Clone, Debug, Default)]
pub struct PlannedVisit {
    /// The host name; `None`: by address.
    pub name: Option<String>,
    /// Whether the user gave `https://` (`true`) or `http://` (`false`).
    pub tls: Option<bool>,
    /// The path under which the server is expected, if the user gave one.
    pub prefix: Option<vigie_model::PathPrefix>,
}

/// The addresses of a scan, by index. The plan is a pure function of the index, so any index can be asked for again.
pub trait Work: Send {
    /// The next index; `None` at the end.
    fn next(&mut self) -> Option<u64>;
    /// The address and port of an index.
    fn address(&self, index: u64) -> SocketAddr;
    /// The ways to visit an index.
    fn visits(&self, index: u64) -> Vec<PlannedVisit>;
    /// Whether any of its visits is allowed now; called before each connection of the sweep.
    ///
    /// # Errors
    ///
    /// The reason of the refusal.
    fn permits(&self, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal>;
    /// The rules that the probes ask before each connection and request.
    fn rules(&self) -> Arc<dyn Rules>;
    /// Number of indices.
    fn total(&self) -> u64;
    /// The first index that [`Work::next`] has not returned yet, for a resume file.
    fn begun(&self) -> u64;
    /// Whether the connection budget applies to this address (loopback and own addresses are exempt).
    fn is_paced(&self, address: IpAddr) -> bool;
}

/// The rules that probes ask before each connection and each request.
pub trait Rules: Send + Sync {
    /// Whether the endpoint may be visited now, by that name or by its address.
    ///
    /// # Errors
    ///
    /// The reason of the refusal.
    fn permits(&self, address: IpAddr, port: u16, name: Option<&str>, now: Timestamp) -> Result<Permit, Refusal>;
    /// Whether the connection budget applies to this address.
    fn is_paced(&self, address: IpAddr) -> bool;
}

impl Rules for vigie_scope::Scope {
    fn permits(&self, address: IpAddr, port: u16, name: Option<&str>, now: Timestamp) -> Result<Permit, Refusal> {
        match name {
            None => self.permits(address, port, now),
            Some(name) => self.permits_name(name, address, port, now),
        }
    }

    fn is_paced(&self, address: IpAddr) -> bool {
        !vigie_scope::is_loopback(address) && !self.own().contains(address)
    }
}

/// Options of the engine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Options of the sweep.
    pub sweep: SweepOptions,
    /// Options of the probes.
    pub probe: ProbeOptions,
    /// Number of probe threads.
    pub threads: usize,
    /// Number of endpoints that are probed at the same time, over all threads.
    pub probes: usize,
    /// Limit on the time that all endpoints of one host together may keep probes waiting.
    pub host: Duration,
    /// The source that each record names.
    pub source: Source,
    /// The scope that each record names.
    pub scope: ScopeRef,
    /// Whether events carry the transcripts.
    pub transcripts: bool,
    /// The effects that a proof is asked to cause; at each host, those of them count that the scope allows there.
    pub prove: EffectSet,
    /// Whether records keep the texts of prompts.
    pub keep_prompts: bool,
    /// Adds what the caller knows (the listening socket of an endpoint, who can reach it) before the record is assessed.
    pub enricher: EnrichFn,
    /// The clock for the scope's window and expiry.
    pub clock: Clock,
}

/// The clock for a scope's window and expiry.
#[derive(Clone)]
pub struct Clock(pub Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Default for Clock {
    /// The system's clock.
    fn default() -> Self {
        Self(Arc::new(chrono::Utc::now))
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// Completes a record before it is assessed.
#[derive(Clone)]
pub struct EnrichFn(pub Arc<dyn Fn(&mut Observation) + Send + Sync>);

impl Default for EnrichFn {
    fn default() -> Self {
        Self(Arc::new(|_| {}))
    }
}

impl std::fmt::Debug for EnrichFn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrichFn")
    }
}

/// An event of a scan.
#[derive(Debug)]
pub enum Event {
    /// An endpoint was observed.
    Seen {
        /// The index of its address and port, for [`Handle::acknowledge`].
        index: u64,
        /// The record.
        observation: Box<Observation>,
        /// The requests and replies, if [`EngineOptions::transcripts`] is set.
        transcript: Option<Box<Transcript>>,
    },
    /// An address and port was not scanned.
    Refused {
        /// The address and port.
        address: SocketAddr,
        /// The reason.
        why: String,
    },
    /// This machine could not connect, or a part of the scanner failed.
    Failed {
        /// The address and port; unspecified if the failure is not about one.
        address: SocketAddr,
        /// The reason.
        why: String,
    },
    /// The scan is complete or was stopped.
    End {
        /// Whether a part of the scan was not done.
        interrupted: bool,
        /// Why the scope cut the scan off, if it did: its window closed, or its file expired.
        cut: Option<String>,
    },
}

/// Counters of a running scan.
#[derive(Debug, Default)]
pub struct Progress {
    /// Addresses and ports that are done.
    pub tried: AtomicU64,
    /// Open ports.
    pub open: AtomicU64,
    /// Addresses and ports that did not answer.
    pub silent: AtomicU64,
    /// Observed endpoints.
    pub seen: AtomicU64,
    /// HTTP requests sent.
    pub requests: AtomicU64,
    /// Addresses and ports of the whole scan.
    pub total: AtomicU64,
}

/// Controls a scan, before it runs and while it runs.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    /// The counters.
    pub progress: Arc<Progress>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    sweeping: BTreeSet<u64>,
    /// Open ports that the caller has not acknowledged.
    probing: BTreeSet<u64>,
    /// Indices that the scope's window or expiry cut off, even if a part of their visits was done; a resume repeats them.
    cut: BTreeSet<u64>,
    /// The refusal that cut the first of them off.
    cut_by: Option<String>,
}

impl State {
    fn cut(&mut self, index: u64, refusal: &Refusal) {
        self.probing.remove(&index);
        self.cut.insert(index);
        self.cut_by.get_or_insert_with(|| refusal.to_string());
    }
}

impl Handle {
    /// Asks the scan to stop: it starts nothing new, and a resume repeats what is in progress. Returns whether this was the first call.
    pub fn stop(&self) -> bool {
        !self.stop.swap(true, Ordering::Relaxed)
    }

    /// Whether the scan was asked to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Marks an index as done, after the caller has written its records: a resume leaves it out.
    pub fn acknowledge(&self, index: u64) {
        lock(&self.state).probing.remove(&index);
    }

    /// Number of indices that the scope's window or expiry cut off, without those that the sweep had not started.
    #[must_use]
    pub fn cut_off(&self) -> usize {
        lock(&self.state).cut.len()
    }

    /// Number of open ports that the caller has not acknowledged; after the end, those whose probe reported nothing.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        lock(&self.state).probing.len()
    }

    /// What a resume has to do: the first index that was not started, and those that were started and not acknowledged.
    #[must_use]
    pub fn standing(&self) -> (u64, Vec<u64>) {
        let state = lock(&self.state);
        let left = state.sweeping.iter().chain(&state.probing).chain(&state.cut);
        let left: BTreeSet<u64> = left.copied().collect();
        (state.next, left.into_iter().collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The value stays valid even if a thread panicked while it held the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs scans.
#[derive(Clone, Debug)]
pub struct Engine {
    knowledge: Knowledge,
    identifier: Arc<Identifier>,
    options: EngineOptions,
}

struct Job {
    index: u64,
    target: Target,
    /// The sweep's connection, until the first visit uses it.
    stream: Option<std::net::TcpStream>,
    /// Decrements the number of pending jobs when the job is dropped.
    _slot: Slot,
}

struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// An engine with its catalogue, identifier and options.
    #[must_use]
    pub fn new(knowledge: Knowledge, identifier: Arc<Identifier>, options: EngineOptions) -> Self {
        Self {
            knowledge,
            identifier,
            options,
        }
    }

    /// Starts a scan on its own threads; it sends events through the channel, and [`Event::End`] last.
    #[must_use]
    pub fn start(&self, work: Box<dyn Work>, budget: Budget) -> (Handle, mpsc::Receiver<Event>) {
        let handle = Handle::default();
        let events = self.start_with(&handle, work, budget);
        (handle, events)
    }

    /// The same with a handle that the caller holds already. A scan that was stopped before it starts sends nothing.
    #[must_use]
    pub fn start_with(&self, handle: &Handle, work: Box<dyn Work>, budget: Budget) -> mpsc::Receiver<Event> {
        handle.progress.total.store(work.total(), Ordering::Relaxed);
        let (events, receiver) = mpsc::sync_channel(1_024);
        let engine = self.clone();
        let running = handle.clone();
        std::thread::spawn(move || engine.run(work, budget, &running, &events));
        receiver
    }

    fn run(&self, work: Box<dyn Work>, budget: Budget, handle: &Handle, events: &mpsc::SyncSender<Event>) {
        let pending = Arc::new(AtomicUsize::new(0));
        let limits = *budget.limits();
        let shared = Arc::new(Shared {
            budget: Mutex::new(budget),
            begun: Instant::now(),
            waited: Mutex::new(std::collections::HashMap::new()),
            handle: handle.clone(),
            rules: work.rules(),
            pace: Mutex::new(Pace::new(&limits)),
        });
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        let engine = Arc::new(self.clone());
        for _ in 0..self.options.threads.max(1) {
            let (sender, jobs) = tokio::sync::mpsc::unbounded_channel();
            senders.push(sender);
            let (engine, shared, events) = (Arc::clone(&engine), Arc::clone(&shared), events.clone());
            threads.push(std::thread::spawn(move || engine.probe_thread(jobs, &shared, &events)));
        }
        let mut driver = Driver {
            work,
            handle,
            events,
            shared: &shared,
            clock: &self.options.clock,
            pending: &pending,
            most_pending: self.options.probes,
            senders,
            turn: 0,
            ended: false,
            last: None,
        };
        let swept = sweep(&mut driver, &self.options.sweep, &handle.stop);
        let ended = driver.ended;
        drop(driver);
        let mut panicked = false;
        for thread in threads {
            // The panic hook printed the panic; the thread's jobs stay unacknowledged, and the scan is not complete.
            panicked |= thread.join().is_err();
        }
        if panicked {
            let address = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
            let _ = events.send(Event::Failed {
                address,
                why: "a probe thread panicked; the scan is not complete".to_owned(),
            });
        }
        if let Err(error) = swept {
            let address = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
            let _ = events.send(Event::Failed {
                address,
                why: format!("the sweep cannot use the system's event queue: {error}"),
            });
        }
        let cut = lock(&handle.state).cut_by.clone();
        let interrupted = !ended || panicked || cut.is_some() || handle.stop.load(Ordering::Relaxed);
        let _ = events.send(Event::End { interrupted, cut });
    }

    fn probe_thread(
        self: &Arc<Self>,
        mut jobs: tokio::sync::mpsc::UnboundedReceiver<Job>,
        shared: &Arc<Shared>,
        events: &mpsc::SyncSender<Event>,
    ) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let address = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
                let _ = events.send(Event::Failed {
                    address,
                    why: format!("cannot create the runtime of a probe thread: {error}"),
                });
                return;
            }
        };
        let local = tokio::task::LocalSet::new();
        let share = (self.options.probes / self.options.threads.max(1)).max(1);
        local.block_on(&runtime, async {
            let room = Arc::new(Semaphore::new(share));
            while let Some(job) = jobs.recv().await {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                    break;
                };
                if shared.handle.stop.load(Ordering::Relaxed) {
                    continue;
                }
                let (engine, shared, events) = (Arc::clone(self), Arc::clone(shared), events.clone());
                tokio::task::spawn_local(async move {
                    engine.job(job, &shared, &events).await;
                    drop(permit);
                });
            }
            // When all permits are back, all probes are done.
            let all = u32::try_from(share).unwrap_or(u32::MAX);
            let _ = room.acquire_many(all).await;
        });
    }

    async fn job(&self, mut job: Job, shared: &Shared, events: &mpsc::SyncSender<Event>) {
        let host = job.target.address.ip();
        let mut first = job.stream.take();
        let mut reported = false;
        for visit in &job.target.visits {
            if lock(&shared.waited).get(&host).is_some_and(|waited| *waited > self.options.host) {
                send(
                    events,
                    Event::Refused {
                        address: job.target.address,
                        why: "the time limit of its host is used up".to_owned(),
                    },
                );
                lock(&shared.handle.state).probing.remove(&job.index);
                return;
            }
            let gate = VisitGate {
                shared,
                clock: &self.options.clock,
                address: job.target.address,
                name: visit.name.as_deref(),
            };
            let permit = match gate.ask() {
                Ok(permit) => permit,
                Err(refusal) if refusal.is_of_time() => return Self::cut(&job, &refusal, shared, events),
                Err(refusal) => {
                    send(
                        events,
                        Event::Refused {
                            address: job.target.address,
                            why: refusal.to_string(),
                        },
                    );
                    continue;
                }
            };
            let stream = first.take().and_then(|stream| tokio::net::TcpStream::from_std(stream).ok());
            let mut options = self.options.probe.clone();
            options.limits.prove = self.options.prove.and(permit.effects);
            let probed = probe(
                &self.identifier,
                Visit {
                    address: job.target.address,
                    name: visit.name.as_deref(),
                    tls: visit.tls,
                    prefix: visit.prefix.clone(),
                    first: stream,
                },
                &options,
                &gate,
            )
            .await;
            if let Some(refusal) = &probed.cut {
                // An incomplete transcript would look as if the requests that were not sent had no answer.
                return Self::cut(&job, refusal, shared, events);
            }
            if shared.handle.stop.load(Ordering::Relaxed) && !probed.conclusion.spoke_http {
                return;
            }
            reported = true;
            if let Some(prefix) = visit.prefix.as_ref().filter(|_| probed.transcript.endpoint.prefix.is_none()) {
                let why = format!("{prefix} was not scanned: the server at the root may take requests under it as more than reads");
                let address = job.target.address;
                send(events, Event::Refused { address, why });
            }
            // More than a second per reply counts as waiting that the server caused.
            let replies = u32::try_from(probed.transcript.exchanges.iter().filter(|e| e.reply.is_some()).count()).unwrap_or(u32::MAX);
            let slow = probed.took.saturating_sub(Duration::from_secs(1) * replies);
            if !slow.is_zero() {
                *lock(&shared.waited).entry(host).or_default() += slow;
            }
            shared.handle.progress.seen.fetch_add(1, Ordering::Relaxed);
            let (observation, transcript) = self.observe(probed);
            send(
                events,
                Event::Seen {
                    index: job.index,
                    observation: Box::new(observation),
                    transcript,
                },
            );
        }
        if !reported {
            // None of its visits is in scope; each refusal was reported.
            lock(&shared.handle.state).probing.remove(&job.index);
        }
    }

    /// Leaves a job for a resume, because the scope's window closed or its file expired, and reports it as refused.
    fn cut(job: &Job, refusal: &Refusal, shared: &Shared, events: &mpsc::SyncSender<Event>) {
        lock(&shared.handle.state).cut(job.index, refusal);
        send(
            events,
            Event::Refused {
                address: job.target.address,
                why: refusal.to_string(),
            },
        );
    }

    /// Makes the record of a probe and assesses it.
    fn observe(&self, probed: Probed) -> (Observation, Option<Box<Transcript>>) {
        let Probed {
            seen,
            transcript,
            conclusion,
            ..
        } = probed;
        let mut exposure = conclusion.exposure;
        if !self.options.keep_prompts
            && let Known::Known(models) = &mut exposure.models
        {
            for model in models {
                for print in [&mut model.template, &mut model.system_prompt] {
                    if let Known::Known(print) = print {
                        print.text = None;
                    }
                }
            }
        }
        let mut observation = record(
            seen,
            self.options.source.clone(),
            self.options.scope.clone(),
            transcript.endpoint.clone(),
            conclusion.identity,
            exposure,
            conclusion.deception,
        );
        (self.options.enricher.0)(&mut observation);
        self.knowledge.assess(&mut observation);
        (observation, self.options.transcripts.then(|| Box::new(transcript)))
    }
}

/// The record of a probe, before it is assessed.
fn record(
    seen: Timestamp,
    source: Source,
    scope: ScopeRef,
    endpoint: vigie_model::Endpoint,
    identity: Identity,
    exposure: Exposure,
    deception: Deception,
) -> Observation {
    let micros = |time: Timestamp| Timestamp::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time);
    Observation {
        schema: SCHEMA.to_owned(),
        seen: micros(seen),
        recorded: micros(chrono::Utc::now()),
        source,
        scope,
        endpoint,
        listener: None,
        identity: identity.into(),
        exposure: exposure.into(),
        network: Network::unknown(Why::NotAsked),
        deception,
        advisories: [].into(),
        findings: Vec::new().into(),
    }
}

fn send(events: &mpsc::SyncSender<Event>, event: Event) {
    // An error means that the receiver is gone: the scan is ending.
    let _ = events.send(event);
}

struct Shared {
    budget: Mutex<Budget>,
    begun: Instant,
    /// Time that probes waited for each host.
    waited: Mutex<std::collections::HashMap<IpAddr, Duration>>,
    handle: Handle,
    rules: Arc<dyn Rules>,
    /// The rate of all connections, the sweep's and the probes'.
    pace: Mutex<Pace>,
}

impl Shared {
    /// Microseconds since the scan began.
    fn micros(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long to wait before the next connection. `None`: connect now; it is counted.
    fn wait_to_connect(&self) -> Option<Duration> {
        match lock(&self.pace).take(self.micros()) {
            RateDecision::Allowed => None,
            RateDecision::Wait(micros) => Some(Duration::from_micros(micros)),
        }
    }
}

/// Scope and budgets of one visit.
struct VisitGate<'s> {
    shared: &'s Shared,
    clock: &'s Clock,
    address: SocketAddr,
    name: Option<&'s str>,
}

impl VisitGate<'_> {
    fn ask(&self) -> Result<Permit, Refusal> {
        let now = (self.clock.0)();
        self.shared.rules.permits(self.address.ip(), self.address.port(), self.name, now)
    }
}

impl Gate for VisitGate<'_> {
    fn permits(&self) -> Result<(), Refusal> {
        self.ask().map(|_| ())
    }

    fn wait(&self, host: IpAddr) -> Option<Duration> {
        match lock(&self.shared.budget).take(host, self.shared.micros()) {
            RateDecision::Allowed => {
                self.shared.handle.progress.requests.fetch_add(1, Ordering::Relaxed);
                None
            }
            RateDecision::Wait(micros) => Some(Duration::from_micros(micros)),
        }
    }

    fn wait_to_connect(&self, host: IpAddr) -> Option<Duration> {
        if self.shared.rules.is_paced(host) {
            self.shared.wait_to_connect()
        } else {
            None
        }
    }
}

/// Gives the sweep its addresses and sends open ports to the probe threads.
struct Driver<'d> {
    work: Box<dyn Work>,
    handle: &'d Handle,
    events: &'d mpsc::SyncSender<Event>,
    shared: &'d Shared,
    clock: &'d Clock,
    pending: &'d Arc<AtomicUsize>,
    most_pending: usize,
    senders: Vec<tokio::sync::mpsc::UnboundedSender<Job>>,
    turn: usize,
    ended: bool,
    /// An index that was taken from the plan and has to wait for the budget.
    last: Option<(u64, SocketAddr)>,
}

impl Driver<'_> {
    /// Records a refusal. If the scope's window or expiry is the reason, the index is left for a resume; `false`: [`MAX_CUT`] is
    /// reached.
    fn refused(&mut self, index: u64, address: SocketAddr, refusal: &Refusal) -> bool {
        if refusal.is_of_time() {
            let mut state = lock(&self.handle.state);
            if state.cut.len() >= MAX_CUT {
                return false;
            }
            state.cut(index, refusal);
        } else {
            self.handle.progress.tried.fetch_add(1, Ordering::Relaxed);
        }
        send(
            self.events,
            Event::Refused {
                address,
                why: refusal.to_string(),
            },
        );
        true
    }
}

impl Sweeper for Driver<'_> {
    fn next(&mut self) -> Next {
        // Each open port that waits for a probe holds a socket, so the sweep waits for the probes.
        if self.pending.load(Ordering::Relaxed) >= self.most_pending {
            return Next::Wait(Duration::from_millis(2));
        }
        loop {
            let (index, address) = match self.last.take() {
                Some(last) => last,
                None => match self.work.next() {
                    None => {
                        self.ended = true;
                        return Next::End;
                    }
                    Some(index) => (index, self.work.address(index)),
                },
            };
            match self.work.permits(address.ip(), address.port(), (self.clock.0)()) {
                Ok(_) => {}
                Err(refusal) if self.refused(index, address, &refusal) => continue,
                Err(_) => {
                    self.last = Some((index, address));
                    return Next::End;
                }
            }
            match self.work.is_paced(address.ip()).then(|| self.shared.wait_to_connect()).flatten() {
                None => return Next::Address(index, address),
                Some(wait) => {
                    self.last = Some((index, address));
                    return Next::Wait(wait);
                }
            }
        }
    }

    fn again(&mut self, index: u64, address: SocketAddr) -> Again {
        match self.work.permits(address.ip(), address.port(), (self.clock.0)()) {
            Ok(_) => {}
            // Retries are few, so they may exceed the limit.
            Err(refusal) => {
                if !self.refused(index, address, &refusal) {
                    lock(&self.handle.state).cut(index, &refusal);
                    let why = refusal.to_string();
                    send(self.events, Event::Refused { address, why });
                }
                return Again::Never;
            }
        }
        match self.work.is_paced(address.ip()).then(|| self.shared.wait_to_connect()).flatten() {
            None => Again::Now,
            Some(wait) => Again::Wait(wait),
        }
    }

    fn done(&mut self, index: u64, address: SocketAddr, swept: Swept) {
        let progress = &self.handle.progress;
        progress.tried.fetch_add(1, Ordering::Relaxed);
        match swept {
            Swept::Closed => {}
            Swept::Silent => {
                progress.silent.fetch_add(1, Ordering::Relaxed);
            }
            Swept::Failed(error) => send(
                self.events,
                Event::Failed {
                    address,
                    why: error.to_string(),
                },
            ),
            Swept::Open(stream) => {
                progress.open.fetch_add(1, Ordering::Relaxed);
                lock(&self.handle.state).probing.insert(index);
                self.pending.fetch_add(1, Ordering::Relaxed);
                let job = Job {
                    index,
                    target: Target {
                        address,
                        visits: self.work.visits(index),
                    },
                    stream: Some(stream),
                    _slot: Slot(Arc::clone(self.pending)),
                };
                self.turn += 1;
                let chosen = self.turn % self.senders.len();
                // A thread without a runtime has reported its failure; its jobs stay unacknowledged.
                let _ = self.senders[chosen].send(job);
            }
        }
    }

    fn snapshot(&mut self, in_flight: &mut dyn Iterator<Item = u64>) {
        let sweeping: BTreeSet<u64> = in_flight.chain(self.last.map(|(index, _)| index)).collect();
        let mut state = lock(&self.handle.state);
        state.sweeping = sweeping;
        state.next = self.work.begun();
    }
}
