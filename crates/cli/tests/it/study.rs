//! The study: its answers and its document.

use std::path::Path;

use serde_json::Value;

use crate::fleet::{named, raise};
use crate::scan::PORT;
use crate::schemas::Published;
use crate::{code, stderr, stdout, text, vigie};

fn study(lake: &Path, words: &[&str]) -> Value {
    let output = vigie(&[&["study", "--lake", text(lake), "--format", "json", "--quiet"], words].concat());
    assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

#[test]
fn a_scan_is_studied() {
    let (_running, _) = raise(9, &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key"]));
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let output = vigie(&["scan", "127.91.9.1-127.91.9.2", "--ports", PORT, "--quiet", "--lake", text(&lake)]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));

    let report = study(&lake, &[]);
    assert_eq!(report["schema"], "vigie.study/1");
    Published::new().assert_study(&report);
    Published::new().assert_study(&study(&lake, &["posture", "--compare", "published"]));
    let questions = &report["questions"];
    assert_eq!(questions["totals"]["denominator"], 2);
    assert_eq!(questions["totals"]["rows"][0]["hosts"], 2);
    assert_eq!(questions["totals"]["rows"][0]["days"], 1);
    // The server behind a key does not list its models: unknown, never none.
    assert_eq!(questions["models-per-host"]["denominator"], 1);
    assert_eq!(questions["models-per-host"]["unknown"], 1);
    assert_eq!(questions["models-per-host"]["rows"][0]["models"], "1");
    let postures: Vec<&Value> = questions["posture"]["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| &row["posture"])
        .collect();
    assert_eq!(postures, ["key", "open"]);
    assert_eq!(questions["countries"]["unknown"], 2, "no file with countries was named");
    for (id, question) in questions.as_object().expect("questions") {
        for key in ["denominator", "unknown", "rows", "definition", "sql"] {
            assert!(!question[key].is_null(), "{id} {key}");
        }
        for row in question["rows"].as_array().expect("rows") {
            if let Some(share) = row["share"].as_f64() {
                let (low, high) = (row["share_low"].as_f64(), row["share_high"].as_f64());
                assert!((0.0..=1.0).contains(&share), "{id} {row}");
                assert!(
                    low.is_none_or(|low| low <= share) && high.is_none_or(|high| high >= share),
                    "{id} {row}"
                );
            }
        }
    }
    // One question alone is the same answer.
    let one = study(&lake, &["posture"]);
    assert_eq!(one["questions"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(one["questions"]["posture"]["rows"], questions["posture"]["rows"]);
    let other = study(&lake, &["totals", "--product", "llama-cpp"]);
    assert_eq!(other["questions"]["totals"]["rows"][0]["hosts"], 1);
    let seen = study(&lake, &["totals", "--source", "vigie"]);
    assert_eq!(seen["questions"]["totals"]["rows"][0]["hosts"], 2);
    let day = study(&lake, &["totals", "--since", "2020-01-01", "--until", "2020-01-01"]);
    assert_eq!(day["questions"]["totals"]["denominator"], 0);
    let none = study(&lake, &["--until", "2020-01-01"]);
    assert_eq!(none["questions"]["totals"]["denominator"], 0);
    assert_eq!(none["window"], Value::Null);

    for (wrong, message) in [
        (&["study", "colour"][..], "vigie study --list"),
        (&["study", "--product", "nothing"], "vigie catalog list"),
        (&["study", "--planted", "x"], "--compare"),
        (&["study", "--core-share", "7"], "from 0 to 1"),
        (
            &["study", "--since", "2026-02-01", "--until", "2026-01-31"],
            "is later than --until",
        ),
        (&["study", "--source", "vigie", "--source", "shodna"], "has vigie"),
        (&["study", "--coverage", "0"], "--coverage"),
        (&["study", "--sample", "0.5"], "--coverage"),
    ] {
        let output = vigie(&[wrong, &["--lake", text(&lake)]].concat());
        assert_eq!(code(&output), 2, "{wrong:?}");
        assert!(stderr(&output).contains(message), "{wrong:?}: {}", stderr(&output));
    }
}

#[test]
fn a_population_makes_a_document() {
    let dir = tempfile::tempdir().expect("a folder");
    let (lake, truth) = (dir.path().join("lake"), dir.path().join("truth.json"));
    let output = vigie(&[
        "population",
        "--scale",
        "0.002",
        "--lake",
        text(&lake),
        "--truth",
        text(&truth),
        "--quiet",
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));

    let compared = study(&lake, &["--compare", "published", "--planted", text(&truth)]);
    let figures = compared["compared"].as_array().expect("figures");
    let planted: Vec<&Value> = figures.iter().filter(|figure| !figure["planted"].is_null()).collect();
    assert!(planted.len() > 25, "{}", planted.len());
    for figure in planted {
        let (planted, here) = (figure["planted"].as_f64(), figure["here"].as_f64());
        assert!(planted.zip(here).is_some_and(|(a, b)| (a - b).abs() < 1e-12), "{figure}");
    }

    let output = vigie(&["study", "--lake", text(&lake), "--compare", "published", "--planted", text(&truth)]);
    let errors = stderr(&output);
    assert!(
        errors.contains("planted figures found") && !errors.contains(": planted "),
        "{errors}"
    );

    for (lang, words) in [("en", ["Contents", "Totals"]), ("fr", ["Sommaire", "Totaux"])] {
        let out = dir.path().join(lang);
        let output = vigie(&[
            "study",
            "--lake",
            text(&lake),
            "--out",
            text(&out),
            "--lang",
            lang,
            "--compare",
            "published",
        ]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let html = std::fs::read_to_string(out.join("study.html")).expect("the document");
        for word in words {
            assert!(html.contains(word), "{lang} {word}");
        }
        // It is self-contained: it loads nothing.
        for loads in ["http://", "https://", " src=", "@import", "url("] {
            assert!(!html.contains(loads), "{lang} {loads}");
        }
        assert!(html.matches("<table>").count() > 60 && html.matches("<svg").count() > 20);
        let json = std::fs::read_to_string(out.join("study.json")).expect("the answers");
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let questions = json["questions"].as_object().expect("questions");
        for id in questions.keys() {
            let csv = std::fs::read_to_string(out.join(format!("tables/{id}.csv"))).unwrap_or_else(|error| panic!("{id}: {error}"));
            let rows = questions[id]["rows"].as_array().map_or(0, Vec::len);
            assert_eq!(csv.lines().count(), rows + 1, "{id}");
        }
        assert!(std::fs::read_to_string(out.join("study.md")).expect("Markdown").contains("| --- |"));
    }
}
