//! The pipeline: sweep, probe, judge, tell.

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

/// The most that are left for a resume one by one when the scope's time is over; then the sweep ends where it is.
const MAX_CUT: usize = 10_000;

/// One address and port, and how it is to be visited.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// By its address (`None`) and by which names.
    pub looks: Vec<Look>,
}

/// One way of visiting.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The name, if it is reached by one.
    pub name: Option<String>,
    /// Whether the user said `https://` or `http://`.
    pub tls: Option<bool>,
    /// The path under which the server is looked for, if the user named one.
    pub prefix: Option<vigie_model::PathPrefix>,
}

/// What there is to do. The plan is a pure function, so any index can be asked for again.
pub trait Work: Send {
    /// The next index, or that there is none.
    fn next(&mut self) -> Option<u64>;
    /// The address and port of an index.
    fn address(&self, index: u64) -> SocketAddr;
    /// How it is to be visited.
    fn looks(&self, index: u64) -> Vec<Look>;
    /// Whether it may be looked at now, in any of the ways in which it is to be visited; asked before each connection of the sweep.
    ///
    /// # Errors
    ///
    /// Why not.
    fn permits(&self, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal>;
    /// What the probes ask.
    fn rules(&self) -> Arc<dyn Rules>;
    /// How many there are in all.
    fn total(&self) -> u64;
    /// The first index that [`Work::next`] has not given yet, for a resume file.
    fn begun(&self) -> u64;
    /// Whether budgets of connections hold for this address (loopback and own addresses are exempt).
    fn is_paced(&self, address: IpAddr) -> bool;
}

/// Whether a visit may go on: asked by the probes before each connection and each request.
pub trait Rules: Send + Sync {
    /// Whether the endpoint may be visited now, by that name or by its address.
    ///
    /// # Errors
    ///
    /// Why not.
    fn permits(&self, address: IpAddr, port: u16, name: Option<&str>, now: Timestamp) -> Result<Permit, Refusal>;
    /// Whether budgets of connections hold for this address.
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

/// How the engine behaves.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The sweep.
    pub sweep: SweepOptions,
    /// The probes.
    pub probe: ProbeOptions,
    /// Probing threads.
    pub threads: usize,
    /// Endpoints talked to at once, over all threads.
    pub probes: usize,
    /// The longest that one host's endpoints may keep probes waiting in all.
    pub host: Duration,
    /// Who looks, for the record.
    pub source: Source,
    /// Under which scope.
    pub scope: ScopeRef,
    /// Whether transcripts go with the observations.
    pub transcripts: bool,
    /// The effects that a proof is asked to cause; at each host, those of them count that the scope allows there.
    pub prove: EffectSet,
    /// Whether texts of prompts are kept.
    pub keep_prompts: bool,
    /// What the caller knows besides (the listening socket behind an endpoint, who can reach it), put in before judging.
    pub dress: Dress,
    /// The clock by which the scope is asked.
    pub clock: Clock,
}

/// Tells the time that a scope's window and expiry are held against.
#[derive(Clone)]
pub struct Clock(pub Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Default for Clock {
    /// The system's.
    fn default() -> Self {
        Self(Arc::new(chrono::Utc::now))
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// Completes a record before it is judged.
#[derive(Clone)]
pub struct Dress(pub Arc<dyn Fn(&mut Observation) + Send + Sync>);

impl Default for Dress {
    fn default() -> Self {
        Self(Arc::new(|_| {}))
    }
}

impl std::fmt::Debug for Dress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dress")
    }
}

/// What happens, in one order.
#[derive(Debug)]
pub enum Event {
    /// An endpoint was seen.
    Seen {
        /// The index it belongs to, for [`Handle::acknowledge`].
        index: u64,
        /// The record.
        observation: Box<Observation>,
        /// What was said, where it was asked for.
        transcript: Option<Box<Transcript>>,
    },
    /// Something was not looked at, and why.
    Refused {
        /// Where.
        address: SocketAddr,
        /// Why.
        why: String,
    },
    /// This machine could not try.
    Failed {
        /// Where.
        address: SocketAddr,
        /// Why.
        why: String,
    },
    /// Everything is done, or the stop was heard.
    End {
        /// Whether anything is left to do.
        interrupted: bool,
        /// Why the scope cut it off, if it did: its window closed, or the file expired.
        cut: Option<String>,
    },
}

/// Counts so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Addresses and ports tried.
    pub tried: AtomicU64,
    /// Open ones.
    pub open: AtomicU64,
    /// That said nothing.
    pub silent: AtomicU64,
    /// Endpoints seen.
    pub seen: AtomicU64,
    /// HTTP requests sent.
    pub requests: AtomicU64,
    /// How many there are in all.
    pub total: AtomicU64,
}

/// Holds a scan, before it runs and while it runs.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    /// Counts so far.
    pub progress: Arc<Progress>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    sweeping: BTreeSet<u64>,
    /// Open, and not acknowledged by the caller.
    probing: BTreeSet<u64>,
    /// What the scope's time cut off, whatever was seen of it before: left for a resume.
    cut: BTreeSet<u64>,
    /// Why.
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
    /// Asks the scan to stop: nothing new is begun, and what is under way is left for a resume. Says whether this was the first time.
    pub fn stop(&self) -> bool {
        !self.stop.swap(true, Ordering::Relaxed)
    }

