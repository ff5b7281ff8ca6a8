//! Metrics and health.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::json;
use vigie_guard::config::files;

use crate::stage::{Guarded, Played, SOON, chunk, chunked, read_chunk, read_head, soon, version, whole};

#[test]
fn metrics_count_requests_and_tokens_and_hold_no_secret() {
    let played = Played::start(|got, stream| match got.line.starts_with("GET ") {
        true => version(stream),
        false if got.body.contains("missing") => whole(stream, 404, "application/json", b"{\"error\":\"no such model\"}"),
        false => whole(
            stream,
            200,
            "application/json",
            b"{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":40}}",
        ),
    });
    let guarded = Guarded::start(played.address, "ollama");
    let body = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "a prompt nobody may see"}]}).to_string();
    for _ in 0..3 {
        guarded.ask("/v1/chat/completions", &body("tiny"));
    }
    guarded.ask("/v1/chat/completions", &body("missing"));
    guarded.ask("/api/pull", "{\"model\":\"tiny\"}");
    soon("all requests are counted", || {
        guarded.look("/metrics").1.contains("outcome=\"not-granted\"")
    });
    let (head, text) = guarded.look("/metrics");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    for wanted in [
        "vigie_guard_requests_total{vigie_key=\"key-1\",outcome=\"answered\",status=\"200\"} 3\n",
        "vigie_guard_requests_total{vigie_key=\"key-1\",outcome=\"answered\",status=\"404\"} 1\n",
        "vigie_guard_requests_total{vigie_key=\"key-1\",outcome=\"not-granted\",status=\"403\"} 1\n",
        "gen_ai_client_token_usage_sum{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"ollama\",gen_ai_request_model=\"tiny:latest\",\
         gen_ai_token_type=\"output\",vigie_key=\"key-1\"} 120\n",
        "gen_ai_client_token_usage_bucket{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"ollama\",gen_ai_request_model=\"tiny:latest\",\
         gen_ai_token_type=\"input\",vigie_key=\"key-1\",le=\"4\"} 3\n",
        "gen_ai_server_request_duration_seconds_count{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"ollama\",\
         gen_ai_request_model=\"tiny:latest\"} 3\n",
        "vigie_guard_log_broken 0\n",
        "vigie_guard_keys 1\n",
        "vigie_guard_upstream_up 1\n",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    let lines = text.lines().find_map(|line| line.strip_prefix("vigie_guard_log_lines_total "));
    assert!(lines.and_then(|lines| lines.parse::<u64>().ok()) > Some(0), "{text}");
    for hidden in [guarded.secret.as_str(), "nobody may see", "a name", "missing"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[test]
fn open_streams_are_counted_while_they_are_open() {
    let (go_on, going) = channel::<()>();
    let going = Mutex::new(going);
    let played = Played::start(move |got, stream| {
        if got.line.starts_with("GET ") {
            return version(stream);
        }
        chunked(stream, "application/x-ndjson");
        chunk(stream, b"{\"response\":\"a\",\"done\":false}\n");
        let _ = going.lock().expect("one test").recv_timeout(SOON);
        chunk(stream, b"{\"done\":true,\"prompt_eval_count\":1,\"eval_count\":9}\n");
        chunk(stream, b"");
    });
    let guarded = Guarded::start(played.address, "ollama");
    let mut reader = guarded.send("/api/generate", "{\"model\":\"tiny\",\"prompt\":\"a\"}");
    read_head(&mut reader);
    read_chunk(&mut reader);
    assert!(guarded.look("/metrics").1.contains("vigie_guard_open_streams 1\n"));
    go_on.send(()).expect("the server waits");
    while read_chunk(&mut reader).is_some() {}
    soon("the stream is over", || {
        let text = guarded.look("/metrics").1;
        text.contains("vigie_guard_open_streams 0\n") && text.contains("gen_ai_server_time_to_first_token_seconds_count")
    });
}

#[test]
fn health_and_readiness() {
    let played = Played::start(|_, stream| version(stream));
    let guarded = Guarded::start(played.address, "ollama");
    assert!(guarded.look("/healthz").0.starts_with("HTTP/1.1 200 "));
    soon("it is ready", || guarded.look("/readyz").0.starts_with("HTTP/1.1 200 "));
    let keys = guarded.dir.path().join(files::KEYS);
    let stored = std::fs::read(&keys).expect("read");
    std::fs::write(&keys, "this is no key store").expect("written");
    soon("a store that does not read is not ready", || {
        let (head, body) = guarded.look("/readyz");
        head.starts_with("HTTP/1.1 503 ") && body == "the key store cannot be read\n"
    });
    assert!(guarded.look("/healthz").0.starts_with("HTTP/1.1 200 "), "the process lives");
    std::fs::write(&keys, stored).expect("written");
    soon("it is ready again", || guarded.look("/readyz").0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_gateway_without_a_server_behind_is_not_ready() {
    for product in ["ollama", "llama-cpp"] {
        let played = Played::start(|_, stream| whole(stream, 503, "application/json", b"{\"error\":\"loading\"}"));
        let guarded = Guarded::start(played.address, product);
        soon("the server is asked", || !played.got.lock().expect("the list").is_empty());
        let (head, body) = guarded.look("/readyz");
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert_eq!(body, "the server behind does not answer\n");
        let asked = played.got.lock().expect("the list")[0].line.clone();
        assert!(asked.starts_with("GET /"), "{asked}");
    }
}

#[test]
fn only_monitors_are_answered() {
    let played = Played::start(|_, stream| version(stream));
    let guarded = Guarded::start(played.address, "ollama");
    for (request, status) in [
        ("GET /metrics HTTP/1.1\r\nhost: localhost:9464\r\n\r\n", "200"),
        ("GET /metrics HTTP/1.1\r\nhost: [::1]:9464\r\n\r\n", "200"),
        ("HEAD /healthz HTTP/1.1\r\nhost: 127.0.0.1:9464\r\n\r\n", "200"),
        ("GET /metrics HTTP/1.1\r\nhost: evil.example\r\n\r\n", "403"),
        (
            "GET /metrics HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\r\n",
            "403",
        ),
        (
            "GET /metrics HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site\r\n\r\n",
            "403",
        ),
        ("POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n", "405"),
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "404"),
        ("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n", "404"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let (head, _) = guarded.admin(request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
    }
    assert!(
        played
            .got
            .lock()
            .expect("the list")
            .iter()
            .all(|got| got.line.contains("/api/version")),
        "nothing is passed on"
    );
}
