//! Text that strangers wrote cannot control the terminal on which it is shown.

use std::io::Write as _;
use std::path::Path;

use vigie_export::text::{Safe, is_unsafe};

use crate::{code, stderr, text, vigie};

/// A window title, an override of the text direction, a C1 control character, and an invisible character.
const HOSTILE: &str = "0.1\u{1b}]0;pwned\u{7}\u{202e}\u{9b}2J\u{200b}x";

#[track_caller]
fn safe(shown: &str) {
    let acts: Vec<char> = shown.chars().filter(|c| *c != '\n' && is_unsafe(*c)).collect();
    assert!(acts.is_empty(), "{acts:?} in {shown:?}");
}

#[test]
fn an_error_escapes_control_characters() {
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
fn a_json_document_keeps_the_value_and_is_safe() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    // The name of a file is untrusted too.
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
    let json = |words: &[&str]| -> serde_json::Value {
        let output = vigie(&[words, &["--lake", lake, "--format", "json"]].concat());
        assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
        safe(&crate::stdout(&output));
        serde_json::from_str(&crate::stdout(&output)).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    };
    let summary = json(&["import", "--from", "shodan", text(&file), "--quiet"]);
    assert_eq!(summary["files"][0]["file"], text(&file), "{summary:#}");
    let hosts = json(&["hosts"]);
    let shown = json(&["show", "192.0.2.7"]);
    let diff = json(&["diff", "2026-10-01"]);
    for document in [&hosts, &shown, &diff] {
        assert!(document.to_string().contains('\u{202e}'), "it is the same value: {document:#}");
    }
}

#[test]
fn text_is_escaped_wherever_a_write_cuts_it() {
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
fn a_damaged_lake_is_not_wrong_usage() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let log = lake.join("observations/_delta_log");
    std::fs::create_dir_all(&log).expect("made");
    std::fs::write(log.join("00000000000000000000.json"), "not a log\n").expect("written");
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
        assert_eq!(
            code(&vigie(&["hosts", "--lake", text(wrong)])),
            2,
            "a folder without a lake is wrong usage"
        );
    }
}