    /// Whether the scan was asked to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The caller has what it needs of this index (it is written): a resume leaves it out.
    pub fn acknowledge(&self, index: u64) {
        lock(&self.state).probing.remove(&index);
    }

    /// How many the scope's time cut off one by one; what the sweep had not come to is not among them.
    #[must_use]
    pub fn cut_off(&self) -> usize {
        lock(&self.state).cut.len()
    }

    /// How many open ones the caller has not acknowledged: after the end, those whose probe told nothing.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        lock(&self.state).probing.len()
    }

    /// Where the scan stands: the first index not begun, and those begun and not acknowledged.
    #[must_use]
    pub fn standing(&self) -> (u64, Vec<u64>) {
        let state = lock(&self.state);
        let left = state.sweeping.iter().chain(&state.probing).chain(&state.cut);
        let left: BTreeSet<u64> = left.copied().collect();
        (state.next, left.into_iter().collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked left counts that are still right.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts scans.
#[derive(Clone, Debug)]
pub struct Engine {
    knowledge: Knowledge,
    identifier: Arc<Identifier>,
    options: EngineOptions,
}

struct Job {
    index: u64,
    target: Target,
    /// The connection that found the port open, until it is used.
    stream: Option<std::net::TcpStream>,
    /// Counts down when the job is over, whatever became of it.
    _slot: Slot,
}

struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// An engine with what it knows and how it behaves.
    #[must_use]
    pub fn new(knowledge: Knowledge, identifier: Arc<Identifier>, options: EngineOptions) -> Self {
        Self {
            knowledge,
            identifier,
            options,
        }
    }

    /// Starts a scan on threads of its own; events come through the channel, the last is [`Event::End`].
    #[must_use]
    pub fn start(&self, work: Box<dyn Work>, budget: Budget) -> (Handle, mpsc::Receiver<Event>) {
        let handle = Handle::default();
        let events = self.start_with(&handle, work, budget);
        (handle, events)
    }

    /// The same with a handle that somebody may hold already. A scan that was asked to stop before sends nothing.
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
            // A panic of a probing thread was printed by its own hook; its jobs stay unacknowledged, and the scan is not complete.
            panicked |= thread.join().is_err();
        }
        if panicked {
            let address = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
            let _ = events.send(Event::Failed {
                address,
                why: "a thread of the scan ended before its time".to_owned(),
            });
        }
        if let Err(error) = swept {
            let address = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
            let _ = events.send(Event::Failed {
                address,
                why: format!("the sweep cannot wait for answers: {error}"),
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
                    why: format!("no runtime for probes: {error}"),
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
            // All permits back means all probes are over.
            let all = u32::try_from(share).unwrap_or(u32::MAX);
            let _ = room.acquire_many(all).await;
        });
    }

    async fn job(&self, mut job: Job, shared: &Shared, events: &mpsc::SyncSender<Event>) {
        let host = job.target.address.ip();
        let mut first = job.stream.take();
        let mut told = false;
        for look in &job.target.looks {
            if lock(&shared.waited).get(&host).is_some_and(|waited| *waited > self.options.host) {
                tell(
                    events,
                    Event::Refused {
                        address: job.target.address,
                        why: "its host has used up the time that one host gets".to_owned(),
                    },
                );
                lock(&shared.handle.state).probing.remove(&job.index);
                return;
            }
            let gate = Leave {
                shared,
                clock: &self.options.clock,
                address: job.target.address,
                name: look.name.as_deref(),
            };
            let permit = match gate.ask() {
                Ok(permit) => permit,
                Err(refusal) if refusal.is_of_time() => return Self::cut(&job, &refusal, shared, events),
                Err(refusal) => {
                    tell(
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
                    name: look.name.as_deref(),
                    tls: look.tls,
                    prefix: look.prefix.clone(),
                    first: stream,
                },
                &options,
                &gate,
            )
            .await;
            if let Some(refusal) = &probed.cut {
                // Half a conversation would tell of what it did not ask as if nobody answered for it.
                return Self::cut(&job, refusal, shared, events);
            }
            if shared.handle.stop.load(Ordering::Relaxed) && !probed.conclusion.spoke_http {
                return;
            }
            told = true;
            if let Some(prefix) = look.prefix.as_ref().filter(|_| probed.transcript.endpoint.prefix.is_none()) {
                let why = format!("{prefix} is not looked at: to what answers at the root, requests under it may do more than read");
                let address = job.target.address;
                tell(events, Event::Refused { address, why });
            }
            // What a server took beyond a second for each reply is waiting that it caused.
            let replies = u32::try_from(probed.transcript.exchanges.iter().filter(|e| e.reply.is_some()).count()).unwrap_or(u32::MAX);
            let slow = probed.took.saturating_sub(Duration::from_secs(1) * replies);
            if !slow.is_zero() {
                *lock(&shared.waited).entry(host).or_default() += slow;
            }
            shared.handle.progress.seen.fetch_add(1, Ordering::Relaxed);
            let (observation, transcript) = self.observe(probed);
            tell(
                events,
                Event::Seen {
                    index: job.index,
                    observation: Box::new(observation),
                    transcript,
                },
            );
        }
        if !told {
            // No way of visiting it is in scope, which was told.
            lock(&shared.handle.state).probing.remove(&job.index);
        }
    }

    /// The scope's time is over: what was begun is left for a resume, and told as not looked at.
    fn cut(job: &Job, refusal: &Refusal, shared: &Shared, events: &mpsc::SyncSender<Event>) {
        lock(&shared.handle.state).cut(job.index, refusal);
        tell(
            events,
            Event::Refused {
                address: job.target.address,
                why: refusal.to_string(),
            },
        );
    }

    /// Makes the record and judges it.
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
        (self.options.dress.0)(&mut observation);
        self.knowledge.assess(&mut observation);
        (observation, self.options.transcripts.then(|| Box::new(transcript)))
    }
}

