//! Finds open ports with ordinary connections: one thread, many sockets, no privileges.
//!
//! An answer is either available when `connect` returns (a refusal on the same machine) or arrives as an event. The socket of an
//! open port is passed on and becomes the probe's first connection.

use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::event::Source as _;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

/// Options of the sweep.
#[derive(Clone, Copy, Debug)]
pub struct SweepOptions {
    /// Maximum number of connection attempts at the same time.
    pub in_flight: usize,
    /// Upper limit of the adaptive time-out.
    pub longest_wait: Duration,
    /// Lower limit of the adaptive time-out.
    pub shortest_wait: Duration,
    /// Number of further attempts at a silent address.
    pub retries: u8,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self {
            in_flight: crate::limits::sweep_sockets(),
            longest_wait: Duration::from_millis(1_500),
            shortest_wait: Duration::from_millis(250),
            retries: 1,
        }
    }
}

/// The result for one address and port.
#[derive(Debug)]
pub enum Swept {
    /// The connection was accepted; the socket is non-blocking.
    Open(TcpStream),
    /// The connection was refused.
    Closed,
    /// No answer, retries included.
    Silent,
    /// This machine could not start the connection.
    Failed(io::Error),
}

/// The caller of a sweep: gives the addresses and receives the results.
pub trait Sweeper {
    /// The next address; [`Next::Wait`] while a budget is used up.
    fn next(&mut self) -> Next;
    /// Whether a silent address may be tried again now; called before each retry.
    fn again(&mut self, index: u64, address: SocketAddr) -> Again;
    /// Receives the result for one address.
    fn done(&mut self, index: u64, address: SocketAddr, swept: Swept);
    /// Receives the indices in progress, for a resume file; called about once a second and at the end.
    fn snapshot(&mut self, in_flight: &mut dyn Iterator<Item = u64>);
}

/// The answer of [`Sweeper::next`].
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// Try this address.
    Address(u64, SocketAddr),
    /// Ask again after this time.
    Wait(Duration),
    /// There are no more addresses.
    End,
}

/// The answer of [`Sweeper::again`].
#[derive(Clone, Copy, Debug)]
pub enum Again {
    /// Try the address again.
    Now,
    /// Ask again after this time.
    Wait(Duration),
    /// Give the address up without a result; the caller has recorded why.
    Never,
}

struct Flight {
    index: u64,
    address: SocketAddr,
    stream: mio::net::TcpStream,
    begun: Instant,
    tries: u8,
    generation: u64,
}

/// A deadline with its slot and generation; the earliest is the greatest, for a heap.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due(std::cmp::Reverse<Instant>, usize, u64);

/// Smoothed round-trip time as in TCP (RFC 6298): the time-out is the mean plus four deviations, plus 50 ms.
struct RoundTrip {
    smoothed: Option<f64>,
    deviation: f64,
}

impl RoundTrip {
    fn saw(&mut self, sample: Duration) {
        let sample = sample.as_secs_f64();
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.deviation = sample / 2.0;
            }
            Some(smoothed) => {
                self.deviation = 0.75 * self.deviation + 0.25 * (smoothed - sample).abs();
                self.smoothed = Some(0.875 * smoothed + 0.125 * sample);
            }
        }
    }

    fn wait(&self, options: &SweepOptions) -> Duration {
        match self.smoothed {
            None => options.longest_wait,
            Some(smoothed) => {
                Duration::from_secs_f64(smoothed + 4.0 * self.deviation + 0.05).clamp(options.shortest_wait, options.longest_wait)
            }
        }
    }
}

