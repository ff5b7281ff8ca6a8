//! `vigie watch` as a process: rounds, their reports, pauses, kills, and the lock.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::fleet::raise_at;
use crate::scan::PORT;
use crate::schemas::Published;
use crate::{code, stderr, stdout, text, vigie};

const OLD: &str = "ollama/0.12.6-one-model";
const NEW: &str = "ollama/0.17.4-one-model";
const EMPTY: &str = "ollama/0.17.4-no-model";
const KEY: &str = "llama-cpp/b11549-key";
const OPEN: &str = "llama-cpp/b11549-open";

/// The longest wait for anything: other tests run at the same time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running watch, and its rounds as they arrive.
struct Watch {
    child: Child,
    rounds: Receiver<Value>,
}

impl Watch {
    fn start(lake: &Path, words: &[&str]) -> Self {
        let mut child = command(lake, words).spawn().expect("the program starts");
        let out = child.stdout.take().expect("a pipe");
        let (sender, rounds) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let round: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if sender.send(round).is_err() {
                    return;
                }
            }
        });
        Self { child, rounds }
    }

    #[track_caller]
    fn round(&self) -> Value {
        let round = self.rounds.recv_timeout(PATIENCE).expect("a round");
        assert_eq!(round["schema"], "vigie.watch/1");
        round
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }

    /// Waits for its end; returns the exit code and standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let mut errors = String::new();
        if let Some(mut err) = self.child.stderr.take() {
            let _ = err.read_to_string(&mut errors);
        }
        (self.child.wait().expect("it ends").code(), errors)
    }
}

/// A failed test leaves no watch running.
impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(lake: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    command
        .args(["watch", "--lake", text(lake), "--format", "jsonl"])
        .args(words)
        .env_remove("VIGIE_LAKE")
        .env("NO_COLOR", "1")
        .env("XDG_DATA_HOME", lake)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn once(lake: &Path, words: &[&str]) -> Output {
    command(lake, &[&["--once"], words].concat()).output().expect("it runs")
}

fn round_of(output: &Output) -> Value {
    assert_eq!(code(output), 0, "{}", stderr(output));
    let round: Value = serde_json::from_str(&stdout(output)).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)));
    Published::new().assert_round(&round);
    round
}

fn started(round: &Value) -> DateTime<Utc> {
    let text = round["started"].as_str().expect("an instant");
    text.parse().expect("it reads")
}

/// The presence of an address, and the ids of its changes.
fn at(round: &Value, address: &str) -> Option<(String, Vec<String>)> {
    let endpoints = round["diff"]["endpoints"].as_array()?;
    let endpoint = endpoints.iter().find(|endpoint| endpoint["address"] == address)?;
    let ids = endpoint["changes"].as_array()?.iter().filter_map(|change| change["id"].as_str());
    Some((endpoint["presence"].as_str()?.to_owned(), ids.map(str::to_owned).collect()))
}

/// The scans of a lake, the latest first.
fn scans(lake: &Path) -> Vec<vigie_lake::Scan> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match vigie_lake::Lake::open(lake).await {
            Ok(lake) => lake.scans().await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    })
}

fn lake() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    (dir, lake)
}

#[test]
fn each_round_reports_what_changed_since_the_previous_one() {
    let (_dir, lake) = lake();
    let words = ["127.91.40.1-127.91.40.6", "--ports", PORT, "--every", "5s", "--quiet"];
    let fleet = raise_at(40, &[(1, OLD), (2, EMPTY), (3, KEY), (4, NEW), (6, OPEN)]);
    let watch = Watch::start(&lake, &words);
    let first = watch.round();
    Published::new().assert_round(&first);
    assert!(first["previous"].is_null() && first["diff"].is_null(), "{first:#}");
    assert_eq!(first["observed"], 5);

    // The round is over and the next one seconds away.
    fleet.stop();
    let _fleet = raise_at(40, &[(1, NEW), (2, NEW), (3, OPEN), (5, NEW), (6, OPEN)]);
    let second = watch.round();
    Published::new().assert_round(&second);
    assert_eq!(second["previous"], first["scan"]);
    for (address, presence, id) in [
        ("127.91.40.1", "stayed", Some("upgraded")),
        ("127.91.40.2", "stayed", Some("new-model")),
        ("127.91.40.3", "stayed", Some("lost-authentication")),
        ("127.91.40.4", "gone", None),
        ("127.91.40.5", "appeared", None),
    ] {
        let (is, ids) = at(&second, address).unwrap_or_else(|| panic!("{address}: {second:#}"));
        assert_eq!(is, presence, "{address}");
        assert!(id.is_none_or(|id| ids.iter().any(|one| one == id)), "{address}: {ids:?}");
    }
    assert!(at(&second, "127.91.40.6").is_none());

    let third = watch.round();
    assert_eq!(third["previous"], second["scan"]);
    assert_eq!(
        third["diff"]["endpoints"].as_array().map(Vec::len),
        Some(0),
        "reported once: {third:#}"
    );
    assert!(started(&second) - started(&first) >= TimeDelta::seconds(5));

    // The rounds are scans in the lake, so vigie diff reports the same.
    watch.signal("-INT");
    let (status, errors) = watch.end();
    assert_eq!(status, Some(130), "{errors}");
    let since = first["finished"].as_str().expect("an instant");
    let until = second["finished"].as_str().expect("an instant");
    let output = vigie(&["diff", since, until, "--lake", text(&lake), "--format", "json"]);
    let again: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(again["endpoints"], second["diff"]["endpoints"]);
}

