//! `vigie diff`: what changed between scans of simulated servers, and what must not be reported as a change.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use vigie_lake::Lake;

use crate::fleet::{raise_at, raise_on};
use crate::scan::PORT;
use crate::schemas::Published;
use crate::{code, stderr, stdout, text, vigie};

const OLD: &str = "ollama/0.12.6-one-model";
const NEW: &str = "ollama/0.17.4-one-model";
const EMPTY: &str = "ollama/0.17.4-no-model";
const KEY: &str = "llama-cpp/b11549-key";
const OPEN: &str = "llama-cpp/b11549-open";

/// Scans, and returns a time after the scan.
fn scan(lake: &Path, targets: &str, more: &[&str]) -> String {
    let words = [&["scan", targets, "--ports", PORT, "--quiet", "--lake", text(lake)], more].concat();
    let output = vigie(&words);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    now()
}

/// A time after everything so far and before everything that follows.
fn now() -> String {
    let now = chrono::Utc::now();
    std::thread::sleep(std::time::Duration::from_millis(5));
    now.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

fn diff(lake: &Path, since: &str, until: &str) -> Value {
    let output = vigie(&["diff", since, until, "--lake", text(lake), "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let diff: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(diff["schema"], "vigie.diff/1");
    Published::new().assert_diff(&diff);
    diff
}

/// The presence and the ids of the changes of each address.
fn reported(diff: &Value) -> BTreeMap<String, (String, Vec<String>)> {
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    let endpoints = diff["endpoints"].as_array().expect("a list");
    endpoints
        .iter()
        .map(|endpoint| {
            let changes = endpoint["changes"].as_array().expect("a list");
            let ids = changes.iter().map(|change| word(&change["id"])).collect();
            (word(&endpoint["address"]), (word(&endpoint["presence"]), ids))
        })
        .collect()
}

#[track_caller]
fn assert_reported(diff: &Value, address: &str, presence: &str, ids: &[&str]) {
    let all = reported(diff);
    let (is, changes) = all.get(address).unwrap_or_else(|| panic!("{address} is not in {all:?}"));
    assert_eq!(is, presence, "{address}");
    for id in ids {
        assert!(changes.iter().any(|change| change == id), "{address}: {id} is not in {changes:?}");
    }
}

#[test]
fn endpoints_that_appear_go_and_change_are_reported() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let targets = "127.91.20.1-127.91.20.7";
    let fleet = raise_at(20, &[(1, OLD), (2, EMPTY), (3, KEY), (4, NEW), (6, OPEN)]);
    let before = scan(&lake, targets, &[]);
    fleet.stop();
    let fleet = raise_at(20, &[(1, NEW), (2, NEW), (3, OPEN), (5, NEW), (6, OPEN)]);
    let after = scan(&lake, targets, &[]);

    let changed = diff(&lake, &before, &after);
    assert_reported(&changed, "127.91.20.1", "stayed", &["upgraded"]);
    assert_reported(&changed, "127.91.20.2", "stayed", &["new-model"]);
    assert_reported(&changed, "127.91.20.3", "stayed", &["lost-authentication"]);
    assert_reported(&changed, "127.91.20.4", "gone", &[]);
    assert_reported(&changed, "127.91.20.5", "appeared", &[]);
    assert!(!reported(&changed).contains_key("127.91.20.6"), "it did not change: {changed:#}");
    let counts = &changed["counts"];
    for (what, count) in [
        ("appeared", 1),
        ("gone", 1),
        ("changed", 3),
        ("unchanged", 1),
        ("not_looked_at", 0),
        ("first_seen", 0),
    ] {
        assert_eq!(counts[what], count, "{what}: {counts}");
    }
    let worst = &changed["endpoints"][0];
    assert_eq!(
        (worst["address"].as_str(), worst["severity"].as_str()),
        (Some("127.91.20.3"), Some("high")),
        "{worst:#}"
    );
    assert_eq!(worst["changes"][0]["before"]["known"], "key");
    assert_eq!(worst["changes"][0]["after"]["known"], "open");
    let gone = changed["endpoints"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|e| e["presence"] == "gone");
    assert!(
        gone.is_some_and(|gone| gone["not_found_by"]["scan"].is_string() && gone["after"].is_null()),
        "{gone:?}"
    );

    // The table for people, and the exit codes.
    let table = |more: &[&str]| vigie(&[&["diff", &before, &after, "--lake", text(&lake)], more].concat());
    let output = table(&["--fail-on-change"]);
    assert_eq!(code(&output), 1);
    let shown = stdout(&output);
    for words in [
        "lost authentication: key → open",
        "upgraded: 0.12.6 → 0.17.4",
        "new model: ",
        "appeared: ollama 0.17.4, open",
        "gone: ollama 0.17.4, open; last seen",
        "1 appeared, 1 gone, 3 changed, 1 unchanged",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(code(&table(&["--fail-on-change=high"])), 1);
    assert_eq!(code(&table(&["--fail-on-change=critical"])), 0);
    assert_eq!(code(&table(&[])), 0);

    // Nothing changed since, and an endpoint that was gone is not reported again.
    let later = scan(&lake, targets, &[]);
    let quiet = diff(&lake, &after, &later);
    assert_eq!(quiet["endpoints"].as_array().map(Vec::len), Some(0), "{quiet:#}");
    assert_eq!(quiet["counts"]["unchanged"], 5);
    let output = vigie(&["diff", &after, &later, "--lake", text(&lake), "--fail-on-change"]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).contains("Nothing changed."), "{}", stdout(&output));

    // An endpoint that had gone and comes back appears; before the first scan, nothing had been scanned.
    fleet.stop();
    let _fleet = raise_at(20, &[(4, NEW)]);
    let back = scan(&lake, targets, &[]);
    assert_reported(&diff(&lake, &later, &back), "127.91.20.4", "appeared", &[]);
    let all = diff(&lake, "1d", &before);
    assert_eq!(all["counts"]["first_seen"], 5, "{all:#}");
    assert_eq!(all["counts"]["appeared"], 0);
    // From the first state to the last one: an endpoint that was gone in between is unchanged.
    let across = diff(&lake, &before, "now");
    assert!(!reported(&across).contains_key("127.91.20.4"), "{across:#}");
    assert_eq!(across["counts"]["gone"], 4);
    assert_eq!(across["counts"]["came_and_went"], 1);
}

#[test]
fn a_scan_of_other_targets_makes_nothing_vanish() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let _fleet = raise_at(21, &[(1, NEW), (2, NEW), (3, KEY)]);
    let before = scan(&lake, "127.91.21.1-127.91.21.3", &[]);

    // Fewer addresses, another port.
    scan(&lake, "127.91.21.1", &[]);
    let words = ["scan", "127.91.21.0/29", "--ports", "21435", "--quiet", "--lake", text(&lake)];
    assert_eq!(code(&vigie(&words)), 0);
    // Half of it.
    let half = scan(&lake, "127.91.21.4-127.91.21.7", &["--shard", "1/2", "--seed", "7"]);
    let narrow = diff(&lake, &before, &half);
    assert_eq!(narrow["counts"]["gone"], 0, "{narrow:#}");
    assert_eq!(narrow["counts"]["unchanged"], 1);
    assert_eq!(narrow["counts"]["not_looked_at"], 2);
    assert_reported(&narrow, "127.91.21.2", "not-looked-at", &[]);
    let output = vigie(&["diff", &before, &half, "--lake", text(&lake), "--fail-on-change"]);
    assert_eq!(code(&output), 0, "an endpoint that was not scanned did not change");
    let shown = stdout(&output);
    assert!(shown.contains("Nothing changed.") && shown.contains("2 not scanned"), "{shown}");
    assert!(!shown.contains("127.91.21.2"), "{shown}");
    let output = vigie(&["diff", &before, &half, "--lake", text(&lake), "--verbose"]);
    assert!(stdout(&output).contains("127.91.21.2"), "{}", stdout(&output));
}

#[test]
fn an_interrupted_scan_and_another_vantage_prove_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let fleet = raise_at(22, &[(1, NEW), (2, KEY)]);
    let before = scan(&lake, "127.91.22.1-127.91.22.2", &[]);
    fleet.stop();
    let fleet = raise_at(22, &[(2, OPEN)]);

    // The same scan once more, as the lake records an interrupted one.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let open = Lake::open(&lake).await.expect("a lake");
        let mut scan = open.scans().await.expect("read").remove(0);
        assert_eq!(
            scan.covers.known().map(String::as_str),
            Some("21434 at 127.91.22.1-127.91.22.2"),
            "{scan:?}"
        );
        assert_eq!(scan.missed.known().map(Vec::len), Some(0));
        scan.id = "interrupted".to_owned();
        scan.started = chrono::Utc::now();
        scan.finished = None;
        open.record_scan(&scan, chrono::Utc::now()).await.expect("kept");
    });
    let interrupted = now();
    let nothing = diff(&lake, &before, &interrupted);
    assert_eq!(nothing["counts"]["not_looked_at"], 2, "{nothing:#}");
    assert_eq!(nothing["counts"]["gone"], 0);

    // From another vantage the same servers are other endpoints.
    let scope = dir.path().join("scope.toml");
    std::fs::write(
        &scope,
        "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2099-01-01\n\
         vantage = \"elsewhere\"\n[[range]]\ncidr = \"127.91.22.0/24\"\n",
    )
    .expect("written");
    let elsewhere = scan(&lake, "127.91.22.1-127.91.22.2", &["--scope", text(&scope)]);
    let both = diff(&lake, &before, &elsewhere);
    assert_eq!(both["counts"]["changed"], 0, "{both:#}");
    assert_eq!(both["counts"]["gone"], 0);
    assert_eq!(both["counts"]["not_looked_at"], 2);
    assert_eq!(both["counts"]["first_seen"], 1);
    let vantages: Vec<&str> = both["endpoints"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|endpoint| endpoint["source"]["vantage"].as_str())
        .collect();
    assert!(vantages.contains(&"elsewhere") && vantages.contains(&"loopback"), "{vantages:?}");

    let here = scan(&lake, "127.91.22.1-127.91.22.2", &[]);
    let now = diff(&lake, &before, &here);
    assert_eq!(now["counts"]["gone"], 1, "{now:#}");
    assert_eq!(now["counts"]["changed"], 1);
    drop(fleet);
}