/// Sweeps until the caller has no more addresses or `stop` is set; the last snapshot has the indices that are still in progress.
///
/// # Errors
///
/// The system's event queue cannot be created or polled.
pub fn sweep(sweeper: &mut dyn Sweeper, options: &SweepOptions, stop: &AtomicBool) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut flights: Vec<Option<Flight>> = (0..options.in_flight).map(|_| None).collect();
    let mut free: Vec<usize> = (0..options.in_flight).rev().collect();
    let mut due: BinaryHeap<Due> = BinaryHeap::new();
    let mut again: VecDeque<(Instant, u64, SocketAddr, u8)> = VecDeque::new();
    let mut trip = RoundTrip {
        smoothed: None,
        deviation: 0.0,
    };
    let mut generation = 0_u64;
    let mut ended = false;
    let mut hold_until: Option<Instant> = None;
    let mut last_snapshot = Instant::now();

    loop {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut now = Instant::now();
        // Start as many as there are free slots. The clock is read once a round.
        let mut started = 0;
        while let Some(slot) = free.last().copied() {
            let (index, address, tries) = if again.front().is_some_and(|(at, ..)| *at <= now) {
                let Some((_, index, address, tries)) = again.pop_front() else {
                    break;
                };
                match sweeper.again(index, address) {
                    Again::Now => (index, address, tries),
                    Again::Wait(wait) => {
                        again.push_front((now + wait, index, address, tries));
                        break;
                    }
                    Again::Never => continue,
                }
            } else if ended || hold_until.is_some_and(|until| until > now) {
                break;
            } else {
                hold_until = None;
                match sweeper.next() {
                    Next::Address(index, address) => (index, address, 0),
                    Next::Wait(wait) => {
                        hold_until = Some(now + wait);
                        break;
                    }
                    Next::End => {
                        ended = true;
                        break;
                    }
                }
            };
            match begin(address) {
                Ok(Begun::Open(stream)) => sweeper.done(index, address, Swept::Open(stream)),
                Ok(Begun::Closed) => sweeper.done(index, address, Swept::Closed),
                Ok(Begun::Pending(mut stream)) => {
                    generation += 1;
                    stream.register(poll.registry(), Token(slot), Interest::WRITABLE)?;
                    free.pop();
                    due.push(Due(std::cmp::Reverse(now + trip.wait(options)), slot, generation));
                    flights[slot] = Some(Flight {
                        index,
                        address,
                        stream,
                        begun: now,
                        tries,
                        generation,
                    });
                }
                Err(error) if is_shortage(&error) => {
                    // Out of sockets or ports: wait until some are free again.
                    let later = now + Duration::from_millis(50);
                    again.push_front((later, index, address, tries));
                    hold_until = Some(later);
                    break;
                }
                Err(error) if is_silence(&error) => sweeper.done(index, address, Swept::Silent),
                Err(error) => sweeper.done(index, address, Swept::Failed(error)),
            }
            started += 1;
            if started % 256 == 0 {
                now = Instant::now();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        if last_snapshot.elapsed() >= Duration::from_secs(1) {
            last_snapshot = now;
            snapshot(sweeper, &flights, &again);
        }
        let flying = free.len() < options.in_flight;
        if ended && !flying && again.is_empty() {
            break;
        }

        // Sleep until an answer, a deadline, a retry or the end of the caller's wait.
        // Without a free slot nothing can be started, however long it has been due.
        let room = !free.is_empty();
        let retry = again.front().map(|(at, ..)| *at).filter(|_| room);
        let deadline = [due.peek().map(|d| d.0.0), retry, hold_until.filter(|_| room)]
            .into_iter()
            .flatten()
            .min();
        let wait = deadline
            .map_or(Duration::from_millis(50), |at| at.saturating_duration_since(now))
            .min(Duration::from_millis(200));
        let more = room && !ended && hold_until.is_none();
        match poll.poll(&mut events, Some(if more { Duration::ZERO } else { wait })) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let now = Instant::now();
        for event in &events {
            let slot = event.token().0;
            let Some(flight) = flights.get_mut(slot).and_then(Option::take) else {
                continue;
            };
            match settle(&flight.stream) {
                Settled::Pending => {
                    flights[slot] = Some(flight);
                    continue;
                }
                Settled::Open => {
                    trip.saw(now - flight.begun);
                    let mut stream = flight.stream;
                    stream.deregister(poll.registry())?;
                    sweeper.done(flight.index, flight.address, Swept::Open(stream.into()));
                }
                Settled::Closed => {
                    trip.saw(now - flight.begun);
                    sweeper.done(flight.index, flight.address, Swept::Closed);
                }
                Settled::Unreachable => sweeper.done(flight.index, flight.address, Swept::Silent),
            }
            free.push(slot);
        }
        while due.peek().is_some_and(|d| d.0.0 <= now) {
            let Some(Due(_, slot, generation)) = due.pop() else { break };
            if flights[slot].as_ref().is_none_or(|flight| flight.generation != generation) {
                continue;
            }
            let Some(flight) = flights[slot].take() else { continue };
            free.push(slot);
            if flight.tries < options.retries {
                again.push_back((now + Duration::from_millis(500), flight.index, flight.address, flight.tries + 1));
            } else {
                sweeper.done(flight.index, flight.address, Swept::Silent);
            }
        }
    }
    snapshot(sweeper, &flights, &again);
    Ok(())
}

fn snapshot(sweeper: &mut dyn Sweeper, flights: &[Option<Flight>], again: &VecDeque<(Instant, u64, SocketAddr, u8)>) {
    let mut indices = flights
        .iter()
        .flatten()
        .map(|flight| flight.index)
        .chain(again.iter().map(|(_, index, ..)| *index));
    sweeper.snapshot(&mut indices);
}

enum Begun {
    Open(TcpStream),
    Closed,
    Pending(mio::net::TcpStream),
}

fn begin(address: SocketAddr) -> io::Result<Begun> {
    // `Socket::new` sets close-on-exec; non-blocking is set in the same call where the system allows it.
    let kind = if cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd")) {
        nonblocking_stream()
    } else {
        Type::STREAM
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    if !cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd")) {
        socket.set_nonblocking(true)?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => Ok(Begun::Open(socket.into())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Begun::Closed),
        Err(error) if is_in_progress(&error) => {
            // On the same machine a refusal is available as soon as `connect` returns: asking for it is cheaper than an event.
            match socket.take_error()? {
                Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Begun::Closed),
                Some(error) => Err(error),
                // So is the connection itself.
                None if address.ip().is_loopback() && socket.peer_addr().is_ok() => Ok(Begun::Open(socket.into())),
                None => Ok(Begun::Pending(mio::net::TcpStream::from_std(socket.into()))),
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn nonblocking_stream() -> Type {
    Type::STREAM.nonblocking()
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn nonblocking_stream() -> Type {
    Type::STREAM
}

enum Settled {
    Open,
    Closed,
    Unreachable,
    Pending,
}

fn settle(stream: &mio::net::TcpStream) -> Settled {
    match stream.take_error() {
        Ok(Some(error)) | Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Settled::Closed,
        Ok(Some(_)) | Err(_) => Settled::Unreachable,
        Ok(None) => match stream.peer_addr() {
            Ok(_) => Settled::Open,
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Settled::Pending,
            Err(_) => Settled::Unreachable,
        },
    }
}

/// EINPROGRESS has no `ErrorKind`; Windows returns `WouldBlock`.
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || matches!(error.raw_os_error(), Some(115 | 36))
}

/// Too many open files (in the process or the system), no buffers, or no local port left.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24 | 99 | 105 | 11)) || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn is_silence(error: &io::Error) -> bool {
    // `NetworkUnreachable` is not in the list: this machine has no route, so nothing was sent.
    matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::TimedOut)
}