#[test]
fn after_a_pause_one_round_replaces_all_missed_ones() {
    let (_dir, lake) = lake();
    let _fleet = raise_at(41, &[(1, NEW)]);
    let every = TimeDelta::seconds(3);
    let watch = Watch::start(&lake, &["127.91.41.1", "--ports", PORT, "--every", "3s"]);
    let mut rounds = vec![watch.round()];
    // Between two rounds.
    std::thread::sleep(Duration::from_millis(300));
    watch.signal("-STOP");
    std::thread::sleep(Duration::from_secs(10));
    let before = watch.rounds.try_iter().count();
    assert_eq!(before, 0, "it is stopped");
    watch.signal("-CONT");
    let woken = Utc::now();
    for _ in 0..3 {
        rounds.push(watch.round());
    }
    watch.signal("-TERM");
    let (status, errors) = watch.end();
    assert_eq!(status, Some(130), "a service manager stops it cleanly: {errors}");
    assert!(errors.contains("rounds were missed"), "{errors}");

    let starts: Vec<DateTime<Utc>> = rounds.iter().map(started).collect();
    assert!(starts[1] - starts[0] >= TimeDelta::seconds(10), "{starts:?}");
    assert!(starts[1] - woken < every, "at once: {starts:?}");
    // The missed rounds are not made later.
    for pair in starts.windows(2) {
        assert!(pair[1] - pair[0] >= every, "{starts:?}");
    }
    assert_eq!(rounds[1]["previous"], rounds[0]["scan"]);
    assert_eq!(rounds[1]["diff"]["counts"]["unchanged"], 1);
}

#[test]
fn a_killed_watch_continues_its_rounds_when_restarted() {
    let (_dir, lake) = lake();
    let fleet = raise_at(42, &[(1, OLD)]);
    let words = ["127.91.42.1", "--ports", PORT, "--every", "4s"];
    let watch = Watch::start(&lake, &words);
    let first = watch.round();
    watch.signal("-KILL");
    let (status, _) = watch.end();
    assert_eq!(status, None, "it was killed");
    fleet.stop();
    let _fleet = raise_at(42, &[(1, NEW)]);

    // A round that is not due is not made, and the lock ended with the process.
    let early = once(&lake, &["127.91.42.1", "--ports", PORT, "--every", "1h"]);
    assert_eq!(code(&early), 0, "{}", stderr(&early));
    assert!(
        stderr(&early).contains("no round is due before") && stdout(&early).is_empty(),
        "{}",
        stderr(&early)
    );

    std::thread::sleep(Duration::from_secs(9));
    let back = Utc::now();
    let watch = Watch::start(&lake, &words);
    let second = watch.round();
    assert_eq!(second["previous"], first["scan"]);
    assert!(started(&second) >= back);
    let (_, ids) = at(&second, "127.91.42.1").unwrap_or_else(|| panic!("{second:#}"));
    assert!(ids.iter().any(|id| id == "upgraded"), "{ids:?}");
    let third = watch.round();
    assert!(
        started(&third) - started(&second) >= TimeDelta::seconds(4),
        "one round instead of all that were missed"
    );
    watch.signal("-INT");
    watch.end();
}

