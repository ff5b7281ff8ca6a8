//! Starts and runs the servers of a fleet.

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

use crate::http_server::{self, ServerContext, Streams};
use crate::plan::{self, Role};
use crate::{FleetError, Layout, OwnNamespace, Personality, Population, Recorder, Recordings, misbehave};

/// File descriptors reserved for connections and the rest of the process.
const RESERVE: usize = 64;
/// Length of the accept queue. A sweep sends bursts, and a dropped SYN is only repeated after a second.
const BACKLOG: i32 = 1_024;
/// Pause after a failed accept, for example without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Plans and starts simulated servers.
#[derive(Debug)]
pub struct Fleet;

/// How the servers listen.
#[derive(Debug, Default)]
pub enum Listen {
    /// A listener per address and port. Each needs a file descriptor.
    #[default]
    Each,
    /// A listener per port for all addresses, for thousands of servers. A connection to an address without a server is accepted and reset,
    /// not refused. This needs the proof that nobody outside can connect.
    Everywhere(OwnNamespace),
}

/// Options of a running fleet.
#[derive(Debug)]
pub struct ServeOptions {
    /// How the servers listen.
    pub listen: Listen,
    /// Number of threads, each with its own runtime.
    pub threads: usize,
    /// The pause between two bytes of the `drip` fault; shorter in tests.
    pub drip: Duration,
    /// Maximum duration of a connection.
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
    /// Plans the servers. The result depends only on seed, population, layout and recordings; a larger `count` only adds servers. `count` is
    /// the number of addresses; empty ones have no personality.
    ///
    /// # Errors
    ///
    /// A population that is invalid or names something without a recording, or too few addresses.
    pub fn plan(seed: u64, population: &Population, layout: Layout, count: usize) -> Result<Vec<Personality>, FleetError> {
        plan::plan(seed, population, Recordings::embedded()?, layout, count)
    }

    /// The number of servers that can listen each on its own address while a scan runs in the same process: a quarter of the file
    /// descriptors, because the scan's sockets and the accepted connections need the rest.
    #[must_use]
    pub fn room() -> usize {
        descriptors() / 4
    }

    /// Whether loopback has more than one address, as on Linux and Windows, but not on macOS.
    #[must_use]
    pub fn has_many_addresses() -> bool {
        TcpListener::bind((Ipv4Addr::new(127, 77, 7, 7), 0)).is_ok()
    }

    /// Starts the servers on loopback and returns when all of them listen.
    ///
    /// # Errors
    ///
    /// An address outside 127.0.0.0/8, more listeners than file descriptors, or a listener that the system rejects.
    pub fn serve(personalities: Vec<Personality>, recorder: &Recorder, options: ServeOptions) -> Result<Running, FleetError> {
        let limit = descriptors();
        let open = open_descriptors();
        for personality in &personalities {
            if !personality.address.ip().is_loopback() {
                return Err(FleetError::NotLoopback(SocketAddr::V4(personality.address)));
            }
        }
        let threads = options.threads.max(1);
        let (hosts, listeners) = match &options.listen {
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
        let connections = limit.saturating_sub(open + listeners.len() + RESERVE / 2).max(16);
        let shared = Arc::new(FleetState {
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
        for (index, listener) in listeners.into_iter().enumerate() {
            shares[index % threads].push(listener);
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

/// A running fleet. It stops when dropped.
#[derive(Debug)]
pub struct Running {
    personalities: Vec<Arc<Personality>>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// The servers, with the ports that the system chose.
    #[must_use]
    pub fn personalities(&self) -> &[Arc<Personality>] {
        &self.personalities
    }

    /// Closes every listener and connection.
    pub fn stop(mut self) {
        self.end();
    }

    /// Waits until all threads end, which is never without a stop.
    pub fn wait(mut self) {
        for thread in self.threads.drain(..) {
            // A panic of a thread was printed when it happened.
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

type Listeners = (Vec<Arc<Personality>>, Vec<TcpListener>);

fn bind_each(personalities: Vec<Personality>) -> Result<Listeners, FleetError> {
    let mut hosts = Vec::with_capacity(personalities.len());
    let mut listeners = Vec::with_capacity(personalities.len());
    let mut taken = HashSet::new();
    for mut personality in personalities {
        let address = SocketAddr::V4(personality.address);
        if personality.address.port() != 0 && !taken.insert(address) {
            return Err(FleetError::Twice(address));
        }
        let listener = bind(address)?;
        if let Ok(SocketAddr::V4(bound)) = listener.local_addr() {
            personality.address = bound;
        }
        hosts.push(Arc::new(personality));
        listeners.push(listener);
    }
    Ok((hosts, listeners))
}

fn bind_everywhere(personalities: Vec<Personality>, threads: usize) -> Result<Listeners, FleetError> {
    let mut ports = BTreeSet::new();
    let mut taken = HashSet::new();
    for personality in &personalities {
        if personality.address.port() == 0 || !taken.insert(personality.address) {
            return Err(FleetError::Twice(SocketAddr::V4(personality.address)));
        }
        ports.insert(personality.address.port());
    }
    let mut listeners = Vec::new();
    for port in ports {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let listener = bind(address)?;
        // All threads accept from the same queue.
        for _ in 1..threads {
            listeners.push(listener.try_clone().map_err(|source| FleetError::Bind { address, source })?);
        }
        listeners.push(listener);
    }
    Ok((personalities.into_iter().map(Arc::new).collect(), listeners))
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

/// State shared by all threads.
struct FleetState {
    by_address: HashMap<SocketAddrV4, (Arc<Personality>, Arc<AtomicUsize>)>,
    recorder: Recorder,
    streams: Streams,
    connections: Arc<Semaphore>,
    longest: Duration,
    drip: Duration,
}

async fn run(listeners: Vec<TcpListener>, shared: Arc<FleetState>, mut stopped: watch::Receiver<bool>) {
    for listener in listeners {
        let shared = Arc::clone(&shared);
        // If the runtime rejects a listener, nobody can connect to it, which the scan reports.
        if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
            tokio::task::spawn_local(accept(listener, shared));
        }
    }
    // A dropped sender also means stop. Returning ends every task of this thread.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<FleetState>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
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

async fn connection(stream: tokio::net::TcpStream, shared: &Arc<FleetState>) {
    let _ = stream.set_nodelay(true);
    let Ok(address) = stream.local_addr() else { return };
    let found = match address {
        SocketAddr::V4(v4) => shared.by_address.get(&v4),
        SocketAddr::V6(_) => None,
    };
    let Some((personality, requests)) = found else {
        // No server at this address: a reset is as close as possible to a closed port.
        let _ = stream.set_zero_linger();
        return;
    };
    let host = ServerContext {
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
        _ => http_server::serve(stream, host).await,
    }
}

/// The limit of open file descriptors; if unknown, a usual value (1,024; 256 on macOS).
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(if cfg!(target_os = "macos") { 256 } else { 1_024 })
}

/// The number of open file descriptors; if unknown, a cautious guess.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(32, Iterator::count)
}
