//! What was paid for is kept, however a run ends.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::emulated::{Running, Service, raise, records};
use super::{SEARCH, User, known, number};
use crate::{code, stderr, text, vigie};

/// Pages of the result.
const PAGES: u64 = 20;

/// A run that is slow enough to be met in the middle.
fn slow(user: &User, running: &Running, more: &[&str]) -> Child {
    let command = user.command("shodan", running, &["--query", "product:Ollama", "--budget", "30"]);
    let words = command
        .get_args()
        .map(|word| if word == "100" { "5".into() } else { word.to_owned() })
        .collect::<Vec<_>>();
    Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(words)
        .args(more)
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

fn reaches(running: &Running, pages: usize) {
    for _ in 0..1_200 {
        if running.count(SEARCH) >= pages {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{} pages only", running.count(SEARCH));
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
}

fn all() -> Running {
    known(&[("DE", 11434, 100 * PAGES as usize)])
}

/// Goes on to the end; `again`: how many pages may have been had twice.
fn goes_on(user: &User, running: &Running, again: u64) {
    let told = user.told("shodan", running, &["--resume", text(&user.state()), "--budget", "30"]);
    assert_eq!(told["complete"], true, "{told:#}");
    let charged = running.service().charged;
    assert!((PAGES..=PAGES + again).contains(&charged), "{charged} credits for {PAGES} pages");
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_paid_for_one_page_in_vain_at_most() {
    let running = all();
    let user = User::new();
    let mut child = slow(&user, &running, &[]);
    reaches(&running, 6);
    signal(&child, "-KILL");
    child.wait().expect("it ends");
    let had = user.hosts();
    assert!(had >= 400, "{had}");
    goes_on(&user, &running, 2);
    assert_eq!(user.hosts(), 2_000);
}

#[cfg(unix)]
#[test]
fn a_service_manager_and_a_closed_terminal_interrupt_it_too() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("1").trim();
    // Where this test was begun with nohup, or it cannot be told, a hangup says nothing.
    let hangups = u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 1 == 0);
    for name in if hangups { &["-TERM", "-HUP"][..] } else { &["-TERM"] } {
        let running = all();
        let user = User::new();
        let child = slow(&user, &running, &[]);
        reaches(&running, 3);
        signal(&child, name);
        if *name == "-HUP" {
            // A terminal that is closed says so twice at times.
            signal(&child, name);
        }
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(code(&output), 130, "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("--resume"), "{name}: {}", stderr(&output));
        goes_on(&user, &running, 0);
    }
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_paid() {
    let running = all();
    let user = User::new();
    let file = user.path("file");
    std::fs::write(&file, "").expect("written");
    let inside = file.join("inside");
    for (words, said) in [
        (["--raw", text(&file)], "another with --raw"),
        (["--errors", text(user.dir.path())], "another with --errors"),
        (["--errors", text(&inside)], "another with --errors"),
        (["--lake", text(&file)], "--lake DIR"),
        (["--lake", text(&inside)], "--lake DIR"),
    ] {
        let command = user.command("shodan", &running, &["--query", "product:Ollama"]);
        // The words that every run has, but for the one that is tried.
        let mut all: Vec<_> = command.get_args().map(std::borrow::ToOwned::to_owned).collect();
        if let Some(at) = all.iter().position(|word| word == words[0]) {
            all.drain(at..at + 2);
        }
        let output = Command::new(env!("CARGO_BIN_EXE_vigie"))
            .args(all)
            .args(words)
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .output()
            .expect("it starts");
        assert_eq!(code(&output), 4, "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{words:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("or none (--no-lake)"), "{}", stderr(&output));
    }
    assert!(running.service().seen.is_empty());
}

#[test]
fn a_page_that_cannot_be_kept_in_a_file_is_in_the_lake() {
    let running = all();
    let user = User::new();
    let raw = user.path("raw");
    let child = slow(&user, &running, &["--raw", text(&raw)]);
    reaches(&running, 3);
    std::fs::rename(&raw, user.path("moved")).expect("moved");
    std::fs::write(&raw, "in its place").expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    let state = user.state();
    let said = stderr(&output);
    assert!(
        said.contains("cannot write") && said.contains(&format!("--resume {}", text(&state))),
        "{said}"
    );
    goes_on(&user, &running, 0);
    assert_eq!(user.hosts(), 2_000);
}

#[test]
fn a_page_that_the_lake_does_not_take_is_kept_in_a_file() {
    let running = all();
    let user = User::new();
    let (lake, moved) = (user.path("lake"), user.path("moved"));
    let child = slow(&user, &running, &[]);
    reaches(&running, 3);
    std::fs::rename(&lake, &moved).expect("moved");
    std::fs::write(&lake, "in its place").expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("--resume") && said.contains("vigie import --from shodan"), "{said}");
    std::fs::remove_file(&lake).expect("removed");
    std::fs::rename(&moved, &lake).expect("moved back");
    let kept = said
        .split("--from shodan ")
        .nth(1)
        .and_then(|rest| rest.split(';').next())
        .expect("a file");
    goes_on(&user, &running, 0);
    let before = user.hosts();
    let output = vigie(&["import", "--from", "shodan", kept, "--quiet", "--lake", text(&lake)]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!((before, user.hosts()), (1_900, 2_000));
}

#[test]
fn two_that_go_on_with_the_same_do_not_both_pay() {
    let running = all();
    let user = User::new();
    let mut child = slow(&user, &running, &[]);
    reaches(&running, 2);
    let output = user.run("shodan", &running, &["--resume", text(&user.state()), "--budget", "30"]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("another vigie works on") && said.contains(&format!("process {}", child.id())),
        "{said}"
    );
    assert!(child.wait().expect("it ends").success());
    assert_eq!(running.service().charged, PAGES);
    let left = std::fs::read_dir(user.path("data/vigie/resume")).expect("a folder").count();
    assert!(left == 0 || cfg!(not(unix)), "nothing is left to go on with");
}

#[test]
fn a_rate_and_a_budget_of_their_limits_are_no_fault() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 150)]),
        ..Service::default()
    });
    let told = User::new().told(
        "shodan",
        &running,
        &["--query", "product:Ollama", "--budget", &u64::MAX.to_string()],
    );
    assert_eq!(number(&told["queries"][0]["records"]), 150);
}