#[test]
fn a_killed_round_is_repeated_at_once() {
    let (_dir, lake) = lake();
    let _fleet = raise_at(43, &[(1, NEW)]);
    // Many ports, so that the round lasts.
    let long = ["127.91.43.0/24", "--ports", "20700-21434", "--every", "1h", "--quiet"];
    let watch = Watch::start(&lake, &long);
    let kept = lake.join("scans/_delta_log/00000000000000000000.json");
    let begun = Instant::now();
    while !kept.exists() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    watch.signal("-KILL");
    let done = watch.rounds.recv_timeout(Duration::from_secs(2));
    let (status, _) = watch.end();
    assert_eq!(status, None);
    if done.is_ok() {
        // A fast machine was done before the signal came.
        return;
    }
    assert_eq!(done, Err(RecvTimeoutError::Disconnected));
    // An interrupted round is repeated at once: the interval does not begin with it.
    let watch = Watch::start(&lake, &long);
    let round = watch.round();
    assert!(round["previous"].is_null(), "{round:#}");
    watch.signal("-INT");
    assert_eq!(watch.end().0, Some(130));
}

#[test]
fn two_watches_of_the_same_targets_do_not_run_at_the_same_time() {
    let (_dir, lake) = lake();
    let _fleet = raise_at(44, &[(1, NEW)]);
    let words = ["127.91.44.1", "--ports", PORT, "--every", "1h", "--quiet"];
    let watch = Watch::start(&lake, &words);
    watch.round();
    let second = command(&lake, &words).output().expect("it runs");
    assert_eq!(code(&second), 2);
    assert!(
        stderr(&second).contains("another vigie watches the same targets"),
        "{}",
        stderr(&second)
    );
    assert!(
        stderr(&second).contains(&format!("process {}", watch.child.id())),
        "{}",
        stderr(&second)
    );
    assert_eq!(code(&once(&lake, &words[..3])), 2, "nor for one round");
    // Other ports in the same lake are another watch.
    round_of(&once(&lake, &["127.91.44.1", "--ports", "21434,21435"]));
    watch.signal("-INT");
    assert_eq!(watch.end().0, Some(130));
    round_of(&once(&lake, &words[..3]));
}

#[test]
fn an_interrupt_ends_the_round_in_flight() {
    let (dir, lake) = lake();
    let _fleet = raise_at(45, &[(1, NEW)]);
    let watch = Watch::start(&lake, &["127.91.45.0/24", "--ports", "20000-21434", "--every", "1h", "--quiet"]);
    let kept = lake.join("scans/_delta_log/00000000000000000000.json");
    let begun = Instant::now();
    while !kept.exists() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    watch.signal("-INT");
    let done = watch.rounds.recv_timeout(PATIENCE);
    let (status, errors) = watch.end();
    assert_eq!(status, Some(130), "{errors}");
    if done.is_err() {
        // Otherwise the machine is fast, and the round was done before the signal came.
        let kept = scans(&lake);
        assert!(kept.len() == 1 && kept[0].finished.is_none(), "{kept:?}");
    }
    assert!(
        !dir.path().join("lake/vigie/resume").exists(),
        "the next round begins anew: nothing is left to resume"
    );
}

