//! Metering: what servers count is logged, and clients do not notice.
//!
//! `tests/data` holds replies of real servers; `record.sh` there says which and how.

use std::io::Read as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::json;

use crate::stage::{Guarded, Played, SOON, chunk, chunked, read_chunk, read_head, version, whole};

const EVENTS: &str = "text/event-stream";
const CHAT: &str = "/v1/chat/completions";

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn question(stream: bool) -> String {
    json!({"model": "tiny", "prompt": "Say", "messages": [{"role": "user", "content": "Say something"}], "input": "Say something",
           "max_tokens": 12, "stream": stream})
    .to_string()
}

/// A server that answers everything with these bytes, cut into chunks.
fn replays(kind: &'static str, reply: Vec<u8>, cut: usize) -> Played {
    Played::start(move |got, stream| {
        if got.line.starts_with("GET ") {
            return version(stream);
        }
        chunked(stream, kind);
        for piece in reply.chunks(cut) {
            chunk(stream, piece);
        }
        chunk(stream, b"");
    })
}

/// A stream without what no two of them have in common.
fn comparable(stream: &[u8]) -> String {
    let text = String::from_utf8_lossy(stream).into_owned();
    let mut out = String::new();
    for (at, part) in text.split("\"id\":\"").enumerate() {
        match (at, part.split_once('"')) {
            (1.., Some((_, rest))) => out.push_str(&format!("\"id\":\"\"{rest}")),
            _ => out.push_str(part),
        }
    }
    let mut parts = out.split("\"created\":");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "\"created\":" + part.trim_start_matches(|letter: char| letter.is_ascii_digit())
    })
}

#[test]
fn tokens_of_real_replies_are_logged_as_the_server_counted_them() {
    let lines = "application/x-ndjson";
    let json = "application/json";
    for (product, name, kind, path, prompt, output) in [
        ("ollama", "chat.ndjson", lines, "/api/chat", 19, Some(12)),
        ("ollama", "generate.ndjson", lines, "/api/generate", 7, Some(12)),
        ("ollama", "embed.json", json, "/api/embed", 7, None),
        ("ollama", "chat-completions.json", json, CHAT, 19, Some(12)),
        ("ollama", "completions.json", json, "/v1/completions", 7, Some(12)),
        ("ollama", "chat-completions-asked.sse", EVENTS, CHAT, 19, Some(12)),
        ("ollama", "completions-asked.sse", EVENTS, "/v1/completions", 7, Some(12)),
        ("ollama", "messages.sse", EVENTS, "/v1/messages", 19, Some(12)),
        ("ollama", "messages.json", json, "/v1/messages", 19, Some(12)),
        ("ollama", "responses.sse", EVENTS, "/v1/responses", 19, Some(12)),
        ("ollama", "responses.json", json, "/v1/responses", 19, Some(12)),
        ("llama-cpp", "chat-completions.sse", EVENTS, CHAT, 41, Some(12)),
        ("llama-cpp", "chat-completions-asked.sse", EVENTS, CHAT, 41, Some(12)),
        ("llama-cpp", "chat-completions.json", json, CHAT, 41, Some(12)),
        ("llama-cpp", "completions.sse", EVENTS, "/v1/completions", 7, Some(12)),
        ("llama-cpp", "completion.sse", EVENTS, "/completion", 7, Some(12)),
        ("llama-cpp", "messages.sse", EVENTS, "/v1/messages", 41, Some(12)),
        ("llama-cpp", "messages.json", json, "/v1/messages", 41, Some(12)),
        ("llama-cpp", "responses.sse", EVENTS, "/v1/responses", 41, Some(12)),
    ] {
        for cut in [usize::MAX, 7] {
            let played = replays(kind, data(&format!("{product}-{name}")), cut);
            let guarded = Guarded::start(played.address, product);
            guarded.ask(path, &question(kind != json));
            let log = guarded.stop();
            let entry = &log.last().expect("an entry")["unmapped"];
            assert_eq!(
                (&entry["prompt_tokens"], &entry["output_tokens"], &entry["estimated"]),
                (&json!(prompt), &json!(output), &json!(false)),
                "{product}-{name} cut into {cut}"
            );
        }
    }
}

