//! Replies equal the recordings, field by field.

use std::io::Read as _;
use std::sync::Arc;

use vigie_fleet::{Personality, Recorder, Recordings};
use vigie_identify::fixture::Fixture;
use vigie_model::{Reply, RequestLine};

use crate::client::{self, Answer, anywhere, ask, connect, raise, recordings};

/// A path that is in no recording.
const ELSEWHERE: &str = "/fleet-test-asks-for-this";

/// Whether a header is compared: not if it depends on the time or the framing.
fn counts(name: &str) -> bool {
    ![
        "date",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "trailer",
        "upgrade",
    ]
    .contains(&name)
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut body = Vec::new();
    match answer.header("content-encoding") {
        Some("gzip") => {
            flate2::read::MultiGzDecoder::new(answer.body.as_slice())
                .read_to_end(&mut body)
                .expect("it unpacks");
            body
        }
        Some("deflate") => {
            flate2::read::ZlibDecoder::new(answer.body.as_slice())
                .read_to_end(&mut body)
                .expect("it unpacks");
            body
        }
        _ => answer.body.clone(),
    }
}

/// One line per difference.
fn differences(recorded: &Reply, answer: &Answer, head_only: bool) -> Vec<String> {
    let mut all = Vec::new();
    if recorded.status != answer.status {
        all.push(format!("status {} became {}", recorded.status, answer.status));
    }
    let sorted = |headers: &[(String, String)]| {
        let mut kept: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .filter(|(name, _)| counts(name))
            .collect();
        kept.sort();
        kept
    };
    let (before, after) = (sorted(&recorded.headers), sorted(&answer.headers));
    if before != after {
        all.push(format!("headers {before:?} became {after:?}"));
    }
    if recorded.version == "HTTP/1.0" && answer.version != "HTTP/1.0" {
        all.push(format!("version HTTP/1.0 became {}", answer.version));
    }
    // Replies with these statuses cannot have a body (RFC 9110, sections 15.3.5 and 15.4.5).
    let bodiless = head_only || matches!(recorded.status, 204 | 304);
    if !bodiless && recorded.body != decoded(answer) {
        all.push(format!(
            "a body of {} bytes became one of {}",
            recorded.body.len(),
            answer.body.len()
        ));
    }
    all
}

#[test]
fn every_recorded_reply_is_given_as_recorded() {
    let personalities: Vec<Personality> = recordings()
        .iter()
        .map(|r| Personality::server(anywhere(), Arc::clone(r)))
        .collect();
    let running = raise(personalities, &Recorder::new(0));
    let mut compared = 0;
    for personality in running.personalities() {
        let recording = personality.recording().expect("a server");
        let fixture = recording.fixture();
        // The last stream that named a path for messages, and that path.
        let mut session = None;
        for line in &fixture.lines {
            let request = if line.request.path == "*" {
                RequestLine {
                    method: "GET".to_owned(),
                    path: ELSEWHERE.to_owned(),
                    headers: Vec::new(),
                    body: String::new(),
                }
            } else {
                line.request.clone()
            };
            // Of two lines for one request the first is what the rules see.
            let Some(recorded) = fixture.answer(&request).and_then(|line| line.reply.as_ref()) else {
                continue;
            };
            let said = |answer: &Answer, differences: Vec<String>| {
                assert!(
                    differences.is_empty(),
                    "{} {} {}: {differences:#?} {answer:?}",
                    fixture.name,
                    request.method,
                    request.path
                );
            };
            let place = format!("{} {} {}", fixture.name, request.method, request.path);
            if let Some(path) = recording.session(&request, recorded) {
                let mut stream = connect(personality.address);
                let answer = client::ask_open(&mut stream, &request.method, &request.path, recorded.body.len());
                said(&answer, differences(recorded, &answer, false));
                session = Some((stream, path));
            } else if let Some((stream, path)) = session
                .as_mut()
                .filter(|(_, path)| [path, "session:"].contains(&request.path.as_str()))
            {
                let answer = ask(personality.address, "POST", path, &request.body);
                if recorded
                    .header("content-type")
                    .is_some_and(|kind| kind.starts_with("text/event-stream"))
                {
                    assert_eq!(answer.status, 202, "{place}");
                    assert_eq!(client::next_of(stream, recorded.body.len()), recorded.body, "{place}");
                } else {
                    said(&answer, differences(recorded, &answer, false));
                }
            } else {
                let answer = ask(personality.address, &request.method, &request.path, &request.body);
                said(&answer, differences(recorded, &answer, request.method == "HEAD"));
            }
            compared += 1;
        }
    }
    assert!(compared > recordings().iter().count(), "{compared} replies were compared");
}

