//! The whole output of each format, and its guarantees.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use vigie_export::{CSV_COLUMNS, Format, Options, report, text};
use vigie_model::{Known, Observation, Subject, Why};

use crate::samples;

pub(crate) fn written(format: Format, observations: &[Observation], options: Options) -> String {
    let mut out = Vec::new();
    let mut report = report(format, &mut out, options);
    report.begin().expect("a vector takes every byte");
    for observation in observations {
        report.observation(observation).expect("a vector takes every byte");
    }
    report.end(&samples::summary(observations)).expect("a vector takes every byte");
    drop(report);
    String::from_utf8(out).expect("every format is UTF-8")
}

pub(crate) fn with_rules() -> Options {
    Options {
        rules: samples::rules(),
        ..Options::default()
    }
}

#[test]
fn json_whole() {
    let out = written(Format::Json, &samples::all(), Options::default());
    insta::assert_snapshot!(out);
}

#[test]
fn jsonl_whole() {
    let out = written(Format::Jsonl, &samples::all(), Options::default());
    insta::assert_snapshot!(out);
}

#[test]
fn csv_whole() {
    // Line ends are CR LF; a snapshot shows them as LF.
    let out = written(Format::Csv, &samples::all(), Options::default());
    assert!(out.lines().count() * 2 == out.matches(['\r', '\n']).count());
    insta::assert_snapshot!(out.replace("\r\n", "\n"));
}

#[test]
fn sarif_whole() {
    let out = written(Format::Sarif, &samples::all(), with_rules());
    let value: Value = serde_json::from_str(&out).expect("one JSON document");
    insta::assert_json_snapshot!(value);
}

#[test]
fn intelmq_whole() {
    let out = written(Format::Intelmq, &samples::all(), with_rules());
    insta::assert_snapshot!(out);
}

#[test]
fn intelmq_legacy_whole() {
    let legacy = Options {
        intelmq_legacy: true,
        ..with_rules()
    };
    let out = written(Format::Intelmq, &samples::all(), legacy);
    insta::assert_snapshot!(out);
}

#[test]
fn jsonl_is_exactly_the_records() {
    let all = samples::all();
    let out = written(Format::Jsonl, &all, Options::default());
    let read: Vec<Observation> = out.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    assert_eq!(read, all);
}

#[test]
fn jsonl_from_the_cache_is_exactly_the_records() {
    // Cached JSON of shared evidence, verdicts and claims is the same as without a cache.
    let mut all = samples::all();
    let mut again = all.clone();
    for (number, observation) in again.iter_mut().enumerate() {
        for finding in &mut observation.findings {
            finding.subject = Subject::from_record(&format!("192.0.2.1:{number} \"quoted\" \u{202e}model"));
        }
    }
    all.append(&mut again);
    let out = written(Format::Jsonl, &all, Options::default());
    let alone: String = all
        .iter()
        .map(|observation| {
            let text = serde_json::to_string(observation).expect("JSON");
            let own: Observation = serde_json::from_str(&text).expect("a record that shares nothing");
            written(Format::Jsonl, &[own], Options::default())
        })
        .collect();
    assert_eq!(out, alone);
    let read: Vec<Observation> = out.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    assert_eq!(read, all);
}

#[test]
fn json_holds_exactly_the_records_and_the_summary() {
    let all = samples::all();
    let out = written(Format::Json, &all, Options::default());
    let value: Value = serde_json::from_str(&out).expect("one JSON document");
    assert_eq!(value["schema"], "vigie.report/1");
    let read: Vec<Observation> = serde_json::from_value(value["observations"].clone()).expect("records");
    assert_eq!(read, all);
    let summary: vigie_export::Summary = serde_json::from_value(value["summary"].clone()).expect("a summary");
    assert_eq!(summary, samples::summary(&all));
}

#[test]
fn an_empty_run_is_still_a_document() {
    let json: Value = serde_json::from_str(&written(Format::Json, &[], Options::default())).expect("one JSON document");
    assert_eq!(json["observations"], Value::Array(Vec::new()));
    let sarif: Value = serde_json::from_str(&written(Format::Sarif, &[], Options::default())).expect("one JSON document");
    assert_eq!(sarif["runs"][0]["results"], Value::Array(Vec::new()));
    assert_eq!(written(Format::Jsonl, &[], Options::default()), "");
    assert_eq!(written(Format::Intelmq, &[], with_rules()), "");
    assert_eq!(written(Format::Csv, &[], Options::default()).lines().count(), 1);
}

