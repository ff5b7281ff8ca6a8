//! The pipeline: sweep, probe, judge, tell.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use vigie_assess::Knowledge;
use vigie_model::{Deception, Exposure, Identity, Known, Network, Observation, SCHEMA, ScopeRef, Source, Timestamp, Transcript, Why};
use vigie_scope::{Budget, Pace, Permit, Refusal, Take};

use crate::probe::{Gate, ProbeOptions, Probed, Visit, probe};
use crate::sweep::{Next, SweepOptions, Sweeper, Swept, sweep};

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
}

/// What there is to do. The plan is a pure function, so any index can be asked for again.
pub trait Work: Send {
    /// The next index, or that there is none.
    fn next(&mut self) -> Option<u64>;
    /// The address and port of an index.
    fn address(&self, index: u64) -> SocketAddr;
    /// How it is to be visited.
    fn looks(&self, index: u64) -> Vec<Look>;
    /// Whether it may be looked at now; asked again before each connection.
    ///
    /// # Errors
    ///
    /// Why not.
    fn permits(&self, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal>;
    /// How many there are in all.
    fn total(&self) -> u64;
    /// The first index that [`Work::next`] has not given yet, for a resume file.
    fn begun(&self) -> u64;
    /// Whether budgets of connections hold for this address (loopback and own addresses are exempt).
    fn is_paced(&self, address: IpAddr) -> bool;
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
    /// Whether the owner's proof may be asked for where the scope allows it.
    pub prove: bool,
    /// Whether texts of prompts are kept.
    pub keep_prompts: bool,
    /// What the caller knows besides (the listening socket behind an endpoint, who can reach it), put in before judging.
    pub dress: Dress,
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

/// Holds a running scan.
#[derive(Clone, Debug)]
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
}

impl Handle {
    /// Asks the scan to stop: nothing new is begun, and what is under way is left for a resume. Says whether this was the first time.
    pub fn stop(&self) -> bool {
        !self.stop.swap(true, Ordering::Relaxed)
    }

    /// The caller has what it needs of this index (it is written): a resume leaves it out.
    pub fn acknowledge(&self, index: u64) {
        lock(&self.state).probing.remove(&index);
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
        (state.next, state.sweeping.union(&state.probing).copied().collect())
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
    options: EngineOptions,
}

struct Job {
    index: u64,
    target: Target,
    stream: std::net::TcpStream,
    permit: Permit,
    /// Counts down when the job is over, whatever became of it.
    slot: Slot,
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
    pub fn new(knowledge: Knowledge, options: EngineOptions) -> Self {
        Self { knowledge, options }
    }

    /// Starts a scan on threads of its own; events come through the channel, the last is [`Event::End`].
    #[must_use]
    pub fn start(&self, work: Box<dyn Work>, budget: Budget) -> (Handle, mpsc::Receiver<Event>) {
        let handle = Handle {
            stop: Arc::new(AtomicBool::new(false)),
            progress: Arc::new(Progress::default()),
            state: Arc::new(Mutex::new(State::default())),
        };
        handle.progress.total.store(work.total(), Ordering::Relaxed);
        let (events, receiver) = mpsc::sync_channel(1_024);
        let engine = self.clone();
        let running = handle.clone();
        std::thread::spawn(move || engine.run(work, budget, &running, &events));
        (handle, receiver)
    }