/// A record of a scan, before it is judged.
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

fn tell(events: &mpsc::SyncSender<Event>, event: Event) {
    // Nobody listens any more: the scan is being torn down.
    let _ = events.send(event);
}

struct Shared {
    budget: Mutex<Budget>,
    begun: Instant,
    /// Time that probes waited for a host.
    waited: Mutex<std::collections::HashMap<IpAddr, Duration>>,
    handle: Handle,
    rules: Arc<dyn Rules>,
    /// Of all connections, the sweep's and the probes'.
    pace: Mutex<Pace>,
}

impl Shared {
    /// Microseconds since the scan began.
    fn micros(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long to wait before the next connection; `None`: now, and it is counted.
    fn wait_to_connect(&self) -> Option<Duration> {
        match lock(&self.pace).take(self.micros()) {
            RateDecision::Allowed => None,
            RateDecision::Wait(micros) => Some(Duration::from_micros(micros)),
        }
    }
}

/// What one visit asks before each connection and each request.
struct Leave<'s> {
    shared: &'s Shared,
    clock: &'s Clock,
    address: SocketAddr,
    name: Option<&'s str>,
}

impl Leave<'_> {
    fn ask(&self) -> Result<Permit, Refusal> {
        let now = (self.clock.0)();
        self.shared.rules.permits(self.address.ip(), self.address.port(), self.name, now)
    }
}

impl Gate for Leave<'_> {
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

/// What the sweep asks.
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
    /// An index that was taken from the plan and has to wait.
    last: Option<(u64, SocketAddr)>,
}

impl Driver<'_> {
    /// Notes what may not be looked at. What the scope's time keeps from being looked at is left for a resume; `false`: there is
    /// too much of that to leave it one by one.
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
        tell(
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
        // Open ports that wait for a probe hold a socket each: the sweep waits for the probes.
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
            // Those under way are few, so there is room for them.
            Err(refusal) => {
                if !self.refused(index, address, &refusal) {
                    lock(&self.handle.state).cut(index, &refusal);
                    let why = refusal.to_string();
                    tell(self.events, Event::Refused { address, why });
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
            Swept::Failed(error) => tell(
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
                        looks: self.work.looks(index),
                    },
                    stream: Some(stream),
                    _slot: Slot(Arc::clone(self.pending)),
                };
                self.turn += 1;
                let chosen = self.turn % self.senders.len();
                // A thread without a runtime has said so; its jobs stay unacknowledged.
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
