//! Queries over the lake, and its maintenance.

use std::path::Path;

use crate::fleet::{named, raise};
use crate::scan::PORT;
use crate::{code, stderr, stdout, text, vigie};

fn json(words: &[&str]) -> serde_json::Value {
    let output = vigie(words);
    assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{words:?}: {error}: {}", stdout(&output)))
}

fn ask(lake: &Path, sql: &str) -> String {
    let output = vigie(&["sql", sql, "--lake", text(lake), "--format", "csv"]);
    assert_eq!(code(&output), 0, "{sql}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_lake_is_queried_compacted_and_forgets() {
    let (_running, _) = raise(8, &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key"]));
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    for _ in 0..3 {
        let output = vigie(&["scan", "127.91.8.1-127.91.8.2", "--ports", PORT, "--quiet", "--lake", text(&lake)]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
    }
    let products = "SELECT product, count(*) AS seen, count(DISTINCT address) AS hosts FROM observations GROUP BY product ORDER BY product";
    let expected = "product,seen,hosts\nllama-cpp,3,1\nollama,3,1\n";
    assert_eq!(ask(&lake, products), expected);
    assert_eq!(ask(&lake, "SELECT count(*) AS n FROM scans WHERE finished IS NOT NULL"), "n\n3\n");
    let table = stdout(&vigie(&["sql", products, "--lake", text(&lake)]));
    assert!(table.contains("llama-cpp") && table.contains("2 rows"), "{table}");

    let file = dir.path().join("answer.parquet");
    let output = vigie(&[
        "sql",
        products,
        "--lake",
        text(&lake),
        "--format",
        "parquet",
        "--output",
        text(&file),
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(std::fs::read(&file).expect("it is there").starts_with(b"PAR1"));
    for wrong in ["SELECT nothing FROM observations", "DELETE FROM observations", ""] {
        let output = vigie(&["sql", wrong, "--lake", text(&lake)]);
        assert_eq!(code(&output), 2, "{wrong}: {}", stdout(&output));
        assert!(stderr(&output).contains("error:"), "{}", stderr(&output));
    }

    let files = |words: &[&str]| json(&[&["lake"], words, &["--lake", text(&lake), "--format", "json"]].concat());
    let before = files(&["files"])["files"].as_array().map_or(0, Vec::len);
    assert_eq!(files(&["compact"])["tables"]["observations"]["removed"], 3);
    let after = files(&["files"])["files"].as_array().map_or(0, Vec::len);
    assert!(after < before, "{after} of {before}");
    assert!(
        files(&["vacuum", "--older", "0d"])["removed"]
            .as_u64()
            .is_some_and(|removed| removed >= 3)
    );
    assert_eq!(ask(&lake, products), expected);

    let gone = files(&["forget", "127.91.8.1", "--now"]);
    assert_eq!(
        (gone["observations"].as_u64(), gone["states"].as_u64()),
        (Some(3), Some(1)),
        "{gone}"
    );
    assert_eq!(ask(&lake, products), "product,seen,hosts\nllama-cpp,3,1\n");
    assert_eq!(ask(&lake, "SELECT count(*) AS n FROM states"), "n\n1\n");
    assert_eq!(files(&["forget", "--before", "2000-01-01"])["observations"], 0);
    assert_eq!(
        code(&vigie(&["lake", "forget", "--lake", text(&lake)])),
        2,
        "nothing to delete is named"
    );
}

/// A lake with one observation.
fn small(dir: &Path) -> std::path::PathBuf {
    let (lake, file) = (dir.join("lake"), dir.join("one.jsonl"));
    let record = serde_json::json!({
        "ip_str": "192.0.2.7", "port": 11434, "transport": "tcp", "timestamp": "2026-11-01T07:21:33.444507", "product": "Ollama",
        "http": {"status": 200, "html": "Ollama is running"}, "data": "HTTP/1.1 200 OK\r\n\r\n", "_shodan": {"module": "http"}
    });
    std::fs::write(&file, format!("{record}\n")).expect("written");
    let output = vigie(&["import", "--from", "shodan", text(&file), "--quiet", "--lake", text(&lake)]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    lake
}

#[test]
fn answers_are_safe_and_each_column_has_its_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = small(dir.path());
    let ask = |sql: &str, form: &str| vigie(&["sql", sql, "--lake", text(&lake), "--format", form]);
    // Two tables with a column of the same name: a JSON object has each key once.
    let twice = "SELECT * FROM (SELECT 1 AS a) AS x CROSS JOIN (SELECT 2 AS a) AS y";
    assert_eq!(stdout(&ask(twice, "json")), "{\"a\":1,\"a:1\":2}\n");
    assert_eq!(stdout(&ask(twice, "csv")), "a,a:1\n1,2\n");
    assert_eq!(code(&ask(twice, "parquet")), 0);
    // A column of NULL alone is as unknown as any other NULL.
    let table = stdout(&ask("SELECT NULL AS nothing, CAST(NULL AS INT) AS number", "table"));
    assert_eq!(table.matches('?').count(), 2, "{table}");
    // Control characters are escaped in JSON, where the value stays the same; a program that reads CSV gets the value.
    let hostile = "SELECT 'a\u{202e}b\u{9b}\u{1b}c' AS x";
    let printed = stdout(&ask(hostile, "json"));
    assert!(
        printed.contains("\\u202e") && !printed.contains('\u{202e}') && !printed.contains('\u{9b}'),
        "{printed:?}"
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&printed).expect("JSON")["x"],
        "a\u{202e}b\u{9b}\u{1b}c"
    );
    assert_eq!(stdout(&ask(hostile, "csv")), "x\na\u{202e}b\u{9b}\u{1b}c\n");
    let failed = stderr(&ask("SELECT CAST('\u{1b}]0;pwned\u{7}' AS INT)", "json"));
    assert!(!failed.contains('\u{1b}') && failed.contains("\\u{1b}]0;pwned"), "{failed:?}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_closes_the_pipe_is_not_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = small(dir.path());
    // Larger than a buffer even when compressed.
    let mut state = 1_u64;
    let values: Vec<String> = (0..4_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            format!("('{state:016x}')")
        })
        .collect();
    let sql = format!("SELECT * FROM (VALUES {}) AS v(x)", values.join(","));
    for form in ["json", "csv", "parquet"] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_vigie"))
            .args(["sql", &sql, "--lake", text(&lake), "--format", form])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{form}");
    }
}
