//! What is asked, and what comes of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::emulated::{KEY, SECRET, gaps};
use super::{COUNT, SEARCH, User, known, number, report};
use crate::{code, stderr, stdout, text, vigie};

#[test]
fn what_shodan_knows_comes_in_pages_and_is_what_an_import_reads() {
    let running = known(&[("DE", 11434, 150), ("FR", 8080, 100)]);
    let user = User::new();
    let raw = user.path("raw");
    let told = user.told(
        "shodan",
        &running,
        &["--query", "product:Ollama", "--raw", text(&raw), "--budget", "3"],
    );
    let one = &told["queries"][0];
    assert_eq!(
        (
            number(&one["total"]),
            number(&one["records"]),
            number(&one["added"]),
            number(&one["missed"])
        ),
        (250, 250, 250, 0),
        "{told:#}"
    );
    assert_eq!(told["complete"], true);
    assert_eq!((number(&told["credits"]["spent"]), running.service().charged), (3, 3));
    assert_eq!((running.count(SEARCH), running.count(COUNT)), (3, 1));
    assert_eq!(user.hosts(), 250);
    let seen = running.service().seen.clone();
    assert!(seen.iter().all(|seen| seen.agent.starts_with("vigie/")), "it says who it is");
    assert!(
        seen.iter()
            .filter(|seen| seen.path == SEARCH)
            .all(|seen| seen.pairs["minify"] == "false" && seen.pairs["query"] == "product:Ollama")
    );
    assert!(
        std::fs::read_dir(user.path("data/vigie/resume")).is_ok_and(|mut files| files.next().is_none()),
        "nothing is left to go on with"
    );

    // The raw replies, imported, are the same observations: all of them duplicates.
    let files: Vec<PathBuf> = std::fs::read_dir(&raw)
        .expect("the folder is there")
        .map(|entry| entry.expect("it reads").path())
        .collect();
    assert_eq!(files.len(), 4, "one file for each reply: {files:?}");
    let lake = user.path("lake");
    let mut words = vec!["import", "--from", "shodan", "--lake", text(&lake), "--quiet", "--format", "json"];
    words.extend(files.iter().map(|file| text(file)));
    let output = vigie(&words);
    let again: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let sum = |name: &str| -> u64 {
        again["files"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|file| number(&file[name]))
            .sum()
    };
    assert_eq!((sum("added"), sum("duplicates")), (0, 250), "{again:#}");
}

#[test]
fn queries_come_from_the_catalogue_and_from_the_command_line_each_once() {
    let running = known(&[("DE", 11434, 5)]);
    let user = User::new();
    let told = user.told(
        "shodan",
        &running,
        &["--product", "ollama", "--query", "product:Ollama", "--query", "\"my own\""],
    );
    let asked: Vec<(&str, Option<&str>)> = told["queries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|query| (query["query"].as_str().unwrap_or_default(), query["product"].as_str()))
        .collect();
    assert_eq!(
        asked,
        [
            ("product:Ollama", Some("ollama")),
            ("http.html:\"Ollama is running\"", Some("ollama")),
            ("\"my own\"", None)
        ]
    );
    assert_eq!(number(&told["queries"][1]["duplicates"]), 5, "{told:#}");
    // Of one's own networks alone.
    let told = user.told("shodan", &running, &["--product", "vllm", "--only", "net:198.51.100.0/24"]);
    assert_eq!(told["queries"][0]["query"], "\"vLLM\" net:198.51.100.0/24");
    let told = user.told("censys", &running, &["--product", "vllm", "--only", "host.ip: 198.51.100.0/24"]);
    assert_eq!(
        told["queries"][0]["query"],
        "(host.services.banner: \"vLLM\") and (host.ip: 198.51.100.0/24)"
    );
}

#[test]
fn a_query_does_nothing_to_the_terminal_that_tells_of_it() {
    let running = known(&[("DE", 11434, 5)]);
    let query = "a\u{202e}b\u{200b}c";
    let output = User::new().run("shodan", &running, &["--query", query, "--format", "json"]);
    assert_eq!(report(&output)["queries"][0]["query"], query);
    assert!(stdout(&output).contains("a\\u202eb\\u200bc"), "{}", stdout(&output));
}

#[test]
fn a_dry_run_needs_no_key_and_sends_nothing() {
    let running = known(&[("DE", 11434, 5)]);
    let user = User::new();
    let output = user
        .command("shodan", &running, &["--product", "ollama", "--dry-run"])
        .env_remove("SHODAN_API_KEY")
        .output()
        .expect("it starts");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("product:Ollama") && said.contains("at most 60 credits"), "{said}");
    assert!(said.contains("never more than 10 credits"), "{said}");
    assert!(running.service().seen.is_empty());
    assert!(!user.path("lake").exists() && !user.path("data").exists());
}

