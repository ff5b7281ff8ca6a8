//! Other tools' records into the lake.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{code, stderr, stdout, text, vigie};

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/data").join(file)
}

/// What an import of files says.
fn import(lake: &Path, dir: &Path, files: &[&Path], more: &[&str]) -> (i32, serde_json::Value, String) {
    let errors = dir.join("errors.jsonl");
    let mut words = vec![
        "import",
        "--lake",
        text(lake),
        "--errors",
        text(&errors),
        "--format",
        "json",
        "--quiet",
    ];
    words.extend(files.iter().map(|file| text(file)));
    words.extend(more);
    let output = vigie(&words);
    let told = serde_json::from_str(&stdout(&output)).unwrap_or(serde_json::Value::Null);
    (code(&output), told, stderr(&output))
}

fn ask(lake: &Path, sql: &str) -> String {
    let output = vigie(&["sql", sql, "--lake", text(lake), "--format", "csv"]);
    assert_eq!(code(&output), 0, "{sql}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn importing_twice_adds_nothing_and_a_bad_record_stops_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let good = std::fs::read_to_string(data("shodan/download.jsonl")).expect("the fixture reads");
    let mut lines: Vec<&str> = good.lines().collect();
    let count = lines.len() as u64;
    lines.insert(1, "{\"ip_str\": \"not an address\", \"port\": 70000}");
    lines.insert(2, "no JSON at all \u{1b}[31m");
    let file = dir.path().join("download.json");
    std::fs::write(&file, lines.join("\n")).expect("written");

    let (status, told, said) = import(&lake, dir.path(), &[&file], &[]);
    assert_eq!(status, 0, "{said}");
    assert_eq!(told["schema"], "vigie.import/1");
    let one = &told["files"][0];
    assert_eq!((one["format"].as_str(), one["bad"].as_u64()), (Some("shodan"), Some(2)), "{told:#}");
    let added = one["added"].as_u64().expect("a count");
    assert!(added > 0 && added + one["duplicates"].as_u64().unwrap_or(0) <= count, "{told:#}");
    let errors = std::fs::read_to_string(dir.path().join("errors.jsonl")).expect("the error file is there");
    let lines: Vec<serde_json::Value> = errors.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        (lines[0]["line"].as_u64(), lines[1]["line"].as_u64()),
        (Some(2), Some(3)),
        "{errors}"
    );
    assert!(!errors.contains('\u{1b}'));

    let (_, again, _) = import(&lake, dir.path(), &[&file], &[]);
    assert_eq!(again["files"][0]["added"], 0, "{again:#}");
    assert_eq!(ask(&lake, "SELECT count(*) AS n FROM observations"), format!("n\n{added}\n"));
    assert_eq!(
        ask(&lake, "SELECT DISTINCT source_kind, source_name FROM observations"),
        "source_kind,source_name\nimport,shodan\n"
    );
    // What Shodan does not carry is unknown, with its reason.
    assert_eq!(
        ask(
            &lake,
            "SELECT count(*) AS n FROM observations WHERE capabilities IS NULL AND capabilities_why = 'not-carried'"
        ),
        format!("n\n{added}\n")
    );
}

#[test]
fn several_files_of_several_tools_and_what_is_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let nothing = dir.path().join("letter.txt");
    std::fs::write(&nothing, "Dear reader,\nthis is no scan.\n").expect("written");
    let (status, told, said) = import(
        &lake,
        dir.path(),
        &[&data("censys/hosts.jsonl"), &nothing, Path::new("/nonexistent/file")],
        &[],
    );
    assert_eq!(status, 2, "a file that is none is said: {told:#}");
    assert!(said.contains("letter.txt") && said.contains("/nonexistent/file"), "{said}");
    assert!(
        told["files"][0]["added"].as_u64().is_some_and(|added| added > 0),
        "the others are read: {told:#}"
    );
    assert!(told["files"][1]["failed"].is_string() && told["files"][2]["failed"].is_string());
}

#[test]
fn from_standard_input_and_with_a_class_for_a_known_as() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let errors = dir.path().join("errors.jsonl");
    // A documentation address would stand nowhere; this one is no host either, being the first of its block.
    let line = r#"{"ip_str":"8.0.0.0","port":11434,"transport":"tcp","timestamp":"2026-11-01T07:21:33.444507","asn":"AS24940","product":"Ollama","version":"0.12.3","hostnames":[],"domains":[],"location":{"country_code":"DE"},"http":{"status":200,"html":"Ollama is running"},"data":"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n","hash":1,"_shodan":{"module":"http"}}"#;
    let mut child = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(["import", "-", "--lake", text(&lake), "--errors", text(&errors), "--quiet"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(line.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(!errors.exists(), "nothing was bad");
    assert_eq!(
        ask(
            &lake,
            "SELECT address, product, version, country, asn, class, tier FROM observations"
        ),
        "address,product,version,country,asn,class,tier\n8.0.0.0,ollama,0.12.3,DE,24940,hosting,cloud-vps\n"
    );
}

/// The log of a gateway: what its requests used is answered by SQL, and an altered log is reported.
#[test]
fn the_log_of_a_gateway_is_imported_and_checked() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let (log, key) = (data("vigie-guard/v2.jsonl"), data("vigie-guard/v2.pub"));
    let with_key = ["--public-key", text(&key)];
    let (code, report, said) = import(&lake, dir.path(), &[&log], &with_key);
    assert_eq!(code, 0, "{said}");
    let file = &report["files"][0];
    assert_eq!(
        (&file["format"], &file["requests"], &file["added"]),
        (&"vigie-guard".into(), &7.into(), &7.into())
    );
    assert_eq!((&file["chain"]["broken"], &file["chain"]["unchecked"]), (&0.into(), &0.into()));
    assert!(file["chain"]["signed"].is_u64());
    #[cfg(feature = "study")]
    {
        let rows = ask(
            &lake,
            "SELECT key_name, model, count(*) AS requests FROM requests WHERE outcome = 'answered' GROUP BY 1, 2 ORDER BY 1",
        );
        assert_eq!(rows, "key_name,model,requests\nalice,tiny:latest,2\nbob,tiny:latest,2\n");
    }

    // Without the key, its signatures are not checked.
    let (code, report, _) = import(&lake, dir.path(), &[&log], &[]);
    assert_eq!((code, &report["files"][0]["duplicates"]), (0, &7.into()));
    assert!(report["files"][0]["chain"]["unchecked"].as_u64() > Some(0));

    let altered = dir.path().join("altered.jsonl");
    let whole = std::fs::read_to_string(&log).expect("read");
    std::fs::write(&altered, whole.replacen("\"name\":\"alice\"", "\"name\":\"carol\"", 1)).expect("written");
    let (code, report, said) = import(&lake, dir.path(), &[&altered], &with_key);
    assert_eq!((code, &report["files"][0]["chain"]["broken"]), (1, &1.into()), "{said}");
    assert!(
        said.contains("altered.jsonl: the chain of the log breaks") && said.contains("line "),
        "{said}"
    );

    // The first version of the log does not name its gateway.
    let first = data("vigie-guard/v1.jsonl");
    let (code, _, said) = import(&lake, dir.path(), &[&first], &[]);
    assert!(code == 2 && said.contains("--gateway NAME"), "{said}");
    let (code, report, said) = import(&lake, dir.path(), &[&first], &["--gateway", "gpu-1"]);
    assert_eq!((code, &report["files"][0]["added"]), (0, &7.into()), "{said}");
    let (code, _, said) = import(&lake, dir.path(), &[&first], &["--public-key", text(&first)]);
    assert!(code == 2 && said.contains("not the public key"), "{said}");
}
