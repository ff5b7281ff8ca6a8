//! Nothing is sent once the scope's time is over: neither on a connection that is open nor on a new one, whatever the reason for it.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vigie_assess::Knowledge;
use vigie_model::{Observation, Source, SourceKind, Timestamp};
use vigie_scan::sweep::SweepOptions;
use vigie_scan::{Clock, Dress, Engine, EngineOptions, Event, Gate, LargeReplies, Look, ProbeOptions, Rules, Visit, Work};
use vigie_scope::{Budget, OwnAddresses, Permit, Refusal, Scope, ScopeFile};

const OPEN: &str = "2026-11-23T09:59:00Z";
const CLOSED: &str = "2026-11-23T10:00:00Z";
const EXPIRED: &str = "2026-12-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// A file that holds loopback, until ten o'clock each day of November.
fn scope() -> Scope {
    let text = "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2026-11-30\n\
                [window]\nhours = \"08:00-10:00\"\n[[range]]\ncidr = \"127.0.0.0/8\"\n";
    let file = ScopeFile::parse(text, at(OPEN)).unwrap_or_else(|errors| panic!("{errors}"));
    Scope::with_file(file, &OwnAddresses::default(), Vec::new()).expect("a scope")
}

/// A clock that a test moves.
#[derive(Clone)]
struct Hand(Arc<Mutex<Timestamp>>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(at(OPEN))))
    }

    fn set(&self, text: &str) {
        *self.0.lock().expect("one thread") = at(text);
    }

    fn clock(&self) -> Clock {
        let hand = self.0.clone();
        Clock(Arc::new(move || *hand.lock().expect("one thread")))
    }
}

/// A server that counts, and does something before its reply to a request.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

/// What a server says to its nth request, counted from one; `None`: it closes without a word.
type Says = Box<dyn Fn(usize) -> Option<String> + Send>;

fn serve(says: Says) -> Server {
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
            // A connection that is only opened says nothing for long.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(3)));
            talk(stream, &requests, &says);
        }
    });
    server
}