#[test]
fn one_request_a_second_unless_told_otherwise() {
    let running = known(&[("DE", 11434, 150)]);
    let user = User::new();
    let output = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(["discover", "shodan", "--url", &running.url, "--query", "product:Ollama", "--lake"])
        .arg(user.path("lake"))
        .env("XDG_DATA_HOME", user.path("data"))
        .env("SHODAN_API_KEY", KEY)
        .output()
        .expect("it starts");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let seen = running.service().seen.clone();
    assert_eq!(seen.len(), 4, "the account, the count, two pages");
    assert!(
        gaps(&seen).iter().all(|gap| *gap >= Duration::from_millis(950)),
        "{:?}",
        gaps(&seen)
    );
}

#[test]
fn a_query_that_is_none_is_said_and_the_others_are_asked() {
    let running = known(&[("DE", 11434, 5)]);
    for (service, wrong, right) in [
        ("shodan", "nonsense:1", "product:Ollama"),
        ("censys", "nonsense", "host.services.port=11434"),
    ] {
        let user = User::new();
        let output = user.run(service, &running, &["--query", wrong, "--query", right, "--format", "json"]);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        let told = report(&output);
        assert!(
            told["queries"][0]["refused"].as_str().is_some_and(|word| word.contains("nonsense")),
            "{told:#}"
        );
        assert_eq!(number(&told["queries"][1]["added"]), 5);
        assert_eq!(user.hosts(), 5);
    }
}

#[test]
fn words_that_are_wrong_are_said_before_anything_is_sent() {
    let running = known(&[("DE", 11434, 5)]);
    let user = User::new();
    let scope = Path::new("/nonexistent");
    for (words, said) in [
        (&[][..], "--product"),
        (&["--product", "no-such-product"], "no product of the catalogue"),
        (&["--product", "milvus"], "no query for milvus"),
        (&["--query", " "], "not empty"),
        (&["--query", "x", "--scope", text(scope)], "--confirm"),
        (&["--query", "x", "--key-file", "/nonexistent"], "cannot read"),
        (&["--resume", "/nonexistent"], "cannot read"),
    ] {
        let output = user.run("shodan", &running, words);
        assert_eq!(code(&output), 2, "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{words:?}: {}", stderr(&output));
    }
    let output = user
        .command("shodan", &running, &["--query", "x"])
        .env_remove("SHODAN_API_KEY")
        .output()
        .expect("it starts");
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("set SHODAN_API_KEY") && stderr(&output).contains("--key-file"),
        "{}",
        stderr(&output)
    );
    // A state of one service is none of another.
    user.told("shodan", &running, &["--query", "x y", "--budget", "0"]);
    let output = user.run("censys", &running, &["--resume", text(&user.state())]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("belongs to shodan"), "{}", stderr(&output));
    assert_eq!(running.count(SEARCH), 0);
    for url in ["http://192.0.2.1", "https://user:word@example.net", "example.net"] {
        let output = Command::new(env!("CARGO_BIN_EXE_vigie"))
            .args(["discover", "shodan", "--query", "x", "--url", url])
            .env("SHODAN_API_KEY", KEY)
            .env("XDG_DATA_HOME", user.path("data"))
            .output()
            .expect("it starts");
        assert_eq!(code(&output), 2, "{url}");
        assert!(stderr(&output).contains("--url"), "{}", stderr(&output));
    }
}

#[test]
fn search_v2_is_paged_by_cursor() {
    let running = known(&[("DE", 11434, 250)]);
    let user = User::new();
    let file = user.path("key");
    std::fs::write(&file, format!("{KEY}:{SECRET}\n")).expect("written");
    for more in [&["--key-file", text(&file)][..], &[]] {
        let told = user.told(
            "censys",
            &running,
            &[&["--legacy", "--query", "services.port: 11434"], more].concat(),
        );
        assert_eq!(
            (told["service"].as_str(), number(&told["queries"][0]["records"])),
            (Some("censys-legacy"), 250),
            "{told:#}"
        );
        assert_eq!(number(&told["credits"]["spent"]), 3);
    }
    assert_eq!(user.hosts(), 250);
}