#[test]
fn an_import_is_compared_only_with_imports_of_its_source() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let line = |address: &str, day: u8, version: &str| {
        format!(
            r#"{{"ip_str":"{address}","port":11434,"transport":"tcp","timestamp":"2026-11-{day:02}T07:00:00.000000","product":"Ollama","version":"{version}","hostnames":[],"domains":[],"http":{{"status":200,"html":"Ollama is running"}},"data":"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n","hash":1,"_shodan":{{"module":"http"}}}}"#
        )
    };
    let file = dir.path().join("download.json");
    let lines = [
        line("8.0.0.0", 1, "0.9.0"),
        line("8.0.0.1", 1, "0.9.0"),
        line("8.0.0.0", 8, "0.12.3"),
        line("8.0.0.2", 8, "0.9.0"),
    ];
    std::fs::write(&file, lines.join("\n")).expect("written");
    let output = vigie(&["import", text(&file), "--lake", text(&lake), "--quiet"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));

    let week = diff(&lake, "2026-11-05", "2026-11-10");
    assert_reported(&week, "8.0.0.0", "stayed", &["upgraded"]);
    assert_reported(&week, "8.0.0.1", "not-in-import", &[]);
    assert_reported(&week, "8.0.0.2", "first-seen", &[]);
    assert_eq!(week["counts"]["gone"], 0, "an import proves no absence: {week:#}");
    let later = diff(&lake, "2026-11-09", "2026-11-10");
    assert_eq!(later["counts"]["not_looked_at"], 3, "nothing was imported since: {later:#}");
    let shown = stdout(&vigie(&["diff", "2026-11-05", "2026-11-10", "--lake", text(&lake), "--verbose"]));
    assert!(
        shown.contains("not in the later import") && shown.contains("upgraded: 0.9.0 → 0.12.3"),
        "{shown}"
    );
}