/// Writer that records how many bytes were flushed.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut inner = self.0.lock().expect("one thread");
        inner.1 = inner.0.len();
        Ok(())
    }
}

#[test]
fn line_formats_stream() {
    for format in [Format::Jsonl, Format::Intelmq, Format::Csv] {
        let pipe = Pipe::default();
        let mut report = report(format, pipe.clone(), Options::default());
        report.begin().expect("the pipe takes it");
        report.observation(&samples::ollama_open()).expect("the pipe takes it");
        report.pause().expect("the pipe takes it");
        let inner = pipe.0.lock().expect("one thread");
        assert!(inner.0.ends_with(b"\n"), "{format}");
        assert_eq!(inner.1, inner.0.len(), "{format}: not flushed");
    }
}

#[test]
fn an_error_of_the_writer_is_returned() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    for format in Format::ALL {
        let mut report = report(format, Full, Options::default());
        let all = samples::all();
        let failed = report.begin().is_err()
            || all.iter().any(|one| report.observation(one).is_err())
            || report.end(&samples::summary(&all)).is_err();
        assert!(failed, "{format}");
    }
}

#[test]
fn hostile_text_never_acts_in_any_format() {
    for format in Format::ALL {
        for verbose in [false, true] {
            let options = Options {
                verbose,
                ..Options::default()
            };
            let out = written(format, &[samples::hostile()], options);
            // The table's own colours are taken out as a terminal without colour would have it.
            let out = if format == Format::Table { own_colours_removed(&out) } else { out };
            for c in out.chars() {
                assert!(!text::is_unsafe(c) || matches!(c, '\n' | '\r'), "{format}: {c:?}");
            }
            assert!(!out.contains("\nNext: rm"), "{format}");
        }
    }
}

/// Takes out the sequences that this crate writes, and nothing else.
fn own_colours_removed(out: &str) -> String {
    let mut out = out.to_owned();
    for code in ["0", "1", "2", "31", "32", "33", "36"] {
        out = out.replace(&format!("\u{1b}[{code}m"), "");
    }
    out
}

#[test]
fn csv_cells_are_never_formulas() {
    let out = written(Format::Csv, &samples::all(), Options::default());
    let mut reader = rows_of(&out);
    let header = reader.remove(0);
    assert_eq!(header.len(), CSV_COLUMNS.len());
    assert_eq!(reader.len(), samples::all().len());
    for row in reader {
        assert_eq!(row.len(), header.len());
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            assert!(!cell.contains(['\r', '\n']), "{cell:?}");
        }
    }
}

#[test]
fn unknown_is_never_zero_in_csv() {
    let mut seen = samples::unrecognised();
    seen.exposure.models = Known::unknown(Why::Hidden);
    let out = written(Format::Csv, &[seen, samples::ollama_loopback()], Options::default());
    let rows = rows_of(&out);
    let cell = |row: usize, name: &str| {
        let at = rows[0].iter().position(|other| other == name).expect(name);
        rows[row][at].as_str()
    };
    assert_eq!((cell(1, "models_count"), cell(1, "models_why")), ("", "hidden"));
    assert_eq!((cell(2, "models_count"), cell(2, "models_why")), ("0", ""));
    assert_eq!((cell(1, "advisories_affected"), cell(1, "advisories_why")), ("", "not-carried"));
}

#[test]
fn sarif_fingerprints_do_not_change_with_version_severity_or_wording() {
    let prints = |observation: &Observation| -> Vec<Value> {
        let out = written(Format::Sarif, std::slice::from_ref(observation), Options::default());
        let value: Value = serde_json::from_str(&out).expect("one JSON document");
        value["runs"][0]["results"]
            .as_array()
            .expect("results")
            .iter()
            .map(|result| result["partialFingerprints"].clone())
            .collect()
    };
    let before = samples::ollama_open();
    let mut after = before.clone();
    after.seen += chrono::TimeDelta::days(1);
    after.identity.version = Known::Known("0.17.1".to_owned());
    for finding in &mut after.findings {
        finding.severity = vigie_model::Severity::Low;
        finding.title.push_str(", still");
        finding.accepted = Some("because".to_owned());
    }
    let (mut first, mut second) = (prints(&before), prints(&after));
    for list in [&mut first, &mut second] {
        list.sort_by_key(ToString::to_string);
    }
    assert_eq!(first, second);
    first.dedup();
    assert_eq!(first.len(), before.findings.len(), "two findings, one print");
    let mut elsewhere = before.clone();
    elsewhere.endpoint.port += 1;
    assert!(prints(&elsewhere).iter().all(|print| !first.contains(print)));
}

