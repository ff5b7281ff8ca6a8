//! Grants that depend on where a client is, and on the models that the server has at the moment.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use vigie_guard::init::write_keys;
use vigie_guard::key::{Grant, KeyFile, Pattern};
use vigie_model::{Effect, EffectSet};

use super::stage::{Guarded, Played, version, whole};

const CHAT: &str = r#"{"model":"tiny","messages":[{"role":"user","content":"hi"}],"stream":false}"#;

/// Gives the gateway's one key another grant, which holds at the next request.
fn grant(guarded: &Guarded, change: impl FnOnce(&mut Grant)) {
    let path = guarded.dir.path().join("keys.json");
    let mut file = KeyFile::parse(&std::fs::read_to_string(&path).expect("read")).expect("it reads");
    change(&mut file.keys[0].grant);
    write_keys(guarded.dir.path(), &file).expect("written");
    std::thread::sleep(std::time::Duration::from_millis(30));
}

fn status(guarded: &Guarded, path: &str, body: &str) -> u16 {
    let (head, _) = guarded.ask(path, body);
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// A server with two models, one of which another service runs; the digest of the other is the test's. Whatever is posted to
/// `/api/pull` changes it.
fn server(digest: &'static Mutex<char>) -> Played {
    Played::start(move |got, stream| match got.line.split(' ').nth(1) {
        Some("/api/version") => version(stream),
        Some("/api/tags") => {
            let digest: String = std::iter::repeat_n(*digest.lock().expect("it"), 64).collect();
            let list = json!({"models": [
                {"name": "tiny:latest", "model": "tiny:latest", "digest": digest},
                {"name": "mine:latest", "model": "mine:latest", "digest": "e".repeat(64), "remote_host": "https://ollama.com:443", "remote_model": "x"},
            ]});
            whole(stream, 200, "application/json", list.to_string().as_bytes());
        }
        Some("/api/pull") => {
            *digest.lock().expect("it") = 'b';
            whole(stream, 200, "application/x-ndjson", b"{\"status\":\"success\"}\n");
        }
        _ => whole(
            stream,
            200,
            "application/json",
            b"{\"done\":true,\"prompt_eval_count\":1,\"eval_count\":1}",
        ),
    })
}

fn listed(guarded: &Guarded) -> Vec<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(guarded.gateway.address()).expect("a connection");
    let request = format!(
        "GET /api/tags HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        guarded.secret
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let list: Value = serde_json::from_str(body).expect("JSON");
    let names = list["models"].as_array().expect("a list").iter();
    names.map(|model| model["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_pinned_model_is_refused_once_another_digest_is_behind_its_name() {
    static DIGEST: Mutex<char> = Mutex::new('a');
    let server = server(&DIGEST);
    let guarded = Guarded::start(server.address, "ollama");
    grant(&guarded, |grant| {
        grant.models = vec![Pattern::new(format!("tiny@sha256:{}", "a".repeat(64)))]
    });
    assert_eq!(status(&guarded, "/api/chat", CHAT), 200);
    assert_eq!(listed(&guarded), ["tiny:latest"]);
    // A pull through the gateway is known at once.
    grant(&guarded, |grant| {
        grant.effects = EffectSet::EMPTY.with(Effect::Infer).with(Effect::Write)
    });
    assert_eq!(status(&guarded, "/api/pull", r#"{"model":"tiny"}"#), 200);
    assert_eq!(status(&guarded, "/api/chat", CHAT), 403);
    assert_eq!(listed(&guarded), Vec::<String>::new());
    // What happens behind the gateway's back is known within a second.
    *DIGEST.lock().expect("it") = 'a';
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    assert_eq!(status(&guarded, "/api/chat", CHAT), 200);
    *DIGEST.lock().expect("it") = 'c';
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    assert_eq!(status(&guarded, "/api/chat", CHAT), 403);
    let log = guarded.dir.path().join("log");
    guarded.gateway.stop();
    let files = std::fs::read_dir(log).expect("a log").map(|file| file.expect("a file").path());
    let lines: String = files.map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect();
    assert!(lines.contains("whose digest is not the pinned one"), "{lines}");
}

#[test]
fn a_pinned_model_is_refused_where_the_server_tells_no_digest() {
    let server = Played::start(|got, stream| match got.line.split(' ').nth(1) {
        Some("/api/version") => version(stream),
        Some("/api/tags") => whole(
            stream,
            200,
            "application/json",
            b"{\"models\":[{\"name\":\"tiny:latest\",\"model\":\"tiny:latest\"}]}",
        ),
        _ => whole(stream, 200, "application/json", b"{\"done\":true}"),
    });
    let guarded = Guarded::start(server.address, "ollama");
    grant(&guarded, |grant| {
        grant.models = vec![Pattern::new(format!("*@sha256:{}", "a".repeat(64)))]
    });
    assert_eq!(status(&guarded, "/api/chat", CHAT), 403);
    assert_eq!(server.bodies("/api/chat"), Vec::<Value>::new());
}

#[test]
fn many_requests_ask_for_the_digests_once() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let server = Played::start(|got, stream| match got.line.split(' ').nth(1) {
        Some("/api/version") => version(stream),
        Some("/api/tags") => {
            ASKED.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(100));
            let list = json!({"models": [{"name": "tiny:latest", "model": "tiny:latest", "digest": "a".repeat(64)}]});
            whole(stream, 200, "application/json", list.to_string().as_bytes());
        }
        _ => whole(stream, 200, "application/json", b"{\"done\":true}"),
    });
    let guarded = Guarded::start(server.address, "ollama");
    grant(&guarded, |grant| {
        grant.models = vec![Pattern::new(format!("tiny@sha256:{}", "a".repeat(64)))]
    });
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    let before = ASKED.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        let asks: Vec<_> = (0..16).map(|_| scope.spawn(|| status(&guarded, "/api/chat", CHAT))).collect();
        assert!(asks.into_iter().all(|ask| ask.join().expect("no panic") == 200));
    });
    assert_eq!(ASKED.load(Ordering::SeqCst) - before, 1);
}

#[test]
fn a_local_name_of_a_cloud_model_is_for_keys_that_may_use_those() {
    static DIGEST: Mutex<char> = Mutex::new('a');
    let server = server(&DIGEST);
    let guarded = Guarded::start(server.address, "ollama");
    let mine = CHAT.replace("tiny", "mine");
    assert_eq!(status(&guarded, "/api/chat", CHAT), 200);
    // No key makes a difference of it, so that nobody asked; a list that passes through tells it.
    assert!(
        !server
            .got
            .lock()
            .expect("the list")
            .iter()
            .any(|got| got.line.contains("/api/tags"))
    );
    assert_eq!(listed(&guarded), ["tiny:latest"]);
    assert_eq!(status(&guarded, "/api/chat", &mine), 403);
    grant(&guarded, |grant| grant.cloud = true);
    assert_eq!(status(&guarded, "/api/chat", &mine), 200);
    assert_eq!(status(&guarded, "/api/chat", &CHAT.replace("tiny", "x:cloud")), 200);
    assert_eq!(status(&guarded, "/api/me", "{}"), 403);
    assert_eq!(listed(&guarded), ["tiny:latest", "mine:latest"]);
}

#[test]
fn networks_and_hours_hold_from_the_next_request_on() {
    static DIGEST: Mutex<char> = Mutex::new('a');
    let server = server(&DIGEST);
    let guarded = Guarded::start(server.address, "ollama");
    grant(&guarded, |grant| grant.networks = vec!["127.0.0.0/8".parse().expect("a network")]);
    assert_eq!(status(&guarded, "/api/chat", CHAT), 200);
    grant(&guarded, |grant| grant.networks = vec!["192.0.2.0/24".parse().expect("a network")]);
    assert_eq!(status(&guarded, "/api/chat", CHAT), 403);
    // Hours that are over: those before and after the day that is now.
    let day = chrono::Utc::now().format("%a").to_string();
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let at = days.iter().position(|name| *name == day).expect("a day");
    let far = days[(at + 3) % 7];
    grant(&guarded, |grant| {
        grant.networks.clear();
        grant.hours = vec![format!("{far} 00:00-24:00 UTC").parse().expect("hours")];
    });
    assert_eq!(status(&guarded, "/api/chat", CHAT), 403);
    grant(&guarded, |grant| {
        grant.hours.push("Mon-Sun 00:00-24:00 Europe/Berlin".parse().expect("hours"))
    });
    assert_eq!(status(&guarded, "/api/chat", CHAT), 200);
}
