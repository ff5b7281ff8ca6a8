//! Metrics and traces for a collector. What a real collector makes of them, tests/guard/telemetry.py looks at.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vigie_guard::config::{TelemetryConfig, files};

use crate::stage::{Guarded, Played, read_answer, soon, version, whole};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const ANSWER: &[u8] = b"{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":40}}";

fn server() -> Played {
    Played::start(|got, stream| match got.line.starts_with("GET ") {
        true => version(stream),
        false => whole(stream, 200, "application/json", ANSWER),
    })
}

fn telemetry(collector: SocketAddr, more: &str) -> TelemetryConfig {
    toml::from_str(&format!("endpoint = \"http://{collector}/otlp\"\ninterval = 1\n{more}")).expect("it reads")
}

fn guarded(played: &Played, collector: SocketAddr, more: &str) -> Guarded {
    let change = |config: &mut vigie_guard::config::Config| config.telemetry = Some(telemetry(collector, more));
    Guarded::configured(played.address, "ollama", change, 1)
}

fn body() -> String {
    json!({"model": "tiny", "messages": [{"role": "user", "content": "a prompt nobody may see"}]}).to_string()
}

/// Asks with headers of the client's own.
fn ask(guarded: &Guarded, secret: &str, headers: &str) {
    let body = body();
    let mut stream = TcpStream::connect(guarded.gateway.address()).expect("a connection");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {secret}\r\n{headers}content-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    read_answer(&mut std::io::BufReader::new(stream));
}

/// What a collector got for one signal.
fn got(collector: &Played, signal: &str) -> Vec<Value> {
    let line = format!("POST /otlp/v1/{signal} HTTP/1.1");
    let got = collector.got.lock().expect("the list");
    let bodies = got.iter().filter(|got| got.line == line);
    bodies.map(|got| serde_json::from_str(&got.body).expect("JSON")).collect()
}

