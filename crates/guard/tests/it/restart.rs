//! The server behind restarts as another version, or as something else.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::stage::{Guarded, Played, soon, whole};

/// A description of a cloud model: from 0.18.0 on, and where the version is not known, it uses the host's account.
const SHOW: &str = "{\"model\":\"x:cloud\"}";

fn status(guarded: &Guarded) -> String {
    guarded.ask("/api/show", SHOW).0.split(' ').nth(1).expect("a status").to_owned()
}

#[test]
fn a_server_that_restarts_gets_the_table_of_what_it_is_now() {
    let says: Arc<Mutex<Option<(u16, &str)>>> = Arc::new(Mutex::new(Some((200, "{\"version\":\"0.17.4\"}"))));
    let now = Arc::clone(&says);
    let played = Played::start(move |got, stream| {
        let Some((status, version)) = *now.lock().expect("no thread panicked") else {
            return;
        };
        match got.line.contains("/api/version") {
            true => whole(stream, status, "application/json", version.as_bytes()),
            false => whole(stream, 200, "application/json", b"{}"),
        }
    });
    let guarded = Guarded::start(played.address, "ollama");
    let becomes = |next| {
        // The next request gets no answer, as while a server restarts.
        *says.lock().expect("no thread panicked") = None;
        let (head, _) = guarded.ask("/api/show", "{\"model\":\"tiny\"}");
        assert!(head.contains(" 502 "), "{head}");
        // Nobody knows what comes up: the strictest table holds at once.
        soon("the strictest table", || status(&guarded) == "403");
        *says.lock().expect("no thread panicked") = Some(next);
    };
    assert_eq!(status(&guarded), "200");
    becomes((200, "{\"version\":\"0.17.0\"}"));
    soon("the table of the version", || status(&guarded) == "200");
    // Another product, which has no such route, one that answers anything, and versions that nobody knows.
    for next in [
        (404, "{\"error\":\"not found\"}"),
        (200, "<html></html>"),
        (200, "{\"version\":\"0.0.0\"}"),
        (200, "{\"version\":[1]}"),
        (200, "{\"version\":\"0.18.0\"}"),
    ] {
        becomes(next);
        soon("it was looked at", || guarded.look("/readyz").0.contains(" 200 "));
        assert_eq!(status(&guarded), "403", "{next:?}");
        becomes((200, "{\"version\":\"0.17.4\"}"));
        soon("the table of the version", || status(&guarded) == "200");
    }
    let versions: Vec<_> = guarded
        .stop_and_list("upstream")
        .iter()
        .map(|line| line["unmapped"]["version"].clone())
        .collect();
    assert_eq!(versions[..3], [json!(null), json!("0.17.0"), json!(null)], "{versions:?}");
    assert_eq!(versions.last(), Some(&json!("0.17.4")));
}

#[test]
fn each_product_is_looked_at_where_its_own_route_tells() {
    for (product, path, reply, version) in [
        ("ollama", "/api/version", "{\"version\":\"0.12.6\"}", Some("0.12.6")),
        ("vllm", "/version", "{\"version\":\"0.32.0\"}", Some("0.32.0")),
        ("llama-cpp", "/props", "{\"build_info\":\"b10434-0123abc\"}", Some("b10434")),
        ("sglang", "/get_server_info", "{\"version\":\"0.5.6\"}", Some("0.5.6")),
        ("tgi", "/info", "{\"version\":\"3.3.6\"}", Some("3.3.6")),
        ("localai", "/version", "{\"version\":\"v2.12.0 (0123abc)\"}", Some("v2.12.0")),
        ("lm-studio", "/lmstudio-greeting", "{\"lmstudio\":true}", None),
        ("openai-compatible", "/v1/models", "{\"object\":\"list\",\"data\":[]}", None),
    ] {
        let played = Played::start(move |got, stream| match got.line.split(' ').nth(1) == Some(path) {
            true => whole(stream, 200, "application/json", reply.as_bytes()),
            false => whole(stream, 404, "text/plain", b"no"),
        });
        let guarded = Guarded::start(played.address, product);
        soon("it is ready", || guarded.look("/readyz").0.contains(" 200 "));
        let lines = guarded.stop_and_list("upstream");
        let named = lines.last().and_then(|line| line["unmapped"]["version"].as_str());
        assert_eq!(named, version, "{product}: {lines:?}");
        let asked: Vec<String> = played
            .got
            .lock()
            .expect("no thread panicked")
            .iter()
            .map(|got| got.line.clone())
            .collect();
        assert!(asked.iter().all(|line| line.starts_with("GET ")), "{asked:?}");
    }
}
