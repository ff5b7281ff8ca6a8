//! Faults and honeypots behave as documented.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vigie_fleet::{Fault, Fleet, FleetError, Honeypot, Personality, Recorder, Recordings, Running, ServeOptions};

use crate::client::{anywhere, ask, connect, parse, plain, raise, recordings, send};

fn broken(fault: Fault) -> (Running, SocketAddrV4) {
    let running = raise(vec![Personality::broken(anywhere(), plain(), fault)], &Recorder::new(16));
    let address = running.personalities()[0].address;
    (running, address)
}

/// Sends `GET /` and returns the connection.
fn asked(address: SocketAddrV4) -> TcpStream {
    let mut stream = connect(address);
    send(&mut stream, "GET", "/", "");
    stream
}

fn all_of(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it ends well");
    bytes
}

/// Reads `count` bytes of an endless reply.
fn some_of(mut stream: TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).expect("there is more");
    bytes
}

#[test]
fn a_tarpit_accepts_and_never_answers() {
    let (_running, address) = broken(Fault::Tarpit);
    let mut stream = asked(address);
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout is set");
    let error = stream.read(&mut [0]).expect_err("nothing comes");
    assert!(
        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        "{error}"
    );
}

#[test]
fn a_dripping_answer_is_right_and_slow() {
    let recorder = Recorder::new(4);
    let server = |drip| {
        let options = ServeOptions {
            drip,
            ..ServeOptions::default()
        };
        Fleet::serve(vec![Personality::broken(anywhere(), plain(), Fault::Drip)], &recorder, options).expect("started")
    };
    let quick = server(Duration::ZERO);
    let whole = ask(quick.personalities()[0].address, "GET", "/", "");
    let recorded = plain();
    let line = recorded.line(&vigie_model::RequestLine {
        method: "GET".into(),
        path: "/".into(),
        headers: vec![],
        body: String::new(),
    });
    assert_eq!(whole.body, line.and_then(|line| line.reply.as_ref()).expect("recorded").body);

    let slow = server(Duration::from_millis(100));
    let mut stream = asked(slow.personalities()[0].address);
    let begun = Instant::now();
    let mut bytes = Vec::new();
    while bytes.len() < 4 {
        let mut buffer = [0; 64];
        let count = stream.read(&mut buffer).expect("it drips");
        assert!(count > 0);
        bytes.extend_from_slice(&buffer[..count]);
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(250),
        "four bytes took {:?}",
        begun.elapsed()
    );
    assert_eq!(ServeOptions::default().drip, Duration::from_secs(1));
}

#[test]
fn endless_things_go_on() {
    for (fault, mark) in [
        (Fault::EndlessBody, "[{\"name\":\"endless\"}"),
        (Fault::EndlessHeaders, "x-endless-100: aaa"),
    ] {
        let (_running, address) = broken(fault);
        let bytes = some_of(asked(address), 200_000);
        assert!(String::from_utf8_lossy(&bytes).contains(mark), "{fault}");
    }
}

#[test]
fn a_bomb_is_small_on_the_wire() {
    let (_running, address) = broken(Fault::CompressionBomb);
    let bytes = all_of(asked(address));
    assert!(bytes.len() < 4 << 20, "{} bytes", bytes.len());
    let answer = parse(&bytes);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut start = vec![0; 3 << 20];
    flate2::read::GzDecoder::new(answer.body.as_slice())
        .read_exact(&mut start)
        .expect("it unpacks");
    assert!(start.iter().all(|byte| *byte == b' '));
    // The last four bytes of a gzip member are its length (RFC 1952, section 2.3.1).
    let length: [u8; 4] = answer.body[answer.body.len() - 4..].try_into().expect("four bytes");
    assert_eq!(u32::from_le_bytes(length), 1 << 30);
}

#[test]
fn malformed_bodies_are_malformed() {
    let (_running, address) = broken(Fault::MalformedChunking);
    let text = String::from_utf8(all_of(asked(address))).expect("text");
    assert!(text.contains("transfer-encoding: chunked\r\n\r\n2\r\n{}\r\nZZZ\r\n"), "{text}");

    let (_running, address) = broken(Fault::InvalidUtf8);
    assert!(std::str::from_utf8(&ask(address, "GET", "/", "").body).is_err());

    let (_running, address) = broken(Fault::DeepJson);
    let deep = ask(address, "GET", "/", "").body;
    assert_eq!((deep.iter().filter(|b| **b == b'[').count(), deep.len()), (100_000, 200_000));
}

