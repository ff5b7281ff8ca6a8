//! `vigie audit` from its arguments to its output.

use std::path::Path;

use crate::{code, stderr, stdout, text, vigie};

/// A project with two mistakes, and a service that is off.
fn project(folder: &Path) {
    let compose = "services:\n  ollama:\n    image: ollama/ollama\n    ports: [\"11434:11434\"]\n    environment: {OLLAMA_ORIGINS: '*'}\n  off:\n    image: \
                   ollama/ollama\n    profiles: [gpu]\n    ports: [\"1:1\"]\n";
    std::fs::write(folder.join("compose.yaml"), compose).expect("written");
}

#[test]
fn findings_have_their_line_in_every_format_and_the_exit_code_is_the_worst() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path());
    let plain = vigie(&["audit", text(folder.path())]);
    assert_eq!(code(&plain), 14, "{}", stderr(&plain));
    assert!(stdout(&plain).contains("critical[published-port]"), "{}", stdout(&plain));
    assert!(stdout(&plain).contains("compose.yaml:4:13"), "{}", stdout(&plain));
    let json = vigie(&["audit", text(folder.path()), "--format", "json", "--exit-zero"]);
    assert_eq!(code(&json), 0);
    let document: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!(document["schema"], "vigie.audit/1");
    let found: Vec<(&str, u64)> = document["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| {
            (
                finding["id"].as_str().expect("an id"),
                finding["location"]["line"].as_u64().expect("a line"),
            )
        })
        .collect();
    assert_eq!(found, [("published-port", 4), ("origins-wildcard", 5)]);
}

#[test]
fn a_folder_without_mistakes_ends_with_zero_and_a_path_that_is_not_there_is_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let done = vigie(&["audit", text(folder.path())]);
    assert_eq!(code(&done), 0);
    assert!(stdout(&done).starts_with("No findings. 0 files read"), "{}", stdout(&done));
    let done = vigie(&["audit", text(&folder.path().join("none"))]);
    assert_eq!(code(&done), 2);
    assert!(stderr(&done).contains("cannot read"), "{}", stderr(&done));
    assert_eq!(code(&vigie(&["audit"])), 2);
}

#[test]
fn a_rule_is_explained_in_two_languages() {
    let done = vigie(&["audit", "--explain", "published-port"]);
    assert_eq!(code(&done), 0);
    assert!(stdout(&done).contains("Before, compose.yaml"), "{}", stdout(&done));
    let done = vigie(&["audit", "--explain", "published-port", "--language", "fr"]);
    assert!(stdout(&done).contains("Avant, compose.yaml"), "{}", stdout(&done));
    let done = vigie(&["audit", "--explain", "none"]);
    assert_eq!(code(&done), 2);
    assert!(stderr(&done).contains("published-port"), "{}", stderr(&done));
}
