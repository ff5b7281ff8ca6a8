//! What strangers wrote does nothing to the terminal that it is shown on.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;
use vigie_export::text::{Safe, is_unsafe};

use crate::{code, stderr, stdout, text, vigie};

/// The title of a window, an override of the direction, a C1 control, and a character that nobody sees.
const HOSTILE: &str = "0.1\u{1b}]0;pwned\u{7}\u{202e}\u{9b}2J\u{200b}x";

#[track_caller]
fn safe(shown: &str) {
    let acts: Vec<char> = shown.chars().filter(|c| *c != '\n' && is_unsafe(*c)).collect();
    assert!(acts.is_empty(), "{acts:?} in {shown:?}");
}

#[test]
fn an_error_shows_what_would_act() {
    let place = format!("/nonexistent/{HOSTILE}");
    for words in [
        &["scan", "-f", &place][..],
        &["hosts", "--lake", &place],
        &["scope", "check", &place],
    ] {
        let output = vigie(words);
        assert_ne!(code(&output), 0, "{words:?}");
        safe(&stderr(&output));
        assert!(stderr(&output).contains("\\u{202e}"), "{words:?}: {}", stderr(&output));
    }
}

#[cfg(feature = "watch")]
#[test]
fn a_document_of_json_is_the_same_value_and_does_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    // The name of a file is a stranger's too.
    let file = dir.path().join("a\u{202e}b\u{9b}.jsonl");
    let record = |version: &str| {
        serde_json::json!({
            "ip_str": "192.0.2.7", "port": 11434, "transport": "tcp", "timestamp": "2026-11-01T07:21:33.444507",
            "product": "Ollama", "version": version, "hostnames": [], "domains": [], "hash": 1, "org": HOSTILE, "isp": HOSTILE,
            "http": {"status": 200, "title": HOSTILE, "server": HOSTILE, "html": "Ollama is running"},
            "data": format!("HTTP/1.1 200 OK\r\nServer: {HOSTILE}\r\n\r\n"), "asn": "AS64500", "location": {"country_code": "DE"},
            "_shodan": {"module": "http", "id": "x", "crawler": "x", "ptr": true, "options": {}}
        })
    };
    std::fs::write(&file, format!("{}\n", record(HOSTILE))).expect("written");
    let lake = text(&lake);
    let json = |words: &[&str]| -> Value {
        let output = vigie(&[words, &["--lake", lake, "--format", "json"]].concat());
        assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
        safe(&stdout(&output));
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    };
    let told = json(&["import", "--from", "shodan", text(&file), "--quiet"]);
    assert_eq!(told["files"][0]["file"], text(&file), "{told:#}");
    let hosts = json(&["hosts"]);
    let shown = json(&["show", "192.0.2.7"]);
    let diff = json(&["diff", "2026-10-01"]);
    for told in [&hosts, &shown, &diff] {
        assert!(told.to_string().contains('\u{202e}'), "it is the same value: {told:#}");
    }
}

#[test]
fn what_another_formats_is_escaped_wherever_it_is_cut() {
    for cut in 1..6 {
        let (mut json, mut shown) = (Vec::new(), Vec::new());
        let line = format!("{}\n", serde_json::to_string(HOSTILE).expect("it serialises"));
        let mut writer = Safe::json(&mut json);
        line.as_bytes()
            .chunks(cut)
            .for_each(|some| writer.write_all(some).expect("it takes"));
        let mut writer = Safe::text(&mut shown);
        HOSTILE
            .as_bytes()
            .chunks(cut)
            .for_each(|some| writer.write_all(some).expect("it takes"));
        let json = String::from_utf8(json).expect("text");
        safe(&json);
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), HOSTILE);
        assert_eq!(
            String::from_utf8(shown).expect("text"),
            "0.1\\u{1b}]0;pwned\\u{7}\\u{202e}\\u{9b}2J\\u{200b}x"
        );
    }
}

#[test]
fn a_lake_that_cannot_be_opened_is_no_wrong_usage() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let log = lake.join("observations/_delta_log");
    std::fs::create_dir_all(&log).expect("made");
    std::fs::write(log.join("00000000000000000000.json"), "this is no log\n").expect("written");
    for words in [
        &["hosts"][..],
        &["show", "192.0.2.7"],
        #[cfg(feature = "study")]
        &["sql", "SELECT 1"],
    ] {
        let output = vigie(&[words, &["--lake", text(&lake)]].concat());
        assert_eq!(code(&output), 4, "{words:?}: {}", stderr(&output));
    }
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).expect("made");
    for wrong in [Path::new("/nonexistent/lake"), &empty] {
        assert_eq!(code(&vigie(&["hosts", "--lake", text(wrong)])), 2, "a folder that is no lake is");
    }
}
