//! Nothing is sent after the scope's window has closed or its file has expired, neither on an open connection nor on a new one.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vigie_assess::Knowledge;
use vigie_model::{Observation, Source, SourceKind, Timestamp};
use vigie_scan::sweep::SweepOptions;
use vigie_scan::{Clock, Engine, EngineOptions, EnrichFn, Event, Gate, LargeReplies, PlannedVisit, ProbeOptions, Rules, Visit, Work};
use vigie_scope::{Budget, OwnAddresses, Permit, Refusal, Scope, ScopeFile};

const OPEN: &str = "2026-11-23T09:59:00Z";
const CLOSED: &str = "2026-11-23T10:00:00Z";
const EXPIRED: &str = "2026-12-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// A scope file with loopback, until ten o'clock each day of November.
fn scope() -> Scope {
    let text = "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2026-11-30\n\
                [window]\nhours = \"08:00-10:00\"\n[[range]]\ncidr = \"127.0.0.0/8\"\n";
    let file = ScopeFile::parse(text, at(OPEN)).unwrap_or_else(|errors| panic!("{errors}"));
    Scope::with_file(file, &OwnAddresses::default(), Vec::new()).expect("a scope")
}

/// A clock that a test sets.
#[derive(Clone)]
struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(at(OPEN))))
    }

    fn set(&self, text: &str) {
        *self.0.lock().expect("one thread") = at(text);
    }

    fn clock(&self) -> Clock {
        let now = self.0.clone();
        Clock(Arc::new(move || *now.lock().expect("one thread")))
    }
}

/// A server that counts connections and requests.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

/// The reply to the nth request, counted from one; `None`: the server closes the connection without a reply.
type Replies = Box<dyn Fn(usize) -> Option<String> + Send>;

fn serve(replies: Replies) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let server = Server {
        address: listener.local_addr().expect("its address"),
        connections: Arc::default(),
        requests: Arc::default(),
    };
    let (connections, requests) = (server.connections.clone(), server.requests.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            connections.fetch_add(1, Ordering::SeqCst);
            // A connection without a request must not block the server.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(3)));
            answer(stream, &requests, &replies);
        }
    });
    server
}

fn answer(mut stream: TcpStream, requests: &AtomicUsize, replies: &Replies) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            let whole = end + 4 + length.unwrap_or(0);
            if buffer.len() < whole {
                break;
            }
            buffer.drain(..whole);
            let number = requests.fetch_add(1, Ordering::SeqCst) + 1;
            let Some(reply) = replies(number) else { return };
            let closes = reply.contains("connection: close");
            if stream.write_all(reply.as_bytes()).is_err() || closes {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => buffer.extend_from_slice(&chunk[..count]),
            _ => return,
        }
    }
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// A list of addresses as work of a scan.
struct Places {
    places: Vec<(SocketAddr, Vec<PlannedVisit>)>,
    next: usize,
    rules: Arc<dyn Rules>,
}

impl Work for Places {
    fn next(&mut self) -> Option<u64> {
        self.next += 1;
        (self.next <= self.places.len()).then_some(self.next as u64 - 1)
    }

    fn address(&self, index: u64) -> SocketAddr {
        self.places[index as usize].0
    }

    fn visits(&self, index: u64) -> Vec<PlannedVisit> {
        self.places[index as usize].1.clone()
    }

