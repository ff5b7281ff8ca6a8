//! What was found is looked at.

use serde_json::Value;

use super::emulated::{Record, Service, raise, records};
use super::{User, number};
use crate::fleet::named;
use crate::{code, stderr, stdout, text, vigie};

#[test]
fn what_was_found_is_confirmed_within_the_scope_and_the_rest_is_left() {
    let (fleet, recorder) = crate::fleet::raise(9, &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key"]));
    let mut all: Vec<Record> = fleet
        .personalities()
        .iter()
        .map(|planted| Record {
            address: planted.address.ip().to_string(),
            port: planted.address.port(),
            country: "DE",
        })
        .collect();
    all.extend(records(&[("DE", 11434, 3)]));
    let running = raise(Service {
        records: all,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--confirm", "--quiet"]);
    let confirm = &told["confirm"];
    assert_eq!(
        (number(&confirm["found"]), number(&confirm["asked"]), number(&confirm["left"])),
        (5, 2, 3),
        "{told:#}"
    );
    let reasons = confirm["reasons"].to_string();
    assert!(reasons.contains("documentation") && reasons.contains("(3 such)"), "{reasons}");
    assert!(recorder.total() > 0);
    let shown = |address: &str| -> Value {
        let output = vigie(&["show", address, "--lake", text(&user.path("lake")), "--format", "json"]);
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
    };
    // The service called both Ollama; a look says what they are. Both are kept.
    let one = shown("127.91.9.2");
    let kinds: Vec<(&str, Option<&str>)> = one["observations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|seen| {
            (
                seen["source"]["kind"].as_str().unwrap_or_default(),
                seen["identity"]["product"]["known"].as_str(),
            )
        })
        .collect();
    assert!(
        kinds.contains(&("import", Some("ollama"))) && kinds.contains(&("scan", Some("llama-cpp"))),
        "{kinds:?}"
    );

    // A scope narrows it, and is read before a credit is spent.
    let scope = user.path("scope.toml");
    std::fs::write(
        &scope,
        "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2099-01-01\n[[range]]\ncidr = \"10.0.0.0/24\"\n[[exclude]]\ncidr = \"127.91.9.2\"\nreason = \"not this one\"\ndate = 2026-01-01\n",
    )
    .expect("written");
    recorder.clear();
    let told = user.told(
        "shodan",
        &running,
        &["--query", "product:Ollama", "--confirm", "--scope", text(&scope), "--quiet"],
    );
    assert_eq!(
        (number(&told["confirm"]["asked"]), number(&told["confirm"]["left"])),
        (1, 4),
        "{told:#}"
    );
    assert!(recorder.requests().iter().all(|seen| seen.address.ip().to_string() == "127.91.9.1"));
    let before = running.service().seen.len();
    let output = user.run(
        "shodan",
        &running,
        &["--query", "product:Ollama", "--confirm", "--scope", "/nonexistent"],
    );
    assert_eq!((code(&output), running.service().seen.len()), (2, before));
}
