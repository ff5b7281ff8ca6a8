//! Rates and quotas, through a gateway in front of a small server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use vigie_guard::Gateway;
use vigie_guard::config::files;
use vigie_guard::init::{Init, init, write_keys};
use vigie_guard::key::{Grant, Key, KeyFile, Pattern, Secret, StoredSecret};
use vigie_guard::limit::{Limit, Limits};
use vigie_model::{Effect, EffectSet, Timestamp};

/// A server that answers a prompt with 12 tokens: `whole` at once, `stream` in three lines of which the last waits for its release,
/// `mute` without counters.
struct Server {
    address: SocketAddr,
    released: Arc<(Mutex<usize>, Condvar)>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let released = Arc::new((Mutex::new(0), Condvar::new()));
        let waits = Arc::clone(&released);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let waits = Arc::clone(&waits);
                std::thread::spawn(move || answer(&stream.expect("a connection"), &waits));
            }
        });
        Self { address, released }
    }

    /// Lets one more stream end.
    fn release(&self) {
        *self.released.0.lock().expect("the lock") += 1;
        self.released.1.notify_all();
    }
}

fn answer(mut stream: &TcpStream, released: &(Mutex<usize>, Condvar)) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let body = String::from_utf8(body).expect("text");
    let mut write = |text: &str| stream.write_all(text.as_bytes());
    let whole = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    // A client that has left is what some tests are about.
    let _ = if body.contains("whole") {
        write(&whole(
            "{\"response\":\"hi\",\"done\":true,\"prompt_eval_count\":7,\"eval_count\":5}",
        ))
    } else if body.contains("mute") {
        write(&whole("{\"response\":\"12345678\"}"))
    } else if body.contains("stream") {
        let done = "{\"done\":true,\"prompt_eval_count\":7,\"eval_count\":5}\n";
        write("HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n{\"response\":\"a\"}\n{\"response\":\"b\"}\n")
            .and_then(|()| {
                let mut left = released.0.lock().expect("the lock");
                while *left == 0 {
                    left = released.1.wait(left).expect("the lock");
                }
                *left -= 1;
                drop(left);
                write(done)
            })
    } else {
        write("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    };
}

/// A gateway's folder in front of a server, with one key.
fn folder(server: &Server, limits: &[&str]) -> (tempfile::TempDir, Secret) {
    let dir = tempfile::tempdir().expect("a folder");
    let wanted = Init {
        upstream: format!("http://{}", server.address),
        product: "ollama".to_owned(),
        version: Some("0.17.4".to_owned()),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        plain_http: true,
        hosts: vec!["127.0.0.1".to_owned()],
    };
    init(dir.path(), &wanted).expect("it is made");
    let secret = Secret::generate().expect("random");
    set_limits(dir.path(), &secret, limits);
    (dir, secret)
}

fn set_limits(dir: &Path, secret: &Secret, limits: &[&str]) {
    let limits: Limits = limits.iter().map(|text| Limit::parse(text).expect("it reads")).collect();
    let key = Key {
        id: "key_1".to_owned(),
        name: "ci".to_owned(),
        secrets: vec![StoredSecret {
            hash: secret.hash(),
            until: None,
        }],
        certificates: Vec::new(),
        created: Timestamp::UNIX_EPOCH,
        expires: None,
        revoked: None,
        grant: Grant {
            effects: EffectSet::EMPTY.with(Effect::Infer),
            models: vec![Pattern::new("tiny")],
            limits,
            ..Grant::default()
        },
    };
    let store = KeyFile {
        keys: vec![key],
        ..KeyFile::default()
    };
    write_keys(dir, &store).expect("it is written");
}

/// A reply: status, headers, body.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn number(&self, name: &str) -> u64 {
        let value = self.header(name).unwrap_or_else(|| panic!("{name} in {self:?}"));
        value.parse().unwrap_or_else(|_| panic!("{name}: {value}"))
    }
}