    fn permits(&self, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal> {
        self.rules.permits(address, port, None, now)
    }

    fn rules(&self) -> Arc<dyn Rules> {
        self.rules.clone()
    }

    fn total(&self) -> u64 {
        self.places.len() as u64
    }

    fn begun(&self) -> u64 {
        self.next.min(self.places.len()) as u64
    }

    fn is_paced(&self, _address: IpAddr) -> bool {
        false
    }
}

/// What a scan reported and left undone.
#[derive(Debug, Default)]
struct Outcome {
    seen: Vec<Observation>,
    refused: Vec<(SocketAddr, String)>,
    failed: Vec<String>,
    interrupted: bool,
    cut: Option<String>,
    /// The indices that a resume would repeat.
    left: Vec<u64>,
    next: u64,
    silent: u64,
    tried: u64,
}

fn options(test_clock: &TestClock, sweep: SweepOptions) -> EngineOptions {
    EngineOptions {
        sweep,
        probe: ProbeOptions {
            reply: Duration::from_secs(2),
            endpoint: Duration::from_secs(10),
            large: LargeReplies::default(),
            ..ProbeOptions::default()
        },
        threads: 1,
        probes: 8,
        host: Duration::from_secs(60),
        source: Source {
            kind: SourceKind::Scan,
            name: "vigie".into(),
            version: "0".into(),
            catalog: String::new(),
            vantage: "loopback".into(),
            scan: None,
        },
        scope: vigie_model::Known::unknown(vigie_model::Why::NotAsked),
        transcripts: false,
        prove: vigie_model::EffectSet::EMPTY,
        keep_prompts: false,
        enricher: EnrichFn::default(),
        clock: test_clock.clock(),
    }
}

fn scan_with(test_clock: &TestClock, places: Vec<(SocketAddr, Vec<PlannedVisit>)>, sweep: SweepOptions) -> Outcome {
    let scope = scope();
    let budget = Budget::new(scope.limits(), scope.own().clone());
    let work = Places {
        places,
        next: 0,
        rules: Arc::new(scope),
    };
    let (handle, events) = Engine::new(
        Knowledge::embedded(),
        vigie_identify::Identifier::embedded(),
        options(test_clock, sweep),
    )
    .start(Box::new(work), budget);
    let mut outcome = Outcome::default();
    for event in events {
        match event {
            Event::Seen { index, observation, .. } => {
                handle.acknowledge(index);
                outcome.seen.push(*observation);
            }
            Event::Refused { address, why } => outcome.refused.push((address, why)),
            Event::Failed { why, .. } => outcome.failed.push(why),
            Event::End { interrupted, cut } => {
                (outcome.interrupted, outcome.cut) = (interrupted, cut);
                break;
            }
        }
    }
    (outcome.next, outcome.left) = handle.standing();
    outcome.silent = handle.progress.silent.load(Ordering::SeqCst);
    outcome.tried = handle.progress.tried.load(Ordering::SeqCst);
    outcome
}

fn scan(test_clock: &TestClock, places: Vec<(SocketAddr, Vec<PlannedVisit>)>) -> Outcome {
    scan_with(test_clock, places, SweepOptions::default())
}

fn plainly(address: SocketAddr) -> (SocketAddr, Vec<PlannedVisit>) {
    (address, vec![PlannedVisit::default()])
}

/// A scan of a server that sets the clock while it answers its nth request.
fn scan_with_clock_change_at(request: usize, to: &'static str, headers: &'static str, status: &'static str) -> (Server, Outcome) {
    let test_clock = TestClock::new();
    let moved = test_clock.clone();
    let server = serve(Box::new(move |number| {
        if number == request {
            moved.set(to);
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(reply(status, headers, "nothing here"))
    }));
    let outcome = scan(&test_clock, vec![plainly(server.address)]);
    (server, outcome)
}

fn assert_cut(server: &Server, outcome: &Outcome, requests: usize, word: &str) {
    // Time for further requests, if there were any.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.requests.load(Ordering::SeqCst), requests, "{outcome:?}");
    assert!(outcome.seen.is_empty(), "an incomplete probe makes no record: {outcome:?}");
    assert_eq!(outcome.refused.len(), 1, "{outcome:?}");
    assert_eq!(outcome.refused[0].0, server.address);
    assert!(
        outcome.interrupted && outcome.cut.as_deref().is_some_and(|why| why.contains(word)),
        "{outcome:?}"
    );
    assert_eq!(outcome.left, [0], "a resume repeats it");
    assert!(outcome.failed.is_empty(), "{outcome:?}");
}

#[test]
fn no_request_on_an_open_connection_after_the_window() {
    for request in 1..=3 {
        let (server, outcome) = scan_with_clock_change_at(request, CLOSED, "", "404 Not Found");
        assert_cut(&server, &outcome, request, "window");
        assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn no_new_connection_after_the_window() {
    for request in 1..=3 {
        let (server, outcome) = scan_with_clock_change_at(request, CLOSED, "connection: close\r\n", "404 Not Found");
        assert_cut(&server, &outcome, request, "window");
        assert_eq!(server.connections.load(Ordering::SeqCst), request);
    }
}

#[test]
fn no_request_after_the_scope_file_expires() {
    let (server, outcome) = scan_with_clock_change_at(2, EXPIRED, "", "404 Not Found");
    assert_cut(&server, &outcome, 2, "expired");
}

#[test]
fn no_redirect_is_followed_after_the_window() {
    let (server, outcome) = scan_with_clock_change_at(1, CLOSED, "location: /docs\r\n", "302 Found");
    assert_cut(&server, &outcome, 1, "window");
}

#[test]
fn no_other_protocol_is_tried_after_the_window() {
    let test_clock = TestClock::new();
    let moved = test_clock.clone();
    // A server that closes without a reply is tried with TLS.
    let server = serve(Box::new(move |_| {
        moved.set(CLOSED);
        None
    }));
    let outcome = scan(&test_clock, vec![plainly(server.address)]);
    assert_cut(&server, &outcome, 1, "window");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn the_connection_that_found_the_port_open_is_not_used_after_the_window() {
    let test_clock = TestClock::new();
    let clock = test_clock.clock();
    // The first call is the sweep's.
    let asked = AtomicUsize::new(0);
    let moving = test_clock.clone();
    let clock = Clock(Arc::new(move || {
        if asked.fetch_add(1, Ordering::SeqCst) == 1 {
            moving.set(CLOSED);
        }
        (clock.0)()
    }));
    let server = serve(Box::new(|_| Some(reply("404 Not Found", "", ""))));
    let scope = scope();
    let budget = Budget::new(scope.limits(), scope.own().clone());
    let work = Places {
        places: vec![plainly(server.address)],
        next: 0,
        rules: Arc::new(scope),
    };
    let options = EngineOptions {
        clock,
        ..options(&test_clock, SweepOptions::default())
    };
    let (handle, events) =
        Engine::new(Knowledge::embedded(), vigie_identify::Identifier::embedded(), options).start(Box::new(work), budget);
    let refused = events.iter().filter(|event| matches!(event, Event::Refused { .. })).count();
    assert_eq!(refused, 1);
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
    assert_eq!(handle.standing().1, [0]);
}

#[test]
fn a_second_visit_after_the_window_leaves_the_index_for_a_resume() {
    let test_clock = TestClock::new();
    let moved = test_clock.clone();
    let server = serve(Box::new(move |_| {
        // A server without HTTP gets one request only, so the first visit is complete.
        moved.set(CLOSED);
        Some("220 ready\r\n".to_owned())
    }));
    let visits = vec![
        PlannedVisit::default(),
        PlannedVisit {
            name: Some("host.example".into()),
            ..PlannedVisit::default()
        },
    ];
    let outcome = scan(&test_clock, vec![(server.address, visits)]);
    assert_eq!(server.requests.load(Ordering::SeqCst), 1, "{outcome:?}");
    assert_eq!((outcome.seen.len(), outcome.refused.len()), (1, 1), "{outcome:?}");
    assert_eq!(outcome.left, [0], "only its first visit was acknowledged: {outcome:?}");
}

#[test]
fn the_sweep_retries_nothing_after_the_window() {
    // A listener whose backlog is full does not answer further connections.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("bound");
    socket.listen(0).expect("listens");
    let address = socket
        .local_addr()
        .ok()
        .and_then(|address| address.as_socket())
        .expect("its address");
    let waiting: Vec<TcpStream> = (0..4)
        .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
        .collect();
    if waiting.len() == 4 {
        // This system's backlog is longer than requested.
        return;
    }
    let test_clock = TestClock::new();
    let moving = test_clock.clone();
    let mover = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(250));
        moving.set(CLOSED);
    });
    let sweep = SweepOptions {
        longest_wait: Duration::from_millis(100),
        shortest_wait: Duration::from_millis(100),
        retries: 3,
        ..SweepOptions::default()
    };
    let begun = Instant::now();
    let outcome = scan_with(&test_clock, vec![plainly(address)], sweep);
    mover.join().expect("it ends");
    assert!(
        begun.elapsed() < Duration::from_millis(1_500),
        "not all retries were made: {outcome:?}"
    );
    assert_eq!((outcome.silent, outcome.tried), (0, 0), "cut off is not silent: {outcome:?}");
    assert_eq!((outcome.refused.len(), outcome.left.as_slice()), (1, &[0][..]), "{outcome:?}");
    assert!(outcome.interrupted && outcome.cut.is_some());
}

#[test]
fn the_list_of_indices_for_a_resume_is_bounded() {
    let test_clock = TestClock::new();
    test_clock.set(CLOSED);
    let count = 12_000_u32;
    let places = (0..count)
        .map(|n| plainly(SocketAddr::new(IpAddr::from((0x7f5c_0000 + n).to_be_bytes()), 9)))
        .collect();
    let outcome = scan(&test_clock, places);
    assert!(outcome.interrupted && outcome.cut.is_some());
    assert!((10_000..11_000).contains(&outcome.left.len()), "{}", outcome.left.len());
    assert_eq!(outcome.tried, 0);
    // Each index is either in the list or was not started.
    let all: std::collections::BTreeSet<u64> = outcome.left.iter().copied().chain(outcome.next..u64::from(count)).collect();
    assert_eq!(all.len(), count as usize);
}

/// A gate whose scope closes during the wait for the third request.
struct ClosingGate {
    asked: AtomicUsize,
    closed: AtomicUsize,
}

impl Gate for ClosingGate {
    fn permits(&self) -> Result<(), Refusal> {
        match self.closed.load(Ordering::SeqCst) {
            0 => Ok(()),
            _ => scope().in_time(at(CLOSED)),
        }
    }

    fn wait(&self, _host: IpAddr) -> Option<Duration> {
        // The third request has to wait, and the window closes meanwhile.
        if self.asked.fetch_add(1, Ordering::SeqCst) == 2 {
            self.closed.store(1, Ordering::SeqCst);
            return Some(Duration::from_millis(30));
        }
        None
    }
}

#[test]
fn no_request_after_a_wait_in_which_the_window_closed() {
    let server = serve(Box::new(|_| Some(reply("404 Not Found", "", ""))));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let gate = ClosingGate {
        asked: AtomicUsize::new(0),
        closed: AtomicUsize::new(0),
    };
    let options = ProbeOptions::default();
    let probed = tokio::task::LocalSet::new().block_on(&runtime, async {
        vigie_scan::probe(&vigie_identify::Identifier::embedded(), Visit::at(server.address), &options, &gate).await
    });
    assert_eq!(server.requests.load(Ordering::SeqCst), 2);
    assert!(matches!(probed.cut, Some(Refusal::OutsideWindow { .. })), "{:?}", probed.cut);
}