/// A recording of the Model Context Protocol over SSE, as the project's recorder writes it.
fn session() -> Arc<vigie_fleet::Recording> {
    let head = "schema: vigie.fixture/1\nproduct: mcp\nversion: '1'\nstate: sse\norigin: constructed\non: 2026-11-22\nport: 8000\nfrom: this test\nexpect: {product: mcp}\n";
    let lines = [
        r#"{"request": {"method": "GET", "path": "/sse"}, "reply": {"status": 200, "headers": [["content-type", "text/event-stream"]], "body": "event: endpoint\r\ndata: /messages/?session_id=1\r\n\r\n"}}"#,
        r#"{"request": {"method": "POST", "path": "session:", "body": "{\"id\":1,\"method\":\"initialize\"}"}, "reply": {"status": 200, "headers": [["content-type", "text/event-stream"]], "body": "event: message\r\ndata: {\"id\":1,\"result\":{}}\r\n\r\n"}}"#,
        r#"{"request": {"method": "POST", "path": "session:", "body": "{\"method\":\"notifications/initialized\"}"}, "reply": {"status": 202, "headers": [["x-recorded", "yes"]], "body": "Accepted"}}"#,
        r#"{"request": {"method": "*", "path": "*"}, "reply": {"status": 404, "headers": [], "body": "Not Found"}}"#,
    ];
    let files = [("mcp/1-sse".to_owned(), (head.to_owned(), lines.join("\n")))].into();
    Arc::clone(Recordings::read(&files).expect("it reads").named("mcp/1-sse").expect("it is there"))
}

#[test]
fn a_session_is_answered_on_its_stream() {
    let running = raise(vec![Personality::server(anywhere(), session())], &Recorder::new(16));
    let address = running.personalities()[0].address;
    let messages = "/messages/?session_id=1";

    // Without an open stream, its path does not exist.
    assert_eq!(ask(address, "POST", messages, r#"{"id":1,"method":"initialize"}"#).status, 404);

    let mut stream = connect(address);
    let opening = client::ask_open(&mut stream, "GET", "/sse", 40);
    assert_eq!(opening.status, 200);

    // White space and the order of keys may differ.
    let posted = ask(address, "POST", messages, r#"{"method": "initialize", "id": 1}"#);
    assert_eq!((posted.status, posted.body.as_slice()), (202, b"Accepted".as_slice()));
    let mut buffer = [0; 512];
    let count = stream.read(&mut buffer).expect("the answer comes on the stream");
    assert!(String::from_utf8_lossy(&buffer[..count]).contains(r#"data: {"id":1,"result":{}}"#));

    let noted = ask(address, "POST", messages, r#"{"method":"notifications/initialized"}"#);
    assert_eq!((noted.status, noted.header("x-recorded")), (202, Some("yes")));
}

#[test]
fn a_recorded_failure_is_one() {
    let head = "schema: vigie.fixture/1\nproduct: null\nversion: '1'\nstate: odd\norigin: constructed\non: 2026-11-22\nport: 8000\nfrom: this test\nexpect: {product: null}\n";
    let fixture = |name: &str, lines: &str| (name.to_owned(), (head.to_owned(), lines.to_owned()));
    let files = [
        fixture("misses/ssh", r#"{"request": {"method": "*", "path": "*"}, "failure": {"kind": "not-http", "detail": "", "banner": "SSH-2.0-x\r\n"}}"#),
        fixture(
            "misses/half",
            "{\"request\": {\"method\": \"GET\", \"path\": \"/\"}, \"failure\": {\"kind\": \"reset\", \"detail\": \"\"}}\n{\"request\": {\"method\": \"GET\", \"path\": \"/vigie-no-such-page\"}, \"reply\": {\"status\": 404, \"headers\": [], \"body\": \"no\"}}",
        ),
    ]
    .into();
    let read = Recordings::read(&files).expect("they read");
    let server = |name: &str| Personality::server(anywhere(), Arc::clone(read.named(name).expect("it is there")));
    let running = raise(vec![server("misses/ssh"), server("misses/half")], &Recorder::new(16));
    let [ssh, half] = [0, 1].map(|index| running.personalities()[index].address);

    let mut bytes = Vec::new();
    let mut stream = connect(ssh);
    client::send(&mut stream, "GET", "/", "");
    stream.read_to_end(&mut bytes).expect("it ends");
    assert_eq!(bytes, b"SSH-2.0-x\r\n");

    let mut stream = connect(half);
    client::send(&mut stream, "GET", "/", "");
    assert!(stream.read_to_end(&mut bytes).is_err(), "it was reset");
    // An unrecorded request gets the reply for a page that does not exist.
    assert_eq!(ask(half, "GET", "/other", "").status, 404);
}

#[test]
fn an_invalid_fixture_is_named() {
    let files = [("ollama/1-open".to_owned(), ("schema: vigie.fixture/1".to_owned(), String::new()))].into();
    let error = Recordings::read(&files).expect_err("it has no expectations");
    assert!(error.contains("ollama/1-open"), "{error}");
    assert!(Fixture::read("x", "", "").is_err());
}
