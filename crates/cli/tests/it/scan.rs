//! `vigie scan` against simulated servers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use vigie_fleet::{Fleet, Judge};

use crate::fleet::{named, one_of_each, raise};
use crate::{code, observations, stderr, stdout, text, vigie};

pub(crate) const PORT: &str = "21434";

#[test]
fn every_planted_server_is_found_none_is_invented_and_none_is_harmed() {
    if !Fleet::has_many_addresses() {
        return;
    }
    let recordings = one_of_each();
    assert!(recordings.len() >= 50, "{} products were recorded", recordings.len());
    let (running, recorder) = raise(1, &recordings);
    let output = vigie(&[
        "scan",
        "127.91.1.0/24",
        "--ports",
        PORT,
        "--no-lake",
        "--quiet",
        "--format",
        "jsonl",
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let observations = observations(&output);
    // A decoy answers exactly as its product does: it is identified as that product, and its tells mark it as suspect.
    let suspected: BTreeSet<&str> = observations
        .iter()
        .filter(|o| o["deception"]["tells"].as_array().is_some_and(|tells| !tells.is_empty()))
        .filter_map(|o| o["endpoint"]["address"].as_str())
        .collect();
    let seen: BTreeMap<String, Option<String>> = observations
        .iter()
        .map(|o| {
            (
                o["endpoint"]["address"].as_str().expect("an address").to_owned(),
                o["identity"]["product"]["known"].as_str().map(str::to_owned),
            )
        })
        .collect();
    let planted: BTreeMap<String, Option<String>> = running
        .personalities()
        .iter()
        .map(|p| (p.address.ip().to_string(), p.product().map(str::to_owned)))
        .collect();
    // The port is not a default port of any product, and some rules use the port as a last hint: an unidentified server is not an error.
    for (address, product) in &seen {
        assert!(
            product.is_none() || planted.get(address) == Some(product) || suspected.contains(address.as_str()),
            "{address}: identified as {product:?}, planted {:?}",
            planted.get(address)
        );
    }
    assert_eq!(seen.keys().collect::<Vec<_>>(), planted.keys().collect::<Vec<_>>());
    let named = seen.values().filter(|product| product.is_some()).count();
    assert!(
        named * 10 >= planted.len() * 9,
        "only {named} of {} were identified on a port that is not their default",
        planted.len()
    );
    let harm: Vec<_> = recorder.forbidden(&Judge::by_hand());
    assert!(harm.is_empty(), "{harm:?}");
    assert_eq!(recorder.lost(), 0);
}

#[test]
fn exit_codes_depend_on_the_worst_finding() {
    let (_running, _) = raise(2, &named(&["ollama/0.17.4-one-model"]));
    let scan = |more: &[&str]| {
        code(&vigie(
            &[&["scan", "127.91.2.1", "--ports", PORT, "--no-lake", "--quiet"], more].concat(),
        ))
    };
    assert_eq!(scan(&[]), 0);
    assert_eq!(scan(&["--fail-on", "high"]), 1);
    let dir = tempfile::tempdir().expect("a folder");
    let baseline = dir.path().join("baseline.toml");
    assert_eq!(scan(&["--write-baseline", text(&baseline)]), 0);
    assert_eq!(
        scan(&["--fail-on", "info", "--baseline", text(&baseline)]),
        0,
        "{}",
        std::fs::read_to_string(&baseline).unwrap_or_default()
    );
    std::fs::write(
        &baseline,
        "schema = \"vigie.baseline/1\"\n[[accept]]\nfinding = \"open-inference\"\n",
    )
    .expect("writes");
    assert_eq!(scan(&["--baseline", text(&baseline)]), 2, "an entry without a reason and an expiry");
}

#[test]
fn a_dry_run_opens_no_socket() {
    let (_running, recorder) = raise(3, &named(&["ollama/0.17.4-one-model"]));
    let output = vigie(&["scan", "127.91.3.1", "--ports", "21434,21435", "--dry-run"]);
    assert_eq!(code(&output), 0);
    let printed = stdout(&output);
    assert!(
        printed.contains("127.91.3.1:21434") && printed.contains("127.91.3.1:21435"),
        "{printed}"
    );
    assert!(
        printed.contains("POST /api/show") && printed.contains("once per model"),
        "{printed}"
    );
    assert_eq!(recorder.total(), 0);
}

#[test]
fn the_lake_lists_endpoints_and_shows_their_history() {
    let (_running, _) = raise(4, &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key"]));
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    for _ in 0..2 {
        let output = vigie(&["scan", "127.91.4.1-127.91.4.2", "--ports", PORT, "--quiet", "--lake", text(&lake)]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
    }
    let hosts: serde_json::Value =
        serde_json::from_str(&stdout(&vigie(&["hosts", "--lake", text(&lake), "--format", "json"]))).expect("JSON");
    assert_eq!(hosts["schema"], "vigie.hosts/1");
    assert_eq!(hosts["hosts"].as_array().map(Vec::len), Some(2));
    assert_eq!(hosts["hosts"][0]["observations"], 2);
    let shown: serde_json::Value =
        serde_json::from_str(&stdout(&vigie(&["show", "127.91.4.1", "--lake", text(&lake), "--format", "json"]))).expect("JSON");
    assert_eq!(shown["observations"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["observations"][0]["identity"]["product"]["known"], "ollama");
    assert!(
        shown["observations"][0]["findings"].as_array().is_some_and(|all| !all.is_empty()),
        "findings are computed anew"
    );
    assert_eq!(code(&vigie(&["show", "127.91.4.9", "--lake", text(&lake)])), 2);
}

#[test]
fn a_proof_is_asked_for_only_where_the_scope_allows_it() {
    let (_running, recorder) = raise(5, &named(&["ollama/0.17.4-one-model", "ollama/0.17.4-loaded"]));
    let dir = tempfile::tempdir().expect("a folder");
    let spent = |allow: &str, prove: bool| {
        let mut scope = String::from(
            "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2099-01-01\n[[range]]\ncidr = \"127.91.5.0/24\"\n",
        );
        let _ = write!(scope, "{allow}");
        let file = dir.path().join("scope.toml");
        std::fs::write(&file, scope).expect("writes");
        recorder.clear();
        let mut words = vec![
            "scan",
            "127.91.5.1-127.91.5.2",
            "--ports",
            PORT,
            "--no-lake",
            "--quiet",
            "--scope",
            text(&file),
        ];
        words.extend(prove.then_some("--prove"));
        let output = vigie(&words);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        recorder
            .requests()
            .into_iter()
            .filter(|seen| seen.path == "/api/generate")
            .map(|seen| (seen.address.ip().to_string(), seen.body))
            .collect::<Vec<_>>()
    };
    assert!(spent("owner = true\nallow = [\"infer\"]\n", false).is_empty(), "never by default");
    assert!(spent("", true).is_empty(), "never without the owner's permission");
    let once = spent("owner = true\nallow = [\"infer\"]\n", true);
    assert_eq!(once.len(), 1, "only with a model that is already loaded: {once:?}");
    assert_eq!(once[0].0, "127.91.5.2");
    assert!(
        once[0].1.contains("What is 2+2?") && once[0].1.contains("\"num_predict\":8"),
        "{}",
        once[0].1
    );
    assert_eq!(
        spent("owner = true\nallow = [\"infer\", \"load\"]\n", true).len(),
        2,
        "and with another where loading is allowed"
    );
}

#[test]
fn shards_share_the_work() {
    let (running, _) = raise(6, &named(&["ollama/0.17.4-one-model"; 12]));
    let mut all = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let output = vigie(&[
            "scan",
            "127.91.6.0/28",
            "--ports",
            PORT,
            "--no-lake",
            "--quiet",
            "--format",
            "jsonl",
            "--seed",
            "7",
            "--shard",
            shard,
        ]);
        all.extend(
            observations(&output)
                .iter()
                .map(|o| o["endpoint"]["address"].as_str().unwrap_or_default().to_owned()),
        );
    }
    all.sort();
    let mut planted: Vec<String> = running.personalities().iter().map(|p| p.address.ip().to_string()).collect();
    planted.sort();
    assert_eq!(all, planted, "each once");
}

#[cfg(unix)]
#[test]
fn an_interrupted_scan_is_resumed_without_losses() {
    use std::process::{Command, Stdio};
    let (running, _) = raise(7, &named(&["ollama/0.17.4-one-model"; 40]));
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    // Private addresses that are not this machine's would be paced; loopback is not, so many ports make the scan long enough.
    let child = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args([
            "scan",
            "127.91.7.0/24",
            "--ports",
            "20000-21434",
            "--lake",
            text(&lake),
            "--quiet",
            "--seed",
            "3",
        ])
        .env("XDG_DATA_HOME", dir.path())
        .env("NO_COLOR", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    // The scan is kept in the lake just before it begins; a signal that comes earlier only ends the program.
    let kept = lake.join("scans/_delta_log/00000000000000000000.json");
    for _ in 0..1_200 {
        if kept.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    std::thread::sleep(std::time::Duration::from_millis(400));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let output = child.wait_with_output().expect("ends");
    if output.status.code() == Some(0) {
        // A fast machine was done before the signal came.
        return;
    }
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let Ok(mut files) = std::fs::read_dir(dir.path().join("vigie/resume")) else {
        panic!("no resume file: {}", String::from_utf8_lossy(&output.stderr));
    };
    let file = files.next().expect("a file").expect("reads").path();
    let again = vigie(&["scan", "--resume", text(&file), "--lake", text(&lake), "--quiet"]);
    assert_eq!(code(&again), 0, "{}", stderr(&again));
    let hosts: serde_json::Value =
        serde_json::from_str(&stdout(&vigie(&["hosts", "--lake", text(&lake), "--format", "json"]))).expect("JSON");
    assert_eq!(
        hosts["hosts"].as_array().map(Vec::len),
        Some(running.personalities().len()),
        "nothing is lost between the two"
    );
}

/// The names of the files in a folder.
#[cfg(unix)]
fn listed(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_that_cannot_be_written_is_reported_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let listener = std::net::TcpListener::bind("127.91.9.1:0").expect("bound");
    listener.set_nonblocking(true).expect("set");
    let port = listener.local_addr().expect("an address").port().to_string();
    let file = dir.path().join("file");
    std::fs::write(&file, "old").expect("written");
    for (output, next) in [
        (dir.path().to_owned(), "name a file in it"),
        (file.join("below"), "name another one"),
    ] {
        let done = vigie(&[
            "scan",
            "127.91.9.1",
            "--ports",
            &port,
            "--no-lake",
            "--quiet",
            "--output",
            text(&output),
        ]);
        assert_eq!(code(&done), 4, "{}", stderr(&done));
        assert!(
            stderr(&done).contains(text(&output)) && stderr(&done).contains(next),
            "{}",
            stderr(&done)
        );
    }
    assert!(listener.accept().is_err(), "nothing was sent");

    // The folder is created, and no other file is left in it.
    let new = dir.path().join("new/report.json");
    let done = vigie(&[
        "scan",
        "127.91.9.1",
        "--ports",
        "1",
        "--no-lake",
        "--quiet",
        "--format",
        "json",
        "--output",
        text(&new),
    ]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let report = std::fs::read_to_string(&new).expect("written");
    serde_json::from_str::<serde_json::Value>(&report).expect("a whole document");
    assert_eq!(std::fs::read_dir(dir.path().join("new")).expect("listed").count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_in_every_format() {
    let listener = std::net::TcpListener::bind("127.91.9.3:0").expect("bound");
    let port = listener.local_addr().expect("an address").port().to_string();
    drop(listener);
    for format in ["table", "json", "jsonl", "csv", "sarif"] {
        let words = [
            "scan",
            "127.91.9.3",
            "--ports",
            &port,
            "--no-lake",
            "--quiet",
            "--format",
            format,
            "--output",
            "/dev/full",
        ];
        let done = vigie(&words);
        // JSON lines without endpoints write nothing, so nothing is lost.
        if format != "jsonl" {
            assert_eq!(code(&done), 4, "{format}: {}", stderr(&done));
            assert!(stderr(&done).contains("cannot write /dev/full"), "{}", stderr(&done));
        }
    }
    assert!(Path::new("/dev/full").exists(), "a device is not replaced");
}

#[cfg(unix)]
#[test]
fn a_killed_scan_leaves_the_old_report() {
    let dir = tempfile::tempdir().expect("a folder");
    let report = dir.path().join("report.json");
    std::fs::write(&report, "old").expect("written");
    // It accepts connections and never answers.
    let listener = std::net::TcpListener::bind("127.91.9.2:0").expect("bound");
    let port = listener.local_addr().expect("an address").port().to_string();
    for signals in [&["-KILL"][..], &["-INT", "-INT"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vigie"))
            .args([
                "scan",
                "127.91.9.2",
                "--ports",
                &port,
                "--no-lake",
                "--quiet",
                "--timeout",
                "60",
                "--output",
                text(&report),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        listener.accept().expect("a connection");
        for signal in signals {
            let pid = child.id().to_string();
            Command::new("kill").args([signal, pid.as_str()]).status().expect("kill runs");
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        let ended = child.wait().expect("ends");
        assert!(!ended.success());
        // The first interrupt may end the scan before the second one arrives: then the new report is complete.
        let now = std::fs::read_to_string(&report).expect("read");
        let whole = signals.len() > 1 && now.starts_with("Summary") && now.trim_end().ends_with(".json");
        assert!(now == "old" || whole, "{signals:?}: {now}");
        std::fs::write(&report, "old").expect("written");
        let left = listed(dir.path());
        assert!(left.iter().all(|name| name.starts_with("report.json")), "{left:?}");
    }
}