fn spans(collector: &Played) -> Vec<Value> {
    let of = |message: Value| {
        message["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .expect("spans")
            .clone()
    };
    got(collector, "traces").into_iter().flat_map(of).collect()
}

fn attribute(list: &Value, name: &str) -> Option<Value> {
    let found = list.as_array()?.iter().find(|attribute| attribute["key"] == name)?;
    found["value"].as_object()?.values().next().cloned()
}

#[test]
fn a_request_is_a_span_and_nothing_secret_leaves() {
    let collector = Played::start(|_, stream| whole(stream, 200, "application/json", b"{}"));
    let played = server();
    let guarded = guarded(
        &played,
        collector.address,
        "traces = true\nservice_name = \"lab\"\nresource = { team = \"ml\" }\n",
    );
    ask(
        &guarded,
        &guarded.secret,
        &format!("traceparent: {TRACEPARENT}\r\ntracestate: a=b\r\nbaggage: c=d\r\n"),
    );
    ask(&guarded, "vigie_nonsense", &format!("traceparent: {TRACEPARENT}\r\n"));
    ask(
        &guarded,
        &guarded.secret,
        &format!("traceparent: {TRACEPARENT}\r\ntraceparent: {TRACEPARENT}\r\n"),
    );
    soon("the spans come", || spans(&collector).len() == 3);
    let spans = spans(&collector);
    let of = |span: &Value, name: &str| attribute(&span["attributes"], name);
    let continued: Vec<&Value> = spans
        .iter()
        .filter(|span| span["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736")
        .collect();
    assert_eq!(continued.len(), 1, "neither without a key nor with two headers: {spans:?}");
    let span = continued[0];
    assert_eq!(span["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!((&span["name"], &span["kind"]), (&json!("chat tiny:latest"), &json!(2)));
    for (name, wanted) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("ollama")),
        ("gen_ai.request.model", json!("tiny:latest")),
        ("gen_ai.usage.input_tokens", json!("3")),
        ("gen_ai.usage.output_tokens", json!("40")),
        ("http.route", json!("/v1/chat/completions")),
        ("http.response.status_code", json!("200")),
        ("vigie.key", json!("key-1")),
    ] {
        assert_eq!(of(span, name), Some(wanted), "{name}");
    }
    let refused = spans
        .iter()
        .find(|span| of(span, "http.response.status_code") == Some(json!("401")))
        .expect("the refusal");
    assert_eq!(
        (of(refused, "vigie.outcome"), of(refused, "vigie.key")),
        (of(refused, "error.type"), None)
    );
    // What arrives behind is written anew: the gateway's span is the parent.
    let behind: Vec<String> = played.got.lock().expect("the list").iter().map(|got| got.head.clone()).collect();
    let id = span["spanId"].as_str().expect("an id");
    assert!(
        behind
            .iter()
            .any(|head| head.contains(&format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{id}-01\r\n"))),
        "{behind:?}"
    );
    assert!(
        !behind.iter().any(|head| head.contains("tracestate") || head.contains("baggage")),
        "{behind:?}"
    );
    soon("the metrics come", || !got(&collector, "metrics").is_empty());
    let metrics = got(&collector, "metrics");
    let resource = &metrics[0]["resourceMetrics"][0]["resource"]["attributes"];
    assert_eq!(attribute(resource, "service.name"), Some(json!("lab")));
    assert_eq!(attribute(resource, "team"), Some(json!("ml")));
    let secret = guarded.secret.clone();
    let logged = guarded.stop();
    assert!(
        logged.iter().any(|line| line.to_string().contains(id)),
        "the span has the id of the request in the log"
    );
    for message in collector.got.lock().expect("the list").iter() {
        for hidden in [secret.as_str(), "nonsense", "nobody may see", "a name"] {
            assert!(!message.body.contains(hidden), "{hidden}: {}", message.body);
        }
    }
}

#[test]
fn what_is_sampled_is_the_gateways_choice() {
    let collector = Played::start(|_, stream| whole(stream, 200, "application/json", b""));
    let played = server();
    let guarded = guarded(&played, collector.address, "traces = true\nsample = 0\n");
    ask(
        &guarded,
        &guarded.secret,
        &format!("traceparent: {}\r\n", TRACEPARENT.replace("b7-00", "b7-01")),
    );
    let behind = || {
        played
            .got
            .lock()
            .expect("the list")
            .iter()
            .any(|got| got.head.contains("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-") && got.head.contains("-00\r\n"))
    };
    soon("the server behind is told that nothing is recorded", behind);
    guarded.gateway.stop();
    assert_eq!(spans(&collector), Vec::<Value>::new());
}

#[test]
fn without_telemetry_no_trace_is_passed_on_and_a_reload_begins_it() {
    let collector = Played::start(|_, stream| whole(stream, 200, "application/json", b"{}"));
    let played = server();
    let guarded = Guarded::start(played.address, "ollama");
    ask(&guarded, &guarded.secret, &format!("traceparent: {TRACEPARENT}\r\n"));
    assert!(
        !played
            .got
            .lock()
            .expect("the list")
            .iter()
            .any(|got| got.head.contains("traceparent"))
    );
    assert!(!guarded.look("/metrics").1.contains("vigie_guard_telemetry"));
    let path = guarded.dir.path().join(files::CONFIG);
    let before = std::fs::read_to_string(&path).expect("read");
    std::fs::write(guarded.dir.path().join("collector-headers"), "x-token: s3cret\n").expect("written");
    let table = format!(
        "{before}\n[telemetry]\nendpoint = \"http://{}/otlp\"\nheaders = \"collector-headers\"\ninterval = 1\ntraces = true\n",
        collector.address
    );
    std::fs::write(&path, table).expect("written");
    soon("it holds", || guarded.look("/metrics").1.contains("vigie_guard_telemetry_queue"));
    ask(&guarded, &guarded.secret, "");
    soon("the span comes", || spans(&collector).len() == 1);
    assert!(
        collector
            .got
            .lock()
            .expect("the list")
            .iter()
            .all(|got| got.head.contains("x-token: s3cret\r\n"))
    );
    assert!(!guarded.look("/metrics").1.contains("s3cret"));
    guarded.gateway.stop();
}

#[test]
fn a_collector_that_is_busy_gets_the_spans_later_and_one_that_is_none_gets_them_once() {
    let asked = AtomicUsize::new(0);
    let busy = Played::start(
        move |got, stream| match asked.fetch_add(usize::from(got.line.contains("traces")), Ordering::SeqCst) {
            0 => {
                let answer = "HTTP/1.1 429 X\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).expect("written");
            }
            _ => whole(stream, 200, "application/json", b"{\"partialSuccess\":{\"rejectedSpans\":\"1\"}}"),
        },
    );
    let played = server();
    let guarded_by = guarded(&played, busy.address, "metrics = false\ntraces = true\n");
    ask(&guarded_by, &guarded_by.secret, "");
    ask(&guarded_by, &guarded_by.secret, "");
    soon("the collector is asked", || spans(&busy).len() >= 2);
    let since = Instant::now();
    soon("and again", || spans(&busy).len() >= 4);
    assert!(since.elapsed() > Duration::from_millis(1_500), "not before it said");
    soon("one was rejected", || {
        let text = guarded_by.look("/metrics").1;
        text.contains("vigie_guard_telemetry_spans_total{outcome=\"sent\"} 1\n") && text.contains("{outcome=\"rejected\"} 1\n")
    });
    guarded_by.gateway.stop();
    let page = Played::start(|_, stream| whole(stream, 200, "text/html", b"<h1>It works!</h1>"));
    let guarded = guarded(&played, page.address, "metrics = false\ntraces = true\n");
    ask(&guarded, &guarded.secret, "");
    soon("what is no collector took nothing", || {
        guarded.look("/metrics").1.contains("{outcome=\"rejected\"} 1\n")
    });
    guarded.gateway.stop();
    assert_eq!(spans(&page).len(), 1);
}

#[test]
fn a_collector_that_never_answers_holds_up_neither_requests_nor_the_end() {
    // It accepts, reads nothing and answers nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let played = server();
    let guarded = guarded(&played, silent.local_addr().expect("an address"), "traces = true\n");
    let since = Instant::now();
    for _ in 0..200 {
        guarded.ask("/v1/chat/completions", &body());
    }
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    soon("it is being sent to", || {
        silent.set_nonblocking(true).is_ok() && silent.accept().is_ok()
    });
    let since = Instant::now();
    guarded.gateway.stop();
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
}
