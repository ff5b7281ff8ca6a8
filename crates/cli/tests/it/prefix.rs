//! Servers under a path: behind a proxy's sub-path that the user names, or that a redirect of the root leads to.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vigie_fleet::{Judge, Recorder, Running};

use crate::fleet::{named, raise};
use crate::{code, observations, stderr, stdout, text, vigie};

/// An nginx that is stopped at the end of the test.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts nginx with these locations; `None`: there is no nginx on this machine.
fn nginx(dir: &Path, address: &str, locations: &str) -> Option<Nginx> {
    let at = text(dir);
    let conf = format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/errors;\nevents {{}}\nhttp {{\n  access_log off;\n  \
         client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3; uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;\n  \
         server {{ listen {address};\n{locations}\n  }}\n}}\n"
    );
    let file = dir.join("nginx.conf");
    std::fs::write(&file, conf).expect("the configuration is written");
    let child = Command::new("nginx")
        .args(["-p", at, "-c", text(&file)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = match child {
        Ok(child) => Nginx(child),
        Err(_) => {
            eprintln!("there is no nginx on this machine: not tested");
            return None;
        }
    };
    let begun = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "nginx does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(child)
}

/// The records of a scan, and its standard error.
fn scan(words: &[&str]) -> (Vec<serde_json::Value>, String) {
    let output = vigie(&[words, &["--no-lake", "--quiet", "--format", "jsonl"]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    (observations(&output), stderr(&output))
}

fn product(record: &serde_json::Value) -> Option<&str> {
    record["identity"]["product"]["known"].as_str()
}

fn prefix(record: &serde_json::Value) -> Option<&str> {
    record["endpoint"]["prefix"].as_str()
}

fn unharmed(running: &Running, recorder: &Recorder) {
    let _ = running;
    let harm: Vec<_> = recorder.forbidden(&Judge::by_hand());
    assert!(harm.is_empty(), "{harm:?}");
    assert_eq!(recorder.lost(), 0);
}

/// Two servers behind one port, each under its path, and a page at the root.
const TWO: &str = "location /ollama/ { proxy_pass http://127.91.60.1:21434/; }\n\
                   location /team/llama/ { proxy_pass http://127.91.60.2:21434/; }";

#[test]
fn a_server_is_scanned_under_the_path_of_its_url() {
    let (running, recorder) = raise(60, &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key"]));
    let dir = tempfile::tempdir().expect("a folder");
    let Some(_nginx) = nginx(dir.path(), "127.91.60.9:8080", TWO) else {
        return;
    };

    let (records, _) = scan(&[
        "scan",
        "http://127.91.60.9:8080/ollama",
        "http://127.91.60.9:8080//team/%6clama/",
        "http://127.91.60.9:8080/ollama/",
    ]);
    let mut seen: Vec<_> = records.iter().map(|record| (prefix(record), product(record))).collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [(Some("/ollama"), Some("ollama")), (Some("/team/llama"), Some("llama-cpp"))],
        "each once: {records:#?}"
    );
    let ollama = records
        .iter()
        .find(|record| product(record) == Some("ollama"))
        .expect("it is there");
    assert_eq!(ollama["identity"]["version"]["known"], "0.17.4");
    assert_eq!(ollama["exposure"]["posture"]["known"], "open");
    assert_eq!(ollama["exposure"]["models"]["known"].as_array().map(Vec::len), Some(1));
    assert!(
        ollama["exposure"]["models"]["known"][0]["context_length"]["known"].is_number(),
        "asked under the prefix: {ollama:#}"
    );
    assert!(
        ollama["findings"]
            .as_array()
            .is_some_and(|all| all.iter().all(|finding| finding["subject"]
                .as_str()
                .is_some_and(|subject| subject.starts_with("127.91.60.9:8080/ollama")))),
        "{ollama:#}"
    );
    unharmed(&running, &recorder);

    // A client's address of the server, and a path of an API.
    for (path, expected) in [
        ("/ollama/v1", "/ollama"),
        ("/ollama/api/tags", "/ollama"),
        ("/team/llama/v1/models?x=1#y", "/team/llama"),
    ] {
        let (records, _) = scan(&["scan", &format!("http://127.91.60.9:8080{path}")]);
        assert_eq!(records.iter().map(prefix).collect::<Vec<_>>(), [Some(expected)], "{path}");
        assert!(product(&records[0]).is_some(), "{path}");
    }
    let (records, notes) = scan(&["scan", "http://127.91.60.1:21434/v1"]);
    assert_eq!((prefix(&records[0]), product(&records[0])), (None, Some("ollama")), "{notes}");
    // A record of the root has no prefix.
    assert!(records[0]["endpoint"].get("prefix").is_none());

    // Nothing is there: a note says so, and the root is not scanned, unless the path may be a gateway's route.
    for (path, expected, unexpected) in [
        ("/nothing", "was scanned under /nothing only", "was scanned first"),
        ("/vllm", "its root was scanned first", "was scanned under"),
    ] {
        let output = vigie(&[
            "scan",
            &format!("http://127.91.60.9:8080{path}"),
            "--no-lake",
            "--quiet",
            "--format",
            "json",
        ]);
        let report: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let record = &report["observations"][0];
        assert_eq!((prefix(record), product(record)), (Some(path), None), "{report:#}");
        let notes = report["summary"]["notes"].to_string();
        assert!(notes.contains(expected) && !notes.contains(unexpected), "{notes}");
    }
    unharmed(&running, &recorder);
}

#[test]
fn transcripts_have_the_path_that_was_sent() {
    let (_running, _) = raise(61, &named(&["ollama/0.17.4-one-model"]));
    let dir = tempfile::tempdir().expect("a folder");
    let location = "location /ollama/ { proxy_pass http://127.91.61.1:21434/; }";
    let Some(_nginx) = nginx(dir.path(), "127.91.61.9:8080", location) else {
        return;
    };
    let kept = dir.path().join("kept");
    scan(&["scan", "http://127.91.61.9:8080/ollama", "--transcripts", text(&kept)]);
    let files: Vec<_> = std::fs::read_dir(&kept).expect("a folder").flatten().collect();
    assert_eq!(files.len(), 1);
    let transcript: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(files[0].path()).expect("text")).expect("a transcript");
    assert_eq!(transcript["endpoint"]["prefix"], "/ollama");
    let exchanges = transcript["exchanges"].as_array().expect("exchanges");
    assert!(exchanges.len() > 3);
    for exchange in exchanges {
        assert!(
            exchange["request"]["path"]
                .as_str()
                .is_some_and(|path| path.starts_with("/ollama/")),
            "{exchange}"
        );
    }
}

#[test]
fn a_dry_run_lists_the_path_and_a_path_that_leads_elsewhere_is_rejected() {
    let output = vigie(&[
        "scan",
        "http://127.91.62.1:8080/ollama",
        "127.91.62.2",
        "--ports",
        "80",
        "--dry-run",
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(
        printed.contains("127.91.62.1:8080/ollama\n") && !printed.contains("127.91.62.1:8080\n"),
        "{printed}"
    );
    assert!(printed.contains("127.91.62.2:80\n"), "{printed}");
    // The requests are those that would be sent: below the path of the one, at the root of the other.
    assert!(
        printed.contains("  GET /ollama/api/tags\n") && printed.contains("  GET /api/tags\n"),
        "{printed}"
    );
    for (target, sent, unsent) in [
        ("http://127.91.62.1:8080/a/b/", "  GET /a/b/v1/models\n", "  GET /v1/models\n"),
        ("127.91.62.1:8080", "  GET /v1/models\n", "/a/b"),
    ] {
        let printed = stdout(&vigie(&["scan", target, "--dry-run"]));
        assert!(printed.contains(sent) && !printed.contains(unsent), "{printed}");
    }
    // A gateway's route to another server is scanned after the root.
    let printed = stdout(&vigie(&["scan", "http://127.91.62.1:8080/vllm", "--dry-run"]));
    assert!(
        printed.contains("To the root first") && printed.contains("  GET /v1/models\n"),
        "{printed}"
    );
    assert!(printed.contains("  GET /vllm/v1/models\n"), "{printed}");
    for wrong in ["/../x", "/%2e%2e/x", "/a%2Fb", "/a%5cb", "/a%252f", "/..;/x"] {
        let output = vigie(&["scan", &format!("http://127.91.62.1:8080{wrong}"), "--dry-run"]);
        assert_eq!(code(&output), 2, "{wrong}: {}", stdout(&output));
        assert!(stderr(&output).contains("path"), "{wrong}: {}", stderr(&output));
    }
}

#[test]
fn a_redirect_of_the_root_leads_to_the_server() {
    let (running, recorder) = raise(63, &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key"]));
    let behind = |path: &str, root: &str, last: u8| format!("{root}\nlocation {path} {{ proxy_pass http://127.91.63.{last}:21434/; }}");
    for (number, (path, root)) in [
        // Nothing else at the root.
        ("/ollama/", "location = / { return 302 /ollama/; }"),
        // Every path of the root redirects.
        ("/ollama/", "location / { return 301 /ollama/; }"),
        ("/ollama/", "location / { return 307 http://$http_host/ollama/; }"),
        // Without the slash at its end, to a path of two segments.
        ("/ollama/", "location = / { return 302 /ollama; }"),
        ("/ai/llm/", "location = / { return 302 /ai/llm/; }"),
        // A page of its own on every other path.
        ("/ollama/", "location = / { return 302 /ollama/; }\nlocation / { default_type text/html; return 200 '<!doctype html><title>Intranet</title>'; }"),
        // A path that is a product's own page elsewhere.
        ("/ui/", "location = / { return 302 /ui/; }"),
        ("/webui/", "location = / { return 302 /webui/; }"),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = tempfile::tempdir().expect("a folder");
        let address = format!("127.91.63.{}:8080", 20 + number);
        let Some(_nginx) = nginx(dir.path(), &address, &behind(path, root, 1)) else { return };
        let before = recorder.total();
        let kept = dir.path().join("kept");
        let (records, _) = scan(&["scan", &address, "--transcripts", text(&kept)]);
        assert_eq!(records.len(), 1, "{path} {root}");
        assert_eq!(
            (prefix(&records[0]), product(&records[0])),
            (Some(path.trim_end_matches('/')), Some("ollama")),
            "{path} {root}: {:#}",
            records[0]
        );
        assert_eq!(records[0]["exposure"]["posture"]["known"], "open", "{path} {root}");
        assert_eq!(records[0]["exposure"]["models"]["known"].as_array().map(Vec::len), Some(1), "{path} {root}");
        // Twelve requests in all, root and path together, and one about the model.
        let file = std::fs::read_dir(&kept).expect("a folder").flatten().next().expect("a transcript");
        let transcript: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file.path()).expect("text")).expect("JSON");
        let sent = transcript["exchanges"].as_array().map_or(0, Vec::len);
        assert!(sent <= 13, "{sent} requests: {path} {root}");
        assert!(recorder.total() > before);
    }
    unharmed(&running, &recorder);
}

#[test]
fn a_redirect_to_a_products_own_page_is_not_a_path_to_scan() {
    // Each redirects its root to a page of its own.
    let names = [
        "infinity/0.0.78-open",
        "marimo/0.25.2-token",
        "jupyter/2.21.1-lab4-open",
        "xinference/1.5.0-open",
        "weaviate/1.35.2-open",
    ];
    let (running, recorder) = raise(66, &named(&names));
    let (records, _) = scan(&["scan", "127.91.66.0/24", "--ports", "21434"]);
    let mut seen: Vec<_> = records.iter().map(|record| (prefix(record), product(record))).collect();
    seen.sort_unstable();
    let mut expected: Vec<_> = names.iter().map(|name| (None, name.split('/').next())).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected, "{records:#?}");
    unharmed(&running, &recorder);
}

#[test]
fn a_path_that_a_gateway_passes_on_is_scanned_only_where_there_is_no_gateway() {
    // At a LiteLLM, /vllm/… is passed on with its owner's key.
    let (running, recorder) = raise(67, &named(&["vllm/0.32.0-open", "litellm/1.75.8-key"]));
    let dir = tempfile::tempdir().expect("a folder");
    let location = "location /vllm/ { proxy_pass http://127.91.67.1:21434/; }";
    let Some(_nginx) = nginx(dir.path(), "127.91.67.9:8080", location) else {
        return;
    };
    let (records, _) = scan(&["scan", "http://127.91.67.9:8080/vllm"]);
    assert_eq!(records.len(), 1);
    assert_eq!(
        (prefix(&records[0]), product(&records[0])),
        (Some("/vllm"), Some("vllm")),
        "{:#}",
        records[0]
    );

    let kept = dir.path().join("kept");
    let output = vigie(&[
        "scan",
        "http://127.91.67.2:21434/vllm",
        "--no-lake",
        "--quiet",
        "--format",
        "json",
        "--transcripts",
        text(&kept),
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert!(report.to_string().contains("/vllm was not scanned"), "{report:#}");
    for file in std::fs::read_dir(&kept).expect("a folder").flatten() {
        let transcript = std::fs::read_to_string(file.path()).expect("text");
        assert!(!transcript.contains("\"path\": \"/vllm"), "{transcript}");
    }
    unharmed(&running, &recorder);
}

#[test]
fn the_root_is_reported_where_nothing_answers_under_the_path() {
    let dir = tempfile::tempdir().expect("a folder");
    let locations = "location = / { return 302 /app/; }\nlocation /app/ { default_type text/html; return 200 '<!doctype html><title>Intranet</title>'; }";
    let Some(_nginx) = nginx(dir.path(), "127.91.64.9:8080", locations) else {
        return;
    };
    let (records, _) = scan(&["scan", "127.91.64.9:8080"]);
    assert_eq!((prefix(&records[0]), product(&records[0])), (None, None));
}

#[test]
fn two_paths_of_one_endpoint_are_two_endpoints_in_the_lake() {
    let (_running, _) = raise(65, &named(&["ollama/0.17.4-one-model", "ollama/0.17.4-one-model"]));
    let dir = tempfile::tempdir().expect("a folder");
    let locations = "location /a/ { proxy_pass http://127.91.65.1:21434/; }\nlocation /b/ { proxy_pass http://127.91.65.2:21434/; }";
    let Some(_nginx) = nginx(dir.path(), "127.91.65.9:8080", locations) else {
        return;
    };
    let lake = dir.path().join("lake");
    let scan = |words: &[&str]| {
        let output = vigie(&[&["scan"], words, &["--quiet", "--lake", text(&lake)]].concat());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
    };
    scan(&["http://127.91.65.9:8080/a", "http://127.91.65.9:8080/b"]);
    scan(&["http://127.91.65.9:8080/a"]);
    let json = |words: &[&str]| -> serde_json::Value {
        let output = vigie(&[words, &["--lake", text(&lake), "--format", "json"]].concat());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).expect("JSON")
    };
    let hosts = json(&["hosts"]);
    let mut seen: Vec<(Option<&str>, Option<u64>)> = hosts["hosts"]
        .as_array()
        .expect("hosts")
        .iter()
        .map(|host| (host["prefix"].as_str(), host["observations"].as_u64()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [(Some("/a"), Some(2)), (Some("/b"), Some(1))]);
    let shown = vigie(&["show", "127.91.65.9", "--lake", text(&lake)]);
    let shown = stdout(&shown);
    assert!(
        shown.contains("127.91.65.9:8080/a") && shown.contains("127.91.65.9:8080/b"),
        "{shown}"
    );
    let table = stdout(&vigie(&["hosts", "--lake", text(&lake)]));
    assert!(
        table.contains("127.91.65.9:8080/a") && table.contains("127.91.65.9:8080/b"),
        "{table}"
    );
}
