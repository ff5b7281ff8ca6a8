//! `vigie hosts`: which endpoints are listed, in which order and format.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{code, stderr, stdout, text, vigie};

/// A constructed Shodan record of an Ollama server.
fn record(address: &str, version: &str, country: &str, seen: &str) -> Value {
    json!({
        "ip_str": address, "port": 11434, "transport": "tcp", "timestamp": format!("{seen}T07:21:33.444507"),
        "product": "Ollama", "version": version, "hostnames": [], "domains": [], "hash": 1,
        "http": {"status": 200, "html": "Ollama is running"}, "data": "HTTP/1.1 200 OK\r\n\r\n",
        "location": {"country_code": country}, "_shodan": {"module": "http"}
    })
}

fn lake(dir: &Path, records: &[Value]) -> PathBuf {
    let (lake, file) = (dir.join("lake"), dir.join("records.jsonl"));
    let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    std::fs::write(&file, lines.join("\n")).expect("written");
    let output = vigie(&["import", "--from", "shodan", text(&file), "--quiet", "--lake", text(&lake)]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    lake
}

/// Five servers: versions whose order differs from that of their texts, one version that cannot be ordered, two countries, one IPv6 address.
fn five(dir: &Path) -> PathBuf {
    lake(
        dir,
        &[
            record("192.0.2.10", "0.1.33", "DE", "2026-11-01"),
            record("192.0.2.9", "0.10.0", "DE", "2026-11-03"),
            record("192.0.2.100", "0.9.6", "FR", "2026-11-02"),
            record("192.0.2.11", "custom-build", "FR", "2026-11-04"),
            record("2001:db8::10", "0.1.34", "FR", "2026-11-05"),
        ],
    )
}

/// The listed addresses, and standard error.
#[track_caller]
fn listed(lake: &Path, words: &[&str]) -> (Vec<String>, String) {
    let output = vigie(&[&["hosts", "--lake", text(lake), "--format", "json"], words].concat());
    assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
    let list: Value = serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let hosts = list["hosts"].as_array().expect("a list");
    let address = |host: &Value| host["address"].as_str().expect("an address").to_owned();
    (hosts.iter().map(address).collect(), stderr(&output))
}

#[test]
fn each_option_narrows_the_list() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = five(dir.path());
    for (words, wanted) in [
        (
            &[][..],
            &["2001:db8::10", "192.0.2.11", "192.0.2.9", "192.0.2.100", "192.0.2.10"][..],
        ),
        (&["--version", "<0.1.34"], &["192.0.2.10"]),
        (&["--version", ">=0.1.34,<0.10"], &["2001:db8::10", "192.0.2.100"]),
        (&["--version", "0.10.0"], &["192.0.2.9"]),
        (&["--version", "=custom-build"], &["192.0.2.11"]),
        (&["--country", "de"], &["192.0.2.9", "192.0.2.10"]),
        (&["--country", "DE,FR", "--version", "0.9.6"], &["192.0.2.100"]),
        (&["--verdict", "unknown"], &["192.0.2.11"]),
        (&["--verdict", "affected", "--version", "0.1.33"], &["192.0.2.10"]),
        (&["--product", "ollama", "--version", "0.1.33"], &["192.0.2.10"]),
        (&["--product", "vllm"], &[]),
        (&["--product", "vllm,ollama", "--version", "0.1.33"], &["192.0.2.10"]),
        (&["--posture", "unknown", "--country", "DE"], &["192.0.2.9", "192.0.2.10"]),
        (&["--posture", "open"], &[]),
        (&["--changed-since", "2026-11-03"], &["2001:db8::10", "192.0.2.11", "192.0.2.9"]),
        (&["--limit", "2"], &["2001:db8::10", "192.0.2.11"]),
        (&["--limit", "0", "--country", "DE"], &["192.0.2.9", "192.0.2.10"]),
    ] {
        assert_eq!(listed(&lake, words).0, wanted, "{words:?}");
    }
    let (critical, _) = listed(&lake, &["--severity", "critical"]);
    let (info, _) = listed(&lake, &["--severity", "info"]);
    assert!(
        critical.contains(&"192.0.2.10".to_owned()) && critical.len() <= info.len(),
        "{critical:?} {info:?}"
    );
}