    fn run(&self, work: Box<dyn Work>, budget: Budget, handle: &Handle, events: &mpsc::SyncSender<Event>) {
        let pending = Arc::new(AtomicUsize::new(0));
        let limits = *budget.limits();
        let shared = Arc::new(Shared {
            budget: Mutex::new(budget),
            begun: Instant::now(),
            waited: Mutex::new(std::collections::HashMap::new()),
            handle: handle.clone(),
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
            pace: Pace::new(&limits),
            begun: Instant::now(),
            pending: &pending,
            most_pending: self.options.probes,
            senders,
            turn: 0,
            permits: std::collections::HashMap::new(),
            ended: false,
            last: None,
        };
        let swept = sweep(&mut driver, &self.options.sweep, &handle.stop);
        let ended = driver.ended;
        drop(driver);
        for thread in threads {
            // A panic of a probing thread was printed by its own hook; its jobs stay unacknowledged.
            let _ = thread.join();
        }
        if let Err(error) = swept {
            let address = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
            let _ = events.send(Event::Failed {
                address,
                why: format!("the sweep cannot wait for answers: {error}"),
            });
        }
        let interrupted = !ended || handle.stop.load(Ordering::Relaxed);
        let _ = events.send(Event::End { interrupted });
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

    async fn job(&self, job: Job, shared: &Shared, events: &mpsc::SyncSender<Event>) {
        let _slot = &job.slot;
        let host = job.target.address.ip();
        let mut first = Some(job.stream);
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
            let stream = first.take().and_then(|stream| tokio::net::TcpStream::from_std(stream).ok());
            let mut options = self.options.probe.clone();
            options.limits.prove = (self.options.prove && job.permit.infer).then_some(vigie_catalog::Prove { may_load: job.permit.load });
            let gate = Counting { shared };
            let probed = probe(
                &self.knowledge.catalog,
                &self.knowledge.measured,
                Visit {
                    address: job.target.address,
                    name: look.name.as_deref(),
                    tls: look.tls,
                    first: stream,
                },
                &options,
                &gate,
            )
            .await;
            if shared.handle.stop.load(Ordering::Relaxed) && !probed.conclusion.spoke_http {
                return;
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
}

struct Counting<'s> {
    shared: &'s Shared,
}

impl Gate for Counting<'_> {
    fn wait(&self, host: IpAddr) -> Option<Duration> {
        let now = u64::try_from(self.shared.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        match lock(&self.shared.budget).take(host, now) {
            Take::Allowed => {
                self.shared.handle.progress.requests.fetch_add(1, Ordering::Relaxed);
                None
            }
            Take::Wait(micros) => Some(Duration::from_micros(micros)),
        }
    }
}

/// What the sweep asks.
struct Driver<'d> {
    work: Box<dyn Work>,
    handle: &'d Handle,
    events: &'d mpsc::SyncSender<Event>,
    pace: Pace,
    begun: Instant,
    pending: &'d Arc<AtomicUsize>,
    most_pending: usize,
    senders: Vec<tokio::sync::mpsc::UnboundedSender<Job>>,
    turn: usize,
    permits: std::collections::HashMap<u64, Permit>,
    ended: bool,
    /// An index that was taken from the plan and has to wait.
    last: Option<(u64, SocketAddr)>,
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
            if self.work.is_paced(address.ip()) {
                let now = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                if let Take::Wait(micros) = self.pace.take(now) {
                    self.last = Some((index, address));
                    return Next::Wait(Duration::from_micros(micros));
                }
            }
            match self.work.permits(address.ip(), address.port(), chrono::Utc::now()) {
                Ok(permit) => {
                    if permit.infer || permit.load || permit.owner {
                        self.permits.insert(index, permit);
                    }
                    return Next::Address(index, address);
                }
                Err(refusal) => {
                    self.handle.progress.tried.fetch_add(1, Ordering::Relaxed);
                    tell(
                        self.events,
                        Event::Refused {
                            address,
                            why: refusal.to_string(),
                        },
                    );
                }
            }
        }
    }

    fn done(&mut self, index: u64, address: SocketAddr, swept: Swept) {
        let progress = &self.handle.progress;
        progress.tried.fetch_add(1, Ordering::Relaxed);
        let permit = if self.permits.is_empty() {
            None
        } else {
            self.permits.remove(&index)
        };
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
                    stream,
                    permit: permit.unwrap_or(Permit {
                        infer: false,
                        load: false,
                        owner: false,
                    }),
                    slot: Slot(Arc::clone(self.pending)),
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