fn send(gateway: &Gateway, secret: &Secret, prompt: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let body = format!("{{\"model\":\"tiny\",\"prompt\":\"{prompt}\"}}");
    let head = format!(
        "POST /api/generate HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        gateway.address(),
        secret.expose(),
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).expect("it takes a request");
    stream
}

fn reply(mut stream: TcpStream) -> Reply {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a reply");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text:?}"));
    Reply {
        status: head[9..12].parse().expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn ask(gateway: &Gateway, secret: &Secret, prompt: &str) -> Reply {
    reply(send(gateway, secret, prompt))
}

/// The whole lines of the log.
fn lines(dir: &Path) -> Vec<String> {
    let files = vigie_guard::log::files(&dir.join("log")).expect("listed");
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).expect("read")).collect();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(str::to_owned).collect()
}

/// The requests of the log, once there are so many.
fn logged(dir: &Path, count: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let all: Vec<Value> = lines(dir)
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .filter(|event: &Value| event.get("http_request").is_some())
            .collect();
        if all.len() >= count {
            return all;
        }
        assert!(Instant::now() < until, "{count} requests in {all:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A test about one day does not begin shortly before it ends.
fn not_at_midnight() {
    let now = chrono::Utc::now();
    while (now + chrono::TimeDelta::seconds(30)).date_naive() != chrono::Utc::now().date_naive() {
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn start(dir: &Path) -> Gateway {
    Gateway::start(dir).expect("it starts")
}

#[test]
fn a_key_over_its_rate_is_refused_until_there_is_room() {
    let server = Server::start();
    let (dir, secret) = folder(&server, &["requests-per-minute=2", "tokens-per-minute=100"]);
    let gateway = start(dir.path());
    let first = ask(&gateway, &secret, "whole");
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(
        (
            first.number("x-ratelimit-limit-requests"),
            first.number("x-ratelimit-remaining-requests")
        ),
        (2, 1)
    );
    assert_eq!(first.header("x-ratelimit-reset-requests"), Some("1m0s"));
    assert_eq!(
        (
            first.number("x-ratelimit-limit-tokens"),
            first.number("x-ratelimit-remaining-tokens")
        ),
        (100, 100)
    );
    assert_eq!(first.header("x-ratelimit-reset-tokens"), Some("0s"));
    let second = ask(&gateway, &secret, "whole");
    assert_eq!(second.number("x-ratelimit-remaining-tokens"), 88, "12 were counted");
    let third = ask(&gateway, &secret, "whole");
    assert_eq!((third.status, third.body.as_str()), (429, "{\"error\":\"too many requests\"}"));
    assert!((1..=60).contains(&third.number("retry-after")), "{third:?}");
    assert_eq!(third.number("x-ratelimit-remaining-requests"), 0);
    // A large body is refused unread.
    let mut stream = TcpStream::connect(gateway.address()).expect("it listens");
    let head = format!(
        "POST /api/generate HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-length: 9000000\r\nexpect: 100-continue\r\n\r\n",
        gateway.address(),
        secret.expose()
    );
    stream.write_all(head.as_bytes()).expect("it takes a request");
    let unread = reply(stream);
    assert_eq!((unread.status, unread.number("x-ratelimit-remaining-requests")), (429, 0));
    // A request that is not passed on takes no place and carries no limits.
    let strange = ask(&gateway, &Secret::generate().expect("random"), "whole");
    assert_eq!((strange.status, strange.header("x-ratelimit-limit-requests")), (401, None));
    assert_eq!(strange.header("www-authenticate"), Some("Bearer"));
    // A key whose limit is raised has room at once: what was used is known.
    set_limits(dir.path(), &secret, &["requests-per-minute=4"]);
    std::thread::sleep(Duration::from_millis(50));
    let fourth = ask(&gateway, &secret, "whole");
    assert_eq!(
        (fourth.status, fourth.number("x-ratelimit-remaining-requests")),
        (200, 1),
        "{fourth:?}"
    );
    assert_eq!(fourth.header("x-ratelimit-limit-tokens"), None);
    let log = logged(dir.path(), 6);
    assert_eq!(log[2]["status_code"], "over-limit");
    assert!(
        log[2]["status_detail"]
            .as_str()
            .is_some_and(|why| why.contains("requests-per-minute")),
        "{}",
        log[2]
    );
    assert_eq!(log[2]["unmapped"].get("counted"), None);
    assert_eq!(log[0]["unmapped"]["counted"]["tokens"], 12);
    assert_eq!(log[0]["unmapped"]["counted"]["estimated"], false);
    gateway.stop();
    // The minute goes on where it was.
    let gateway = start(dir.path());
    assert_eq!(ask(&gateway, &secret, "whole").number("x-ratelimit-remaining-requests"), 0);
    assert_eq!(ask(&gateway, &secret, "whole").status, 429);
    gateway.stop();
}

#[test]
fn a_day_holds_across_restarts_and_kills() {
    not_at_midnight();
    let server = Server::start();
    let (dir, secret) = folder(&server, &["tokens-per-day=30"]);
    let counts = dir.path().join(files::COUNTS);
    let remaining = |gateway: &Gateway| {
        let reply = ask(gateway, &secret, "whole");
        (reply.status, reply.number("x-ratelimit-remaining-tokens"))
    };
    let gateway = start(dir.path());
    assert_eq!(remaining(&gateway), (200, 30));
    gateway.stop();
    assert!(counts.is_file());
    let old = std::fs::read(&counts).expect("read");
    // From the file and the log's end.
    let gateway = start(dir.path());
    assert_eq!(remaining(&gateway), (200, 18));
    logged(dir.path(), 2);
    // What a kill leaves: the log's lines, and a file of counts that is old, torn, of another log, or missing.
    let other: &[u8] = b"{\"schema\":\"vigie.guard-counts/1\",\"seq\":1000,\"hash\":\"x\",\"tokens_per_day\":{}}";
    for left in [Some(old.as_slice()), Some(other), Some(b""), Some(b"{\"schema\":"), None] {
        let killed = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(killed.path().join("log")).expect("a folder");
        for file in [files::CONFIG, files::KEYS, files::SIGNING_KEY] {
            std::fs::copy(dir.path().join(file), killed.path().join(file)).expect("copied");
        }
        // Each line in a file of its own, as if the log were that large.
        for line in lines(dir.path()) {
            let seq = serde_json::from_str::<Value>(&line).expect("JSON")["unmapped"]["chain"]["seq"]
                .as_u64()
                .expect("a number");
            let file = format!("audit-{seq:012}.jsonl");
            std::fs::write(killed.path().join("log").join(file), line).expect("written");
        }
        if let Some(left) = left {
            std::fs::write(killed.path().join(files::COUNTS), left).expect("written");
        }
        let again = start(killed.path());
        assert_eq!(remaining(&again), (200, 6), "{left:?}");
        assert_eq!(remaining(&again), (429, 0), "{left:?}");
        again.stop();
        // A log that was taken away leaves the counts.
        std::fs::remove_dir_all(killed.path().join("log")).expect("removed");
        let again = start(killed.path());
        let over = ask(&again, &secret, "whole");
        assert_eq!((over.status, over.number("x-ratelimit-remaining-tokens")), (429, 0), "{left:?}");
        assert!((1..=86_400).contains(&over.number("retry-after")), "{over:?}");
        again.stop();
    }
    // Written while it runs, about a second after.
    let until = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&counts).expect("read").contains(",24]") {
        assert!(Instant::now() < until, "{:?}", std::fs::read_to_string(&counts));
        std::thread::sleep(Duration::from_millis(20));
    }
    gateway.stop();
}

#[test]
fn what_the_process_before_still_counts_is_counted_once() {
    not_at_midnight();
    let server = Server::start();
    let (dir, secret) = folder(&server, &["tokens-per-day=100"]);
    let remaining = |gateway: &Gateway| ask(gateway, &secret, "whole").number("x-ratelimit-remaining-tokens");
    let old = start(dir.path());
    assert_eq!(remaining(&old), 100);
    let mut stream = send(&old, &secret, "stream");
    stream.read_exact(&mut [0; 16]).expect("bytes");
    logged(dir.path(), 1);
    // The one that takes its place knows what it has counted, and learns what it finishes.
    let new = start(dir.path());
    assert_eq!(remaining(&new), 88);
    server.release();
    stream.read_to_string(&mut String::new()).expect("the end");
    let until = Instant::now() + Duration::from_secs(20);
    let mut used = 24;
    while {
        used += 12;
        let left = remaining(&new);
        assert!([100 - used, 112 - used].contains(&left), "{left} left of 100 after {used}");
        left == 112 - used
    } {
        assert!(Instant::now() < until && used < 80, "what it finished is not known");
        std::thread::sleep(Duration::from_millis(700));
    }
    old.stop();
    std::thread::sleep(Duration::from_secs(1));
    new.stop();
    let again = start(dir.path());
    assert_eq!(remaining(&again), 100 - used - 12, "none is lost, and none doubled");
    again.stop();
}

#[test]
fn streams_hold_their_places() {
    let server = Server::start();
    let (dir, secret) = folder(&server, &["concurrent=2"]);
    let gateway = start(dir.path());
    let mut streams: Vec<TcpStream> = (0..2).map(|_| send(&gateway, &secret, "stream")).collect();
    // The first bytes of both have come: both are under way.
    for stream in &mut streams {
        stream.read_exact(&mut [0; 16]).expect("bytes");
    }
    for _ in 0..4 {
        let refused = ask(&gateway, &secret, "whole");
        assert_eq!((refused.status, refused.number("retry-after")), (429, 1), "{refused:?}");
    }
    server.release();
    server.release();
    for mut stream in streams {
        stream.read_to_string(&mut String::new()).expect("the end");
    }
    assert_eq!(ask(&gateway, &secret, "whole").status, 200);
    gateway.stop();
}

#[test]
fn a_place_is_free_when_the_client_sees_the_end() {
    let server = Server::start();
    let (dir, secret) = folder(&server, &["concurrent=1"]);
    let gateway = start(dir.path());
    // Each on a connection of its own, sent as soon as the last byte of the answer before is there.
    for (prompt, end) in [("whole", "\"eval_count\":5}"), ("stream", "\r\n0\r\n\r\n")].repeat(50) {
        server.release();
        let mut stream = send(&gateway, &secret, prompt);
        let mut text = String::new();
        while !text.ends_with(end) {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).expect("bytes");
            assert!(count > 0, "{text}");
            text.push_str(std::str::from_utf8(&bytes[..count]).expect("text"));
        }
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
    gateway.stop();
}

#[test]
fn a_client_that_leaves_pays_an_estimate_and_gives_its_place_back() {
    let server = Server::start();
    let (dir, secret) = folder(&server, &["concurrent=1", "tokens-per-minute=100000"]);
    let gateway = start(dir.path());
    let mut stream = send(&gateway, &secret, "stream");
    let mut text = String::new();
    while !text.contains("\"b\"") {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).expect("bytes");
        text.push_str(std::str::from_utf8(&bytes[..count]).expect("text"));
    }
    drop(stream);
    let log = logged(dir.path(), 1);
    assert_eq!(log[0]["status_code"], "aborted");
    // {"model":"tiny","prompt":"stream"} has 34 bytes: 9 tokens; two lines came.
    assert_eq!(log[0]["unmapped"]["counted"]["tokens"], 11, "{}", log[0]);
    assert_eq!(log[0]["unmapped"]["counted"]["estimated"], true);
    assert_eq!(log[0]["unmapped"]["prompt_tokens"], Value::Null, "unknown stays unknown");
    let next = ask(&gateway, &secret, "mute");
    assert_eq!((next.status, next.number("x-ratelimit-remaining-tokens")), (200, 99_989));
    let log = logged(dir.path(), 2);
    // 32 bytes of the request, 23 of the answer.
    assert_eq!(log[1]["unmapped"]["counted"]["tokens"], 8 + 6, "{}", log[1]);
    assert_eq!(log[1]["unmapped"]["counted"]["estimated"], true);
    gateway.stop();
}
