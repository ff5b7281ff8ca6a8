//! Asking the lake, and its upkeep.

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
fn a_lake_is_asked_compacted_and_forgets() {
    let (_running, _) = raise(8, &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key"]));
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    for _ in 0..3 {
        let output = vigie(&["scan", "127.91.8.1-127.91.8.2", "--ports", PORT, "--quiet", "--lake", text(&lake)]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
    }
    let products = "SELECT product, count(*) AS seen, count(DISTINCT address) AS hosts FROM observations GROUP BY product ORDER BY product";
    let told = "product,seen,hosts\nllama-cpp,3,1\nollama,3,1\n";
    assert_eq!(ask(&lake, products), told);
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
    assert_eq!(ask(&lake, products), told);

    let gone = files(&["forget", "127.91.8.1", "--now"]);
    assert_eq!(
        (gone["observations"].as_u64(), gone["states"].as_u64()),
        (Some(3), Some(1)),
        "{gone}"
    );
    assert_eq!(ask(&lake, products), "product,seen,hosts\nllama-cpp,3,1\n");
    assert_eq!(ask(&lake, "SELECT count(*) AS n FROM states"), "n\n1\n");
    assert_eq!(files(&["forget", "--before", "2000-01-01"])["observations"], 0);
    assert_eq!(code(&vigie(&["lake", "forget", "--lake", text(&lake)])), 2, "it says what to name");
}