#[test]
fn endpoints_that_are_left_out_are_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = five(dir.path());
    let (_, notes) = listed(&lake, &["--version", "<0.1.34"]);
    assert!(
        notes.contains("1 endpoint is left out, with a version that is unknown or cannot be compared"),
        "{notes}"
    );
    let (_, notes) = listed(&lake, &["--limit", "2"]);
    assert!(notes.contains("3 more endpoints are not shown; --limit all"), "{notes}");
    assert_eq!(listed(&lake, &[]).1, "", "nothing is left out of a pipe");
}

#[test]
fn an_unknown_value_is_an_error_and_not_an_empty_list() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = five(dir.path());
    for (words, message) in [
        (&["--product", "olama"][..], "similar ids: ollama"),
        (&["--product", "ollama,vlm"], "vllm"),
        (&["--product", "Open WebUI"], "open-webui"),
        (&["--product", "qqqqqqqqqqqqqqqq"], "vigie catalog list"),
        (&["--country", "Germany"], "two-letter"),
        (&["--country", "DE,F1"], "two-letter"),
        (&["--country", ""], "two-letter"),
        (&["--version", "nonsense"], "not a version or range"),
        (&["--version", ">=0.1 <0.2"], "not a version or range"),
        (&["--version", "<newest"], "--version"),
        (&["--severity", "awful"], "--severity"),
        (&["--verdict", "affected,maybe"], "--verdict"),
        (&["--posture", "ajar"], "unknown posture"),
    ] {
        let output = vigie(&[&["hosts", "--lake", text(&lake)], words].concat());
        assert_eq!(code(&output), 2, "{words:?}: {}", stdout(&output));
        assert!(stderr(&output).contains(message), "{words:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{words:?}");
    }
    for (words, count) in [
        (&["--product", "vllm,ollama"][..], 5),
        (&["--country", "FR,DE"], 5),
        (&["--country", "fr, unknown"], 3),
        (&["--verdict", "affected,not-affected,unknown"], 5),
    ] {
        assert_eq!(listed(&lake, words).0.len(), count, "{words:?}");
    }
}

#[test]
fn an_endpoint_is_shown_by_the_name_in_the_list() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut other = record("192.0.2.10", "0.10.0", "DE", "2026-11-02");
    other["port"] = json!(8080);
    let lake = lake(
        dir.path(),
        &[
            record("192.0.2.10", "0.1.33", "DE", "2026-11-01"),
            other,
            record("2001:db8::10", "0.1.34", "FR", "2026-11-05"),
        ],
    );
    let show = |place: &str| vigie(&["show", place, "--lake", text(&lake), "--format", "json"]);
    let count = |place: &str| {
        let output = show(place);
        assert_eq!(code(&output), 0, "{place}: {}", stderr(&output));
        let shown: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        shown["observations"].as_array().map_or(0, Vec::len)
    };
    for (place, wanted) in [
        ("192.0.2.10", 2),
        ("192.0.2.10:11434", 1),
        ("192.0.2.10:8080", 1),
        ("2001:db8::10", 1),
        ("[2001:db8::10]", 1),
        ("[2001:db8::10]:11434", 1),
    ] {
        assert_eq!(count(place), wanted, "{place}");
    }
    let output = vigie(&["hosts", "--lake", text(&lake)]);
    let listed = stdout(&output);
    for line in listed.lines().filter(|line| line.contains("ollama")) {
        assert_eq!(count(line.split_whitespace().next().expect("an endpoint")), 1, "{line}");
    }
    for (place, message) in [
        ("192.0.2.10:81", "no observation of"),
        ("192.0.2.10:99999", "1 to 65535"),
        ("192.0.2.10:0", "1 to 65535"),
        ("example.net", "not an address"),
        ("[192.0.2.10", "not an address"),
        ("", "not an address"),
    ] {
        let output = show(place);
        assert_eq!(code(&output), 2, "{place}");
        assert!(stderr(&output).contains(message), "{place}: {}", stderr(&output));
    }
}