#[test]
fn sarif_suppresses_accepted_findings_and_notes_suspects() {
    let all = [samples::ollama_bound_everywhere(), samples::honeypot()];
    let out = written(Format::Sarif, &all, Options::default());
    let value: Value = serde_json::from_str(&out).expect("one JSON document");
    let results = value["runs"][0]["results"].as_array().expect("results");
    let suppressed: Vec<&Value> = results.iter().filter(|result| result["suppressions"].is_array()).collect();
    assert_eq!(suppressed.len(), 1);
    assert_eq!(suppressed[0]["ruleId"], "open-inference");
    assert_eq!(suppressed[0]["suppressions"][0]["status"], "accepted");
    let suspects: Vec<&Value> = results.iter().filter(|result| result["properties"]["suspect"] == true).collect();
    assert_eq!(suspects.len(), 1);
    assert_eq!(suspects[0]["level"], "note");
}

#[test]
fn intelmq_leaves_out_accepted_findings_and_separates_suspects() {
    let mut quiet = samples::ollama_bound_everywhere();
    quiet.findings.truncate(1);
    assert!(quiet.findings[0].accepted.is_some());
    assert_eq!(written(Format::Intelmq, &[quiet], with_rules()), "");
    let out = written(Format::Intelmq, &[samples::honeypot()], with_rules());
    let event: Value = serde_json::from_str(out.trim()).expect("one event");
    assert_eq!(event["classification.taxonomy"], "other");
    assert_eq!(event["classification.type"], "other");
}

#[test]
fn intelmq_has_an_event_for_each_kind() {
    let out = written(Format::Intelmq, &[samples::ollama_open()], with_rules());
    let kinds: Vec<String> = out
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).expect("an event");
            event["classification.type"].as_str().expect("a type").to_owned()
        })
        .collect();
    assert_eq!(
        kinds,
        ["vulnerable-system", "information-disclosure", "potentially-unwanted-accessible"]
    );
}

#[test]
fn intelmq_leaves_out_information() {
    let mut seen = samples::ollama_loopback();
    seen.findings.truncate(1);
    for id in ["loopback-only", "advisories-not-covered"] {
        seen.findings[0].id = id.to_owned();
        assert_eq!(written(Format::Intelmq, &[seen.clone()], with_rules()), "", "{id}");
    }
}

#[test]
fn the_kind_of_an_unknown_rule_is_not_guessed() {
    let mut seen = samples::ollama_open();
    seen.findings.truncate(1);
    for id in ["surprise-readable", "vulnerable-surprise"] {
        seen.findings[0].id = id.to_owned();
        let event: Value = serde_json::from_str(&written(Format::Intelmq, &[seen.clone()], with_rules())).expect("one event");
        assert_eq!(event["classification.taxonomy"], "other", "{id}");
        assert_eq!(event["classification.type"], "undetermined", "{id}");
    }
}

#[test]
fn sarif_links_each_rule_to_its_page() {
    let out = written(Format::Sarif, &samples::all(), with_rules());
    let log: Value = serde_json::from_str(&out).expect("a log");
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    assert!(rules.len() > 3);
    for rule in rules {
        let id = rule["id"].as_str().expect("an id");
        assert_eq!(rule["helpUri"], format!("https://example.net/vigie/findings#{id}"));
    }
}

#[test]
fn formats_are_parsed_by_name() {
    for format in Format::ALL {
        assert_eq!(format.word().parse(), Ok(format));
    }
    assert_eq!(
        "xml".parse::<Format>().expect_err("no format").to_string(),
        "unknown format \"xml\": use table, json, jsonl, csv, sarif or intelmq"
    );
}

#[test]
fn the_book_describes_every_column() {
    let book = include_str!("../../../../docs/src/formats.md");
    for (name, _) in CSV_COLUMNS {
        assert!(book.contains(&format!("`{name}`")), "column {name} is not in formats.md");
    }
}

fn rows_of(text: &str) -> Vec<Vec<String>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes())
        .into_records()
        .map(|row| row.expect("a row").iter().map(str::to_owned).collect())
        .collect()
}
