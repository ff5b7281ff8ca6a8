//! Targets that could not be scanned are reported on standard error, with the reason, in every format; a scan that could scan nothing
//! fails. The documents for programs on standard output stay valid.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::fleet::{named, raise};
use crate::scan::PORT;
use crate::{code, stderr, stdout, text, vigie};

const FORMATS: [&str; 6] = ["table", "json", "jsonl", "csv", "sarif", "intelmq"];

fn scan(format: &str, words: &[&str]) -> Output {
    vigie(&[&["scan", "--no-lake", "--quiet", "--timeout", "1", "--format", format], words].concat())
}

/// An empty document is valid, and states the reason if its format can.
#[track_caller]
fn assert_says_nothing_was_seen(format: &str, output: &Output) {
    let out = stdout(output);
    let json = || -> Value { serde_json::from_str(&out).unwrap_or_else(|error| panic!("{format}: {error}: {out}")) };
    match format {
        "table" | "jsonl" | "intelmq" => assert_eq!(out, "", "{format}"),
        "csv" => assert_eq!(out.lines().count(), 1, "the header alone: {out}"),
        "json" => {
            let report = json();
            assert_eq!(report["schema"], "vigie.report/1");
            assert!(report["summary"]["failed"].is_string(), "{report:#}");
            assert_eq!(report["summary"]["complete"], false);
        }
        _ => {
            let log = json();
            let run = &log["runs"][0];
            assert_eq!(
                (log["version"].as_str(), run["results"].as_array().map(Vec::len)),
                (Some("2.1.0"), Some(0))
            );
            let invocation = &run["invocations"][0];
            assert_eq!(invocation["executionSuccessful"], false);
            assert_eq!(invocation["toolExecutionNotifications"][0]["level"], "error");
        }
    }
}

/// A scope file whose hours do not include now: two hours that begin in six.
fn closed(dir: &Path) -> std::path::PathBuf {
    let hour = |hours| (chrono::Utc::now() + chrono::TimeDelta::hours(hours)).format("%H:00").to_string();
    let file = dir.join("closed.toml");
    let scope = format!(
        "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2099-01-01\n\
         [window]\nhours = \"{}-{}\"\n[[range]]\ncidr = \"10.91.0.0/30\"\n[[range]]\ncidr = \"127.91.40.0/24\"\n",
        hour(6),
        hour(8)
    );
    std::fs::write(&file, scope).expect("written");
    file
}

#[test]
fn a_scan_that_could_scan_nothing_fails_in_every_format_and_says_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, holds: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, holds).expect("written");
        path
    };
    let empty = file("empty.txt", "");
    let comments = file("comments.txt", "# nobody yet\n\n");
    let out = file("opt-out.txt", "127.91.41.0/24\n");
    let closed = closed(dir.path());
    let cases: [(&[&str], i32, &str); 7] = [
        (&["no-such-host.invalid"], 3, "no-such-host.invalid does not resolve"),
        (&["http://a.invalid:8080/", "b.invalid:11434"], 3, "b.invalid does not resolve"),
        (&["-f", text(&empty)], 2, "it is empty"),
        (&["-f", text(&comments)], 2, "it contains only comments"),
        (&["127.91.41.1", "--opt-out", text(&out)], 2, "opted out"),
        (&["127.91.41.1", "c.invalid", "--opt-out", text(&out)], 2, "opted out"),
        (&["10.91.0.0/30", "-p", "9", "--scope", text(&closed)], 3, "opens again at"),
    ];
    for (words, status, why) in cases {
        for format in FORMATS {
            let output = scan(format, words);
            let errors = stderr(&output);
            assert_eq!(code(&output), status, "{format} {words:?}: {errors}");
            assert!(errors.contains(why), "{format} {words:?}: {errors}");
            assert_says_nothing_was_seen(format, &output);
        }
    }
    // The same in a file.
    let report = dir.path().join("report.sarif");
    let output = scan("sarif", &["no-such-host.invalid", "--output", text(&report)]);
    assert_eq!((code(&output), stdout(&output).as_str()), (3, ""));
    let log: Value = serde_json::from_str(&std::fs::read_to_string(&report).expect("it is there")).expect("JSON");
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn names_that_do_not_resolve_are_notes_in_every_format_and_the_rest_is_scanned() {
    let (_running, _) = raise(42, &named(&["ollama/0.17.4-one-model"]));
    for format in FORMATS {
        let output = scan(format, &["127.91.42.1", "no-such-host.invalid", "--ports", PORT]);
        let notes = stderr(&output);
        assert_eq!(code(&output), 0, "{format}: {notes}");
        assert!(notes.contains("note: no-such-host.invalid does not resolve"), "{format}: {notes}");
        assert!(!notes.contains("error"), "{format}: {notes}");
        let out = stdout(&output);
        match format {
            "table" | "json" | "jsonl" | "csv" => assert!(out.contains("127.91.42.1"), "{format}: {out}"),
            _ => assert!(!out.is_empty(), "{format}"),
        }
        if matches!(format, "json" | "sarif") {
            let document: Value = serde_json::from_str(&out).expect("JSON");
            assert!(
                document.to_string().contains("does not resolve"),
                "the document has the note too: {document:#}"
            );
        }
    }
}