#[test]
fn a_client_that_did_not_ask_gets_what_it_would_have_got() {
    for (name, path) in [("chat-completions", CHAT), ("completions", "/v1/completions")] {
        let (asked, unasked) = (data(&format!("ollama-{name}-asked.sse")), data(&format!("ollama-{name}.sse")));
        assert_ne!(comparable(&asked), comparable(&unasked), "the recordings differ");
        for cut in [usize::MAX, 1, 100] {
            let played = replays(EVENTS, asked.clone(), cut);
            let guarded = Guarded::start(played.address, "ollama");
            let (head, body) = guarded.ask(path, &question(true));
            assert_eq!(comparable(&body), comparable(&unasked), "{name} cut into {cut}");
            assert!(!head.contains("content-length"), "{head}");
            assert_eq!(played.bodies(path)[0]["stream_options"], json!({"include_usage": true}));
            let log = guarded.stop();
            let entry = &log.last().expect("an entry");
            assert_eq!(entry["unmapped"]["output_tokens"], json!(12));
            assert_eq!(entry["http_response"]["length"], json!(body.len()), "the bytes that the client got");
        }
    }
}

#[test]
fn a_client_that_asked_gets_all_of_it() {
    let reply = data("ollama-chat-completions-asked.sse");
    let played = replays(EVENTS, reply.clone(), 50);
    let guarded = Guarded::start(played.address, "ollama");
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "a"}], "stream": true,
                      "stream_options": {"include_usage": true}});
    assert_eq!(guarded.ask(CHAT, &body.to_string()).1, reply);
}

#[test]
fn an_answer_that_is_no_stream_passes_as_it_is() {
    let error = b"{\"error\":{\"message\":\"no\"},\"choices\":[],\"usage\":{\"prompt_tokens\":1}}";
    for status in [200, 400] {
        let played = Played::start(move |_, stream| whole(stream, status, "application/json", error));
        let guarded = Guarded::start(played.address, "ollama");
        let (head, body) = guarded.ask(CHAT, &question(true));
        assert_eq!(body, error);
        assert!(head.contains(&format!("content-length: {}", error.len())), "{head}");
    }
}

#[test]
fn a_stream_with_a_length_is_stripped_too() {
    let played = Played::start(|_, stream| whole(stream, 200, EVENTS, &data("ollama-chat-completions-asked.sse")));
    let guarded = Guarded::start(played.address, "ollama");
    let (_, body) = guarded.ask(CHAT, &question(true));
    assert_eq!(comparable(&body), comparable(&data("ollama-chat-completions.sse")));
}

#[test]
fn an_event_is_passed_on_before_the_next_one_comes() {
    let (go_on, going) = channel::<()>();
    let going = Mutex::new(going);
    let played = Played::start(move |got, stream| {
        if got.line.starts_with("GET ") {
            return version(stream);
        }
        chunked(stream, EVENTS);
        for number in 0..20 {
            // Each event is cut in the middle.
            let event = format!("data: {{\"choices\":[{{\"text\":\"{number}\"}}],\"usage\":{{\"prompt_tokens\":0}}}}\n\n");
            let (one, other) = event.split_at(30);
            chunk(stream, one.as_bytes());
            chunk(stream, other.as_bytes());
            if going.lock().expect("one test").recv_timeout(SOON).is_err() {
                return;
            }
        }
        chunk(
            stream,
            b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":20}}\n\n",
        );
        chunk(stream, b"");
    });
    let guarded = Guarded::start(played.address, "ollama");
    let mut reader = guarded.send("/v1/completions", &question(true));
    read_head(&mut reader);
    for number in 0..20 {
        let event = read_chunk(&mut reader).expect("an event");
        assert_eq!(
            String::from_utf8_lossy(&event),
            format!("data: {{\"choices\":[{{\"text\":\"{number}\"}}]}}\n\n")
        );
        go_on.send(()).expect("the server waits");
    }
    assert_eq!(read_chunk(&mut reader), None, "nothing but the end is left");
    let log = guarded.stop();
    assert_eq!(log[0]["unmapped"]["output_tokens"], json!(20));
}