#[test]
fn a_watch_without_a_reader_ends() {
    let (_dir, lake) = lake();
    let _fleet = raise_at(48, &[(1, NEW)]);
    let mut child = command(&lake, &["127.91.48.1", "--ports", PORT, "--every", "2s", "--quiet"])
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    // The pipe is closed with the reader.
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut first).expect("a round");
    assert!(first.contains("vigie.watch/1"), "{first}");
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("it can be asked") {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                let _ = child.kill();
                panic!("it goes on without a reader");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let mut errors = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn a_paused_round_proves_no_absence() {
    let (_dir, lake) = lake();
    let fleet = raise_at(47, &[(1, NEW)]);
    let words = ["127.91.47.0/24", "--ports", "20900-21434", "--quiet"];
    round_of(&once(&lake, &words));
    fleet.stop();
    let watch = Watch::start(&lake, &[&["--once"], &words[..]].concat());
    let begun = Instant::now();
    while scans(&lake).len() < 2 && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    watch.signal("-STOP");
    std::thread::sleep(Duration::from_secs(5));
    watch.signal("-CONT");
    let round = watch.round();
    let kept = scans(&lake).remove(0);
    assert_eq!(Some(kept.id.as_str()), round["scan"].as_str());
    if kept.covers.is_known() {
        // The machine is fast: the round was done before the signal came.
        return;
    }
    assert_eq!(round["diff"]["counts"]["gone"], 0, "{round:#}");
    assert_eq!(round["diff"]["counts"]["not_looked_at"], 1);
    assert!(round["notes"].to_string().contains("paused for"), "{round:#}");
    // The next round proves it.
    let next = round_of(&once(&lake, &words));
    assert_eq!(next["diff"]["counts"]["gone"], 1, "{next:#}");
}

#[test]
fn one_round_for_a_timer() {
    let (dir, lake) = lake();
    let fleet = raise_at(46, &[(1, KEY), (2, NEW)]);
    let words = ["127.91.46.1-127.91.46.2", "--ports", PORT, "--quiet"];
    let first = round_of(&once(&lake, &words));
    assert!(first["diff"].is_null());
    fleet.stop();
    let fleet = raise_at(46, &[(1, OPEN), (2, NEW)]);
    let output = once(&lake, &[&words[..], &["--fail-on-change=high"]].concat());
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stdout(&output).contains("lost-authentication"), "{}", stdout(&output));
    let output = once(&lake, &[&words[..], &["--fail-on-change"]].concat());
    assert_eq!(code(&output), 0, "reported once: {}", stdout(&output));

    // The table for people.
    fleet.stop();
    let _fleet = raise_at(46, &[(1, KEY)]);
    let output = vigie(&[&["watch", "--once", "--lake", text(&lake)], &words[..]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let shown = stdout(&output);
    for expected in [
        "gained authentication: open → key",
        "gone: ollama",
        "1 endpoints answered",
        "1 gone, 1 changed",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }

    // All ranges of a scope file are watched, until it expires.
    let scope = dir.path().join("scope.toml");
    let write = |expires: &str| {
        let text = format!(
            "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = {expires}\n\
             [[range]]\ncidr = \"127.91.46.0/30\"\n"
        );
        std::fs::write(&scope, text).expect("written");
    };
    write("2099-01-01");
    let round = round_of(&once(&lake, &["--scope", text(&scope), "--ports", PORT]));
    assert_eq!(
        (round["observed"].as_u64(), round["swept"].as_u64()),
        (Some(1), Some(4)),
        "{round:#}"
    );
    write("2020-01-01");
    let output = once(&lake, &["--scope", text(&scope), "--ports", PORT]);
    assert_eq!(code(&output), 2, "{}", stdout(&output));
}

#[test]
fn wrong_arguments_are_reported() {
    let (_dir, lake) = lake();
    for words in [
        &["127.0.0.1"][..],
        &["127.0.0.1", "--every", "0s"],
        &["127.0.0.1", "--every", "6"],
        &["127.0.0.1", "--every", "6h", "--fail-on-change"],
        &["127.0.0.1", "--once", "--jitter", "5m"],
        &["-f", "-", "--every", "6h"],
        &["8.8.8.8", "--every", "6h"],
        &["--scope", "/nonexistent/scope.toml", "--every", "6h"],
    ] {
        let output = command(&lake, words).output().expect("it runs");
        assert_eq!(code(&output), 2, "{words:?}: {}", stdout(&output));
        assert!(stderr(&output).contains("error:"), "{words:?}: {}", stderr(&output));
    }
}

/// systemd accepts the units in contrib, if it is installed.
#[test]
fn the_systemd_units_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/systemd");
    let dir = tempfile::tempdir().expect("a folder");
    let mut units = Vec::new();
    for name in ["vigie-watch.service", "vigie-watch.timer"] {
        let unit = std::fs::read_to_string(folder.join(name)).expect("it is there");
        // systemd checks that the program exists.
        let unit = unit.replace("/usr/bin/vigie", env!("CARGO_BIN_EXE_vigie"));
        let file = dir.path().join(name);
        std::fs::write(&file, unit).expect("written");
        units.push(file);
    }
    let Ok(output) = Command::new("systemd-analyze").arg("verify").args(&units).output() else {
        return;
    };
    // It may report errors of other units of the machine.
    let errors = stderr(&output);
    let of_ours = errors.lines().filter(|line| line.contains("vigie-watch")).count();
    assert!(output.status.success() && of_ours == 0, "{errors}");

    // vigie accepts the arguments of the unit.
    let unit = std::fs::read_to_string(folder.join("vigie-watch.service")).expect("it is there");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/vigie "))
        .expect("a command");
    let words: Vec<&str> = line.split_whitespace().collect();
    let output = vigie(&words);
    assert!(stderr(&output).contains("cannot read /etc/vigie/scope.toml"), "{}", stderr(&output));
}