#[test]
fn a_dry_run_prints_its_notes_too() {
    let output = vigie(&["scan", "--dry-run", "127.91.43.1/24", "-p", "9"]);
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("is taken as the network"), "{}", stderr(&output));
    assert!(!stdout(&output).contains("is taken as the network"));
}

#[test]
fn endpoints_are_in_the_order_that_was_asked_for() {
    let (_running, _) = raise(
        44,
        &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key", "ollama/0.17.4-one-model"]),
    );
    let places = |words: &[&str]| -> Vec<String> {
        let output = scan("jsonl", &[&["127.91.44.0/24", "--ports", PORT], words].concat());
        let all = crate::observations(&output);
        all.iter()
            .map(|o| o["endpoint"]["address"].as_str().expect("an address").to_owned())
            .collect()
    };
    assert_eq!(places(&["--sort", "address"]), ["127.91.44.1", "127.91.44.2", "127.91.44.3"]);
    assert_eq!(
        places(&["--sort", "address", "--reverse"]),
        ["127.91.44.3", "127.91.44.2", "127.91.44.1"]
    );
    assert_eq!(places(&["--sort", "product"]), ["127.91.44.2", "127.91.44.1", "127.91.44.3"]);
    assert_eq!(
        places(&["--sort", "severity"])[2],
        "127.91.44.2",
        "the one with a key is the least bad"
    );
}

#[cfg(feature = "watch")]
#[test]
fn an_empty_file_is_an_error_of_the_import() {
    let dir = tempfile::tempdir().expect("a folder");
    let (lake, errors) = (dir.path().join("lake"), dir.path().join("errors.jsonl"));
    let import = |name: &str, holds: &str, words: &[&str]| {
        let file = dir.path().join(name);
        std::fs::write(&file, holds).expect("written");
        let common = ["import", text(&file), "--quiet", "--lake", text(&lake), "--errors", text(&errors)];
        vigie(&[&common, words].concat())
    };
    for form in ["table", "json"] {
        for from in [&[][..], &["--from", "shodan"], &["--from", "nmap"], &["--from", "masscan"]] {
            let output = import("empty.json", "", &[from, &["--format", form]].concat());
            assert_eq!(code(&output), 2, "{from:?}: {}", stdout(&output));
            assert!(stderr(&output).contains("empty.json: it is empty"), "{from:?}: {}", stderr(&output));
            if form == "json" {
                let summary: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
                assert!(summary["files"][0]["failed"].is_string(), "{summary:#}");
            }
        }
    }
    // A document without hosts is not an error, and a note reports it.
    let nobody = "<?xml version=\"1.0\"?>\n<nmaprun scanner=\"nmap\" args=\"nmap\" start=\"1762000000\" version=\"7.95\">\n\
                  <runstats><finished time=\"1762000001\"/><hosts up=\"0\" down=\"1\" total=\"1\"/></runstats>\n</nmaprun>\n";
    let output = import("nobody.xml", nobody, &[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("there is no record in it"), "{}", stderr(&output));
}
