//! Raises the servers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;

use crate::answer::{self, Host, Streams};
use crate::plan::{self, Role};
use crate::{FleetError, Layout, OwnNamespace, Personality, Population, Recorder, Recordings, misbehave};

/// Descriptors that are kept for connections and for the rest of the process.
const RESERVE: usize = 64;
/// Connections that may wait to be accepted: a sweep comes in bursts, and what does not fit waits a second for its next try.
const BACKLOG: i32 = 1_024;
/// How long to wait when the system has no descriptor for a connection.
const BREATH: Duration = Duration::from_millis(20);

/// Plans and raises simulated servers.
#[derive(Debug)]
pub struct Fleet;

/// How the servers listen.
#[derive(Debug, Default)]
pub enum Listen {
    /// A listener at each address and port. Each needs a descriptor.
    #[default]
    Each,
    /// One listener per port for all addresses: for thousands of servers. An address without a server answers a connection with a
    /// reset, not with a refusal. Needs the proof that nobody else can connect.
    Everywhere(OwnNamespace),
}

/// How the fleet is served.
#[derive(Debug)]
pub struct ServeOptions {
    /// How the servers listen.
    pub listen: Listen,
    /// How many threads serve, each with a runtime of its own.
    pub threads: usize,
    /// The pause between two bytes of a dripping server: a second, unless a test is in a hurry.
    pub drip: Duration,
    /// The longest that a connection may last.
    pub longest: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            listen: Listen::Each,
            threads: 1,
            drip: Duration::from_secs(1),
            longest: Duration::from_secs(600),
        }
    }
}

impl Fleet {
    /// Who answers where: the same for the same seed, population, layout and recordings; a larger `count` only adds. `count` is of
    /// addresses; those that the population leaves empty have no personality.
    ///
    /// # Errors
    ///
    /// A population that makes no sense or names what was not recorded, or a layout with too little room.
    pub fn plan(seed: u64, population: &Population, layout: Layout, count: usize) -> Result<Vec<Personality>, FleetError> {
        plan::plan(seed, population, Recordings::embedded()?, layout, count)
    }

    /// How many servers can listen each at its own address beside a scan in the same process: a quarter of the descriptors, because
    /// the scan's sockets and the accepted connections need the rest.
    #[must_use]
    pub fn room() -> usize {
        descriptors() / 4
    }

    /// Whether this machine's loopback has more than one address, as Linux and Windows have and macOS has not.
    #[must_use]
    pub fn has_many_addresses() -> bool {
        TcpListener::bind((Ipv4Addr::new(127, 77, 7, 7), 0)).is_ok()
    }

    /// Raises the servers on loopback and returns when all listen.
    ///
    /// # Errors
    ///
    /// An address outside 127.0.0.0/8, more listeners than descriptors, or a listener that the system refuses.
    pub fn serve(personalities: Vec<Personality>, recorder: &Recorder, options: ServeOptions) -> Result<Running, FleetError> {
        let limit = descriptors();
        let open = open_descriptors();
        for personality in &personalities {
            if !personality.address.ip().is_loopback() {
                return Err(FleetError::NotLoopback(SocketAddr::V4(personality.address)));
            }
        }
        let threads = options.threads.max(1);
        let (hosts, doors) = match &options.listen {
            Listen::Each => {
                let left = limit.saturating_sub(open + RESERVE);
                if personalities.len() > left {
                    return Err(FleetError::Descriptors {
                        wanted: personalities.len(),
                        left,
                        limit,
                    });
                }
                bind_each(personalities)?
            }
            Listen::Everywhere(_proof) => bind_everywhere(personalities, threads)?,
        };
        let connections = limit.saturating_sub(open + doors.len() + RESERVE / 2).max(16);
        let shared = Arc::new(Shared {
            by_address: hosts
                .iter()
                .cloned()
                .map(|personality| (personality.address, (personality, Arc::default())))
                .collect(),
            recorder: recorder.clone(),
            streams: Streams::default(),
            connections: Arc::new(Semaphore::new(connections)),
            longest: options.longest,
            drip: options.drip,
        });
        let (stop, stopped) = watch::channel(false);
        let mut shares: Vec<Vec<TcpListener>> = (0..threads).map(|_| Vec::new()).collect();
        for (index, door) in doors.into_iter().enumerate() {
            shares[index % threads].push(door);
        }
        let mut running = Running {
            personalities: hosts,
            stop,
            threads: Vec::new(),
        };
        for share in shares.into_iter().filter(|share| !share.is_empty()) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(FleetError::Thread)?;
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            let thread = std::thread::Builder::new()
                .name("fleet".to_owned())
                .spawn(move || LocalSet::new().block_on(&runtime, run(share, shared, stopped)))
                .map_err(FleetError::Thread)?;
            running.threads.push(thread);
        }
        Ok(running)
    }
}