#[test]
fn a_client_that_leaves_stops_the_server_and_is_counted() {
    for (path, kind, event) in [
        (CHAT, EVENTS, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"),
        (
            "/v1/completions",
            EVENTS,
            "data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n",
        ),
        (
            "/v1/messages",
            EVENTS,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n",
        ),
        ("/api/generate", "application/x-ndjson", "{\"response\":\"a\",\"done\":false}\n"),
    ] {
        let (sender, left) = channel::<()>();
        let sender = Mutex::new(sender);
        let played = Played::start(move |got, stream| {
            if got.line.starts_with("GET ") {
                return version(stream);
            }
            chunked(stream, kind);
            for _ in 0..5 {
                chunk(stream, event.as_bytes());
            }
            // The model is still busy; the connection says that nobody waits for it.
            stream.set_read_timeout(Some(SOON)).expect("set");
            if matches!(stream.read(&mut [0]), Ok(0)) || stream.take_error().ok().flatten().is_some() {
                sender.lock().expect("one test").send(()).expect("the test waits");
            }
        });
        let guarded = Guarded::start(played.address, "ollama");
        let mut reader = guarded.send(path, &question(true));
        read_head(&mut reader);
        let mut taken = 0;
        while taken < 5 {
            let piece = read_chunk(&mut reader).expect("an event");
            taken += String::from_utf8_lossy(&piece).lines().filter(|line| line.contains('{')).count();
        }
        drop(reader);
        left.recv_timeout(SOON)
            .unwrap_or_else(|_| panic!("{path}: the server was not told"));
        let log = guarded.stop();
        let entry = &log[0];
        assert_eq!(entry["status_code"], json!("aborted"), "{path}");
        assert_eq!(
            (
                &entry["unmapped"]["output_tokens"],
                &entry["unmapped"]["estimated"],
                &entry["unmapped"]["prompt_tokens"]
            ),
            (&json!(5), &json!(true), &json!(null)),
            "{path}"
        );
    }
}

#[test]
fn a_client_that_leaves_before_the_answer_begins_stops_the_server() {
    let (sender, left) = channel::<()>();
    let sender = Mutex::new(sender);
    let played = Played::start(move |got, stream| {
        if got.line.starts_with("GET ") {
            return version(stream);
        }
        stream.set_read_timeout(Some(SOON)).expect("set");
        if matches!(stream.read(&mut [0]), Ok(0)) {
            sender.lock().expect("one test").send(()).expect("the test waits");
        }
    });
    let guarded = Guarded::start(played.address, "ollama");
    let reader = guarded.send(CHAT, &question(true));
    crate::stage::soon("the server gets the request", || !played.bodies(CHAT).is_empty());
    drop(reader);
    left.recv_timeout(SOON).expect("the server was not told");
    assert_eq!(guarded.stop()[0]["status_code"], json!("aborted"));
}

/// With `VIGIE_OLLAMA=ADDRESS:PORT` of a real Ollama that has the model `tiny` and serves one request at a time.
#[test]
#[ignore = "needs a real server"]
fn a_real_ollama_stops_when_a_client_leaves() {
    let address: std::net::SocketAddr = std::env::var("VIGIE_OLLAMA").expect("an address").parse().expect("an address");
    let guarded = Guarded::start(address, "ollama");
    let ask = |tokens: u32| {
        format!("{{\"model\":\"tiny\",\"prompt\":\"Say\",\"max_tokens\":{tokens},\"stream\":true,\"seed\":7,\"temperature\":1.5}}")
    };
    let mut reader = guarded.send("/v1/completions", &ask(1_000_000));
    read_head(&mut reader);
    for _ in 0..5 {
        read_chunk(&mut reader).expect("a piece");
    }
    drop(reader);
    // The next in the queue has its turn at once.
    let since = std::time::Instant::now();
    guarded.ask("/v1/completions", &ask(2));
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    let log = guarded.stop();
    let left = log.iter().find(|entry| entry["status_code"] == "aborted").expect("one left");
    assert_eq!(left["unmapped"]["estimated"], json!(true));
    assert!(left["unmapped"]["output_tokens"].as_u64() >= Some(5), "{left}");
}

/// With `VIGIE_LLAMA_CPP=ADDRESS:PORT` of a real llama.cpp server.
#[test]
#[ignore = "needs a real server"]
fn a_real_llama_cpp_names_its_counters_unasked() {
    let address: std::net::SocketAddr = std::env::var("VIGIE_LLAMA_CPP").expect("an address").parse().expect("an address");
    // Times, what is cached, and what is made up anew each time.
    let comparable = |stream: &[u8]| {
        let text = comparable(stream);
        text.lines()
            .map(|line| line.split("\"timings\"").next().unwrap_or_default().to_owned())
            .map(|line| line.split("\"cached_tokens\"").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let guarded = Guarded::start(address, "llama-cpp");
    for path in [CHAT, "/v1/completions"] {
        for options in ["", ",\"stream_options\":{\"include_usage\":true}"] {
            let body = format!(
                "{{\"model\":\"tiny\",\"prompt\":\"Say\",\"messages\":[{{\"role\":\"user\",\"content\":\"Say something\"}}],\
                 \"max_tokens\":12,\"stream\":true,\"seed\":7{options}}}"
            );
            let (_, through) = guarded.ask(path, &body);
            let direct = crate::stage::direct(address, path, &body);
            assert!(direct.len() > 300);
            assert_eq!(comparable(&through), comparable(&direct), "{path} {options}");
        }
    }
    for entry in guarded.stop() {
        assert_eq!(entry["unmapped"]["output_tokens"], json!(12), "{entry}");
        assert_eq!(entry["unmapped"]["estimated"], json!(false), "{entry}");
    }
}

/// With `VIGIE_OLLAMA=ADDRESS:PORT` of a real Ollama that has the model `tiny`.
#[test]
#[ignore = "needs a real server"]
fn a_real_ollama_through_the_gateway_sends_what_it_sends_without() {
    let address: std::net::SocketAddr = std::env::var("VIGIE_OLLAMA").expect("an address").parse().expect("an address");
    let guarded = Guarded::start(address, "ollama");
    for path in [CHAT, "/v1/completions"] {
        for options in [
            "",
            ",\"stream_options\":{}",
            ",\"stream_options\":{\"include_usage\":false}",
            ",\"stream_options\":{\"include_usage\":true}",
        ] {
            let body = format!(
                "{{\"model\":\"tiny\",\"prompt\":\"Say\",\"messages\":[{{\"role\":\"user\",\"content\":\"Say something\"}}],\
                 \"max_tokens\":12,\"stream\":true,\"seed\":7,\"temperature\":1.5{options}}}"
            );
            let direct = crate::stage::direct(address, path, &body);
            let (_, through) = guarded.ask(path, &body);
            assert!(direct.len() > 300);
            assert_eq!(comparable(&through), comparable(&direct), "{path} {options}");
        }
    }
    for entry in guarded.stop() {
        assert_eq!(entry["unmapped"]["output_tokens"], json!(12), "{entry}");
        assert_eq!(entry["unmapped"]["estimated"], json!(false), "{entry}");
    }
}