#[test]
fn a_reset_comes_after_its_byte() {
    for count in [0u32, 1, 17, 40] {
        let (_running, address) = broken(Fault::ResetAt(count));
        let mut stream = asked(address);
        let mut bytes = Vec::new();
        let error = loop {
            let mut buffer = [0; 64];
            match stream.read(&mut buffer) {
                Ok(0) => panic!("it ended well after {} bytes", bytes.len()),
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(bytes.len(), count as usize);
        assert!(b"HTTP/1.1 200 OK\r\n".starts_with(&bytes[..bytes.len().min(17)]));
    }
}

#[test]
fn faults_that_are_not_http() {
    let (_running, address) = broken(Fault::Http09);
    assert!(all_of(asked(address)).starts_with(b"<html>"));

    let (_running, address) = broken(Fault::TlsGarbage);
    assert_eq!(all_of(asked(address))[..2], [0x15, 0x03]);
    // A TLS client gets an invalid record.
    let mut stream = connect(address);
    stream
        .write_all(&[0x16, 0x03, 0x01, 0x00, 0x05, 1, 0, 0, 1, 0])
        .expect("the hello is sent");
    assert_eq!(some_of(stream, 69)[..5], [0x16, 0x03, 0x03, 0x00, 0x40]);

    let (_running, address) = broken(Fault::ClosesAtOnce);
    let mut stream = connect(address);
    // The connection ends with a FIN or a reset, depending on data in transit.
    assert!(stream.read(&mut [0; 8]).map_or(true, |count| count == 0));
}

#[test]
fn redirects_lead_in_a_circle_or_away() {
    let (_running, address) = broken(Fault::RedirectLoop);
    let mut path = "/".to_owned();
    for _ in 0..4 {
        let answer = ask(address, "GET", &path, "");
        assert_eq!(answer.status, 302);
        path = answer.header("location").expect("it leads somewhere").to_owned();
    }
    assert_eq!(path, "/");
    let (_running, address) = broken(Fault::RedirectOffScope);
    assert_eq!(ask(address, "GET", "/", "").header("location"), Some("http://192.0.2.1/"));
}

#[test]
fn a_fault_is_written_as_it_is_read() {
    for fault in Fault::ALL {
        assert_eq!(fault.to_string().parse(), Ok(fault));
    }
    assert!("reset-at".parse::<Fault>().is_err());
}

#[test]
fn bait_shows_its_tells() {
    let raised = |honeypot| {
        Personality::bait(anywhere(), honeypot, recordings(), 5).map(|bait| {
            let running = raise(vec![bait], &Recorder::new(16));
            let address = running.personalities()[0].address;
            (running, address)
        })
    };
    let (_running, address) = raised(Honeypot::CatchAll).expect("a recording");
    for path in ["/", "/vigie-no-such-page", "/api/tags"] {
        let answer = ask(address, "GET", path, "");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{path}"
        );
    }

    let (_running, address) = raised(Honeypot::Bait).expect("a recording");
    assert!(String::from_utf8_lossy(&ask(address, "GET", "/anything", "").body).contains("uid=0(root)"));

    let (_running, address) = raised(Honeypot::RotatingServer).expect("a recording");
    let servers: std::collections::BTreeSet<String> = (0..4)
        .filter_map(|_| ask(address, "GET", "/", "").header("server").map(str::to_owned))
        .collect();
    assert_eq!(servers.len(), 4);

    let (_running, address) = raised(Honeypot::ChatFields).expect("a recording lists models");
    let tags: serde_json::Value = serde_json::from_slice(&ask(address, "GET", "/api/tags", "").body).expect("JSON");
    assert!(
        tags["models"].is_array() && tags["eval_count"].is_number() && tags["message"].is_object(),
        "{tags}"
    );

    let (_running, address) = raised(Honeypot::EveryProduct).expect("a recording");
    let said: Vec<String> = ["/", "/v1/models", "/api/tags", "/collections", "/api/version"]
        .iter()
        .map(|path| ask(address, "GET", path, ""))
        .filter(|answer| answer.status == 200)
        .map(|answer| String::from_utf8_lossy(&answer.body).into_owned())
        .collect();
    assert!(said.len() >= 3, "it answers as several products: {said:?}");
}

/// Any recording of Ollama with capabilities can be combined with an older version.
#[test]
fn an_impossible_version_lists_later_capabilities() {
    let head = "schema: vigie.fixture/1\nproduct: ollama\nversion: 0.17.4\nstate: open\norigin: constructed\non: 2026-11-22\nport: 11434\nfrom: this test\nexpect: {product: ollama}\n";
    let lines = [
        r#"{"request": {"method": "GET", "path": "/api/version"}, "reply": {"status": 200, "headers": [], "body": "{\"version\":\"0.17.4\"}"}}"#,
        r#"{"request": {"method": "POST", "path": "/api/show", "body": "{}"}, "reply": {"status": 200, "headers": [], "body": "{\"capabilities\":[\"completion\"]}"}}"#,
    ];
    let files = [("ollama/0.17.4-open".to_owned(), (head.to_owned(), lines.join("\n")))].into();
    let read = Recordings::read(&files).expect("it reads");
    let bait = Personality::bait(anywhere(), Honeypot::ImpossibleVersion, &read, 1).expect("it can pretend");
    let running = raise(vec![bait], &Recorder::new(4));
    let address = running.personalities()[0].address;
    assert_eq!(ask(address, "GET", "/api/version", "").body, br#"{"version":"0.1.20"}"#);
    assert_eq!(ask(address, "POST", "/api/show", "{}").body, br#"{"capabilities":["completion"]}"#);

    // Without a suitable recording of Ollama it is an error; another product is not used instead.
    let none = Recordings::read(&Default::default()).expect("nothing reads");
    assert!(matches!(
        Personality::bait(anywhere(), Honeypot::ImpossibleVersion, &none, 1),
        Err(FleetError::NoRecording { .. })
    ));
}

#[test]
fn the_fleet_stays_on_loopback() {
    for outside in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(10, 0, 0, 1)] {
        let one = Personality::server(SocketAddrV4::new(outside, 0), plain());
        let error = Fleet::serve(vec![one], &Recorder::new(1), ServeOptions::default()).expect_err("it is refused");
        assert!(matches!(error, FleetError::NotLoopback(_)), "{error}");
    }
    // A valid plan does not listen on all addresses either.
    let running = raise(vec![Personality::server(anywhere(), plain())], &Recorder::new(1));
    assert!(running.personalities().iter().all(|p| p.address.ip().is_loopback()));
    if let Ok(table) = std::fs::read_to_string("/proc/self/net/tcp") {
        let everywhere = format!("00000000:{:04X}", running.personalities()[0].address.port());
        assert!(!table.contains(&everywhere), "it listens on 0.0.0.0");
    }
}

#[test]
fn one_address_takes_one_server() {
    let twice = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 47_123);
    let one = || Personality::server(twice, plain());
    let error = Fleet::serve(vec![one(), one()], &Recorder::new(1), ServeOptions::default()).expect_err("it is refused");
    assert!(matches!(error, FleetError::Twice(_) | FleetError::Bind { .. }), "{error}");
}

#[test]
fn more_listeners_than_descriptors_are_refused_before_any_is_bound() {
    let recording = plain();
    let Some(limit) = std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| {
            limits.lines().find_map(|line| {
                line.strip_prefix("Max open files")?
                    .split_whitespace()
                    .next()?
                    .parse::<usize>()
                    .ok()
            })
        })
        .filter(|limit| *limit <= 1 << 17)
    else {
        return;
    };
    let many = (0..limit)
        .map(|_| Personality::server(anywhere(), Arc::clone(&recording)))
        .collect();
    let error = Fleet::serve(many, &Recorder::new(1), ServeOptions::default()).expect_err("it is refused");
    assert!(matches!(error, FleetError::Descriptors { .. }), "{error}");
    assert!(error.to_string().contains("namespace"));
}