fn talk(mut stream: TcpStream, requests: &AtomicUsize, says: &Says) {
    let mut buffer = Vec::new();
    let mut piece = [0; 4096];
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
            let Some(reply) = says(number) else { return };
            let closes = reply.contains("connection: close");
            if stream.write_all(reply.as_bytes()).is_err() || closes {
                return;
            }
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => buffer.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Places in order.
struct Places {
    places: Vec<(SocketAddr, Vec<Look>)>,
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

    fn looks(&self, index: u64) -> Vec<Look> {
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

#[derive(Debug, Default)]
struct Went {
    seen: Vec<Observation>,
    refused: Vec<(SocketAddr, String)>,
    failed: Vec<String>,
    interrupted: bool,
    cut: Option<String>,
    /// What a resume would go on with.
    left: Vec<u64>,
    next: u64,
    silent: u64,
    tried: u64,
}

fn options(hand: &Hand, sweep: SweepOptions) -> EngineOptions {
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
        dress: Dress::default(),
        clock: hand.clock(),
    }
}

fn scan_with(hand: &Hand, places: Vec<(SocketAddr, Vec<Look>)>, sweep: SweepOptions) -> Went {
    let scope = scope();
    let budget = Budget::new(scope.limits(), scope.own().clone());
    let work = Places {
        places,
        next: 0,
        rules: Arc::new(scope),
    };
    let (handle, events) =
        Engine::new(Knowledge::embedded(), vigie_identify::Identifier::embedded(), options(hand, sweep)).start(Box::new(work), budget);
    let mut went = Went::default();
    for event in events {
        match event {
            Event::Seen { index, observation, .. } => {
                handle.acknowledge(index);
                went.seen.push(*observation);
            }
            Event::Refused { address, why } => went.refused.push((address, why)),
            Event::Failed { why, .. } => went.failed.push(why),
            Event::End { interrupted, cut } => {
                (went.interrupted, went.cut) = (interrupted, cut);
                break;
            }
        }
    }
    (went.next, went.left) = handle.standing();
    went.silent = handle.progress.silent.load(Ordering::SeqCst);
    went.tried = handle.progress.tried.load(Ordering::SeqCst);
    went
}

fn scan(hand: &Hand, places: Vec<(SocketAddr, Vec<Look>)>) -> Went {
    scan_with(hand, places, SweepOptions::default())
}

fn plainly(address: SocketAddr) -> (SocketAddr, Vec<Look>) {
    (address, vec![Look::default()])
}

/// A scan of a server that moves the clock while it answers its nth request.
fn closes_at(request: usize, to: &'static str, headers: &'static str, status: &'static str) -> (Server, Went) {
    let hand = Hand::new();
    let moved = hand.clone();
    let server = serve(Box::new(move |number| {
        if number == request {
            moved.set(to);
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(reply(status, headers, "nothing here"))
    }));
    let went = scan(&hand, vec![plainly(server.address)]);
    (server, went)
}

fn assert_cut(server: &Server, went: &Went, requests: usize, word: &str) {
    // Time for whatever would still come.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.requests.load(Ordering::SeqCst), requests, "{went:?}");
    assert!(went.seen.is_empty(), "half a conversation is no record: {went:?}");
    assert_eq!(went.refused.len(), 1, "{went:?}");
    assert_eq!(went.refused[0].0, server.address);
    assert!(
        went.interrupted && went.cut.as_deref().is_some_and(|why| why.contains(word)),
        "{went:?}"
    );
    assert_eq!(went.left, [0], "a resume goes on with it");
    assert!(went.failed.is_empty(), "{went:?}");
}

#[test]
fn an_open_connection_carries_no_request_after_the_window() {
    for request in 1..=3 {
        let (server, went) = closes_at(request, CLOSED, "", "404 Not Found");
        assert_cut(&server, &went, request, "window");
        assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn no_connection_is_made_again_after_the_window() {
    for request in 1..=3 {
        let (server, went) = closes_at(request, CLOSED, "connection: close\r\n", "404 Not Found");
        assert_cut(&server, &went, request, "window");
        assert_eq!(server.connections.load(Ordering::SeqCst), request);
    }
}

#[test]
fn a_file_that_expires_meanwhile_ends_it_too() {
    let (server, went) = closes_at(2, EXPIRED, "", "404 Not Found");
    assert_cut(&server, &went, 2, "expired");
}

#[test]
fn no_redirect_is_followed_after_the_window() {
    let (server, went) = closes_at(1, CLOSED, "location: /docs\r\n", "302 Found");
    assert_cut(&server, &went, 1, "window");
}

#[test]
fn no_other_speech_is_tried_after_the_window() {
    let hand = Hand::new();
    let moved = hand.clone();
    // A server that closes without a word is tried with TLS.
    let server = serve(Box::new(move |_| {
        moved.set(CLOSED);
        None
    }));
    let went = scan(&hand, vec![plainly(server.address)]);
    assert_cut(&server, &went, 1, "window");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn the_connection_that_found_the_port_open_is_not_used_after_the_window() {
    let hand = Hand::new();
    let clock = hand.clock();
    // The first asking is the sweep's.
    let asked = AtomicUsize::new(0);
    let moving = hand.clone();
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
        ..options(&hand, SweepOptions::default())
    };
    let (handle, events) =
        Engine::new(Knowledge::embedded(), vigie_identify::Identifier::embedded(), options).start(Box::new(work), budget);
    let refused = events.iter().filter(|event| matches!(event, Event::Refused { .. })).count();
    assert_eq!(refused, 1);
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
    assert_eq!(handle.standing().1, [0]);
}

#[test]
fn of_two_ways_to_visit_the_second_is_left_with_its_index() {
    let hand = Hand::new();
    let moved = hand.clone();
    let server = serve(Box::new(move |_| {
        // What speaks no HTTP is left after the first request, so the first look has ended.
        moved.set(CLOSED);
        Some("220 ready\r\n".to_owned())
    }));
    let looks = vec![
        Look::default(),
        Look {
            name: Some("host.example".into()),
            ..Look::default()
        },
    ];
    let went = scan(&hand, vec![(server.address, looks)]);
    assert_eq!(server.requests.load(Ordering::SeqCst), 1, "{went:?}");
    assert_eq!((went.seen.len(), went.refused.len()), (1, 1), "{went:?}");
    assert_eq!(went.left, [0], "it was acknowledged for its first look only: {went:?}");
}

#[test]
fn the_sweep_tries_nothing_again_after_the_window() {
    // A listener whose queue is full lets further connections wait: it is silent.
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
        // This system lets more wait than it was asked to.
        return;
    }
    let hand = Hand::new();
    let moving = hand.clone();
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
    let went = scan_with(&hand, vec![plainly(address)], sweep);
    mover.join().expect("it ends");
    assert!(
        begun.elapsed() < Duration::from_millis(1_500),
        "it was not tried to the end: {went:?}"
    );
    assert_eq!((went.silent, went.tried), (0, 0), "cut off is not silent: {went:?}");
    assert_eq!((went.refused.len(), went.left.as_slice()), (1, &[0][..]), "{went:?}");
    assert!(went.interrupted && went.cut.is_some());
}

#[test]
fn what_was_not_begun_is_left_and_the_list_of_it_is_bounded() {
    let hand = Hand::new();
    hand.set(CLOSED);
    let count = 12_000_u32;
    let places = (0..count)
        .map(|n| plainly(SocketAddr::new(IpAddr::from((0x7f5c_0000 + n).to_be_bytes()), 9)))
        .collect();
    let went = scan(&hand, places);
    assert!(went.interrupted && went.cut.is_some());
    assert!((10_000..11_000).contains(&went.left.len()), "{}", went.left.len());
    assert_eq!(went.tried, 0);
    // Each index is either named or not begun.
    let all: std::collections::BTreeSet<u64> = went.left.iter().copied().chain(went.next..u64::from(count)).collect();
    assert_eq!(all.len(), count as usize);
}

/// Allows until something was waited for.
struct Waits {
    asked: AtomicUsize,
    closed: AtomicUsize,
}

impl Gate for Waits {
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
fn a_wait_for_the_budget_does_not_outlast_the_window() {
    let server = serve(Box::new(|_| Some(reply("404 Not Found", "", ""))));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let gate = Waits {
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