#[test]
fn lists_are_sorted_by_the_key_that_was_given() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = five(dir.path());
    let by_address = ["192.0.2.9", "192.0.2.10", "192.0.2.11", "192.0.2.100", "2001:db8::10"];
    let by_version = ["192.0.2.10", "2001:db8::10", "192.0.2.100", "192.0.2.9", "192.0.2.11"];
    assert_eq!(listed(&lake, &["--sort", "address"]).0, by_address);
    assert_eq!(listed(&lake, &["--sort", "version"]).0, by_version);
    let newest = ["192.0.2.9", "192.0.2.100", "2001:db8::10", "192.0.2.10", "192.0.2.11"];
    assert_eq!(
        listed(&lake, &["--sort", "version", "--reverse"]).0,
        newest,
        "a version without an order stays last"
    );
    assert_eq!(listed(&lake, &["--sort", "seen", "--limit", "1"]).0, ["2001:db8::10"]);
    // Sorting by severity leaves nothing out.
    assert_eq!(listed(&lake, &["--sort", "severity"]).0.len(), 5);
}

#[test]
fn every_format_has_the_same_values_and_is_safe() {
    let dir = tempfile::tempdir().expect("a folder");
    let hostile = "=cmd|'/C calc'!A0\u{1b}]0;x\u{7}\u{202e}";
    let lake = lake(
        dir.path(),
        &[
            record("192.0.2.10", "0.1.33", "DE", "2026-11-01"),
            record("192.0.2.11", hostile, "DE", "2026-11-02"),
        ],
    );
    let list = |form: &str| {
        let output = vigie(&["hosts", "--lake", text(&lake), "--format", form]);
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{form}");
        stdout(&output)
    };
    let csv = list("csv");
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines.len(), 4, "a header, two rows, and the end of the last: {csv}");
    assert!(lines[0].starts_with("schema,address,port,"), "{csv}");
    assert!(lines[1].contains(",'=cmd|'/C calc'!A0\\u{1b}"), "a formula is made harmless: {csv}");
    assert!(!csv.contains('\u{1b}') && !csv.contains('\u{202e}'), "{csv:?}");
    let of = |column: &str| lines[0].split(',').position(|name| name == column).expect(column);
    let cells: Vec<&str> = lines[2].split(',').collect();
    assert_eq!(
        (
            cells[of("address")],
            cells[of("version")],
            cells[of("verdict")],
            cells[of("severity_why")]
        ),
        ("192.0.2.10", "0.1.33", "affected", "not-asked")
    );
    let jsonl = list("jsonl");
    let rows: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let whole: Value = serde_json::from_str(&list("json")).expect("JSON");
    assert_eq!(whole["hosts"].as_array().expect("a list"), &rows);
    assert_eq!(rows[0]["version"]["known"], hostile, "the value is the same");
    let table = list("table");
    assert_eq!(table.lines().count(), 5, "a header, a line per endpoint, and the end: {table}");
    assert!(
        table.lines().nth(2).is_some_and(|line| line.starts_with("192.0.2.10:11434")),
        "{table}"
    );
}

#[test]
fn wrong_arguments_are_reported() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = five(dir.path());
    for (words, why) in [
        (&["--version", "<>1"][..], "not a version or range"),
        (&["--version", "<b9000", "--product", "ollama"], "cannot be ordered as semver"),
        (&["--posture", "shut"], "unknown posture"),
        (&["--severity", "awful"], "possible values"),
        (&["--limit", "some"], "write a number"),
        (&["--changed-since", "2999-01-01"], "in the past"),
        (&["--reverse"], "--sort"),
    ] {
        let output = vigie(&[&["hosts", "--lake", text(&lake)], words].concat());
        assert_eq!(code(&output), 2, "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(why), "{words:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{words:?}");
    }
}