/// A fleet that is up; it stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    personalities: Vec<Arc<Personality>>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Who answers where; a port that the system chose stands here.
    #[must_use]
    pub fn personalities(&self) -> &[Arc<Personality>] {
        &self.personalities
    }

    /// Closes every listener and connection.
    pub fn stop(mut self) {
        self.end();
    }

    /// Waits until it is stopped from elsewhere, which without a stop is for ever.
    pub fn wait(mut self) {
        for thread in self.threads.drain(..) {
            // A panic of a serving thread was printed when it happened.
            let _ = thread.join();
        }
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

type Doors = (Vec<Arc<Personality>>, Vec<TcpListener>);

fn bind_each(personalities: Vec<Personality>) -> Result<Doors, FleetError> {
    let mut hosts = Vec::with_capacity(personalities.len());
    let mut doors = Vec::with_capacity(personalities.len());
    let mut taken = HashSet::new();
    for mut personality in personalities {
        let address = SocketAddr::V4(personality.address);
        if personality.address.port() != 0 && !taken.insert(address) {
            return Err(FleetError::Twice(address));
        }
        let door = bind(address)?;
        if let Ok(SocketAddr::V4(bound)) = door.local_addr() {
            personality.address = bound;
        }
        hosts.push(Arc::new(personality));
        doors.push(door);
    }
    Ok((hosts, doors))
}

fn bind_everywhere(personalities: Vec<Personality>, threads: usize) -> Result<Doors, FleetError> {
    let mut ports = BTreeSet::new();
    let mut taken = HashSet::new();
    for personality in &personalities {
        if personality.address.port() == 0 || !taken.insert(personality.address) {
            return Err(FleetError::Twice(SocketAddr::V4(personality.address)));
        }
        ports.insert(personality.address.port());
    }
    let mut doors = Vec::new();
    for port in ports {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let door = bind(address)?;
        // Each thread accepts from the same queue.
        for _ in 1..threads {
            doors.push(door.try_clone().map_err(|source| FleetError::Bind { address, source })?);
        }
        doors.push(door);
    }
    Ok((personalities.into_iter().map(Arc::new).collect(), doors))
}

fn bind(address: SocketAddr) -> Result<TcpListener, FleetError> {
    let listen = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        // On Windows this option would let two programs share a port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    listen().map_err(|source| FleetError::Bind { address, source })
}

/// What all threads know.
struct Shared {
    by_address: HashMap<SocketAddrV4, (Arc<Personality>, Arc<AtomicUsize>)>,
    recorder: Recorder,
    streams: Streams,
    connections: Arc<Semaphore>,
    longest: Duration,
    drip: Duration,
}

async fn run(doors: Vec<TcpListener>, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    for door in doors {
        let shared = Arc::clone(&shared);
        // A listener that the runtime cannot take up is one that nobody can connect to; the scan will say so.
        if let Ok(door) = tokio::net::TcpListener::from_std(door) {
            tokio::task::spawn_local(accept(door, shared));
        }
    }
    // The sender is dropped or says so: both mean stop. Leaving ends every task of this thread.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn accept(door: tokio::net::TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = door.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&shared.connections).acquire_owned().await else {
            return;
        };
        let shared = Arc::clone(&shared);
        tokio::task::spawn_local(async move {
            let longest = shared.longest;
            let _ = tokio::time::timeout(longest, connection(stream, &shared)).await;
            drop(permit);
        });
    }
}

async fn connection(stream: tokio::net::TcpStream, shared: &Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let Ok(address) = stream.local_addr() else { return };
    let found = match address {
        SocketAddr::V4(v4) => shared.by_address.get(&v4),
        SocketAddr::V6(_) => None,
    };
    let Some((personality, requests)) = found else {
        // Nobody lives here: as near to a closed port as an accepted connection can be.
        let _ = stream.set_zero_linger();
        return;
    };
    let host = Host {
        personality: Arc::clone(personality),
        address,
        recorder: shared.recorder.clone(),
        streams: shared.streams.clone(),
        requests: Arc::clone(requests),
        longest: shared.longest,
        drip: shared.drip,
    };
    match &personality.role {
        Role::Server {
            recording,
            fault: Some(fault),
        } => misbehave::misbehave(stream, recording, *fault, &host).await,
        Role::Server { recording, fault: None } if recording.mute() => misbehave::keep_silent(stream, recording, &host).await,
        _ => answer::serve(stream, host).await,
    }
}

/// The descriptors this process may have open: what the system says, else a usual figure (1,024; 256 on macOS).
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(if cfg!(target_os = "macos") { 256 } else { 1_024 })
}

/// The descriptors that are open now, as far as the system tells; else a cautious guess.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(32, Iterator::count)
}