#[test]
fn a_server_of_this_machine_that_no_longer_listens_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    // One listening process is one server at a port, however many addresses it has there: each has a port of its own.
    let words = ["scan", "--ports", "21531-21533", "--quiet", "--lake", text(&lake)];
    let scan = || {
        let output = vigie(&words);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        now()
    };
    let fleet = (raise_on(25, 21_531, &[(1, NEW)]), raise_on(25, 21_532, &[(2, OPEN)]));
    let before = scan();
    drop(fleet);
    let _fleet = (raise_on(25, 21_532, &[(2, KEY)]), raise_on(25, 21_533, &[(3, NEW)]));
    let after = scan();
    let changed = diff(&lake, &before, &after);
    assert_reported(&changed, "127.91.25.1", "gone", &[]);
    assert_reported(&changed, "127.91.25.2", "stayed", &["gained-authentication"]);
    assert_reported(&changed, "127.91.25.3", "appeared", &[]);
}

#[test]
fn a_value_that_one_observation_does_not_report_did_not_change() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let fleet = raise_at(23, &[(1, OPEN)]);
    let before = scan(&lake, "127.91.23.1", &[]);
    fleet.stop();
    let _fleet = raise_at(23, &[(1, KEY)]);
    let after = scan(&lake, "127.91.23.1", &[]);
    let gained = diff(&lake, &before, &after);
    let ids = &reported(&gained)["127.91.23.1"].1;
    assert!(ids.iter().any(|id| id == "gained-authentication"), "{ids:?}");
    // Behind its key it reports less than before; that does not mean that something was removed.
    assert!(!ids.iter().any(|id| id.starts_with("removed-")), "{ids:?}");
}

#[test]
fn wrong_arguments_are_reported() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let nowhere = vigie(&["diff", "7d", "--lake", text(&lake)]);
    assert_eq!(code(&nowhere), 2, "there is no lake: {}", stderr(&nowhere));
    let _fleet = raise_at(24, &[(1, NEW)]);
    scan(&lake, "127.91.24.1", &[]);
    for words in [
        &["now", "7d"][..],
        &["7d", "7d"],
        &["yesterday"],
        &["2026-11-31"],
        &["7d", "--fail-on-change=bad"],
    ] {
        let output = vigie(&[&["diff"], words, &["--lake", text(&lake)]].concat());
        assert_eq!(code(&output), 2, "{words:?}: {}", stdout(&output));
        assert!(stderr(&output).contains("error:"), "{}", stderr(&output));
    }
}
