//! Credits, and going on later.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::emulated::{Fault, Service, raise, records};
use super::{SEARCH, User, known, number};
use crate::{code, stderr, text};

#[test]
fn the_budget_is_never_exceeded_and_a_later_run_goes_on() {
    let running = known(&[("DE", 11434, 1_000)]);
    // What was begun is charged, whether its reply comes or not.
    running.fault(SEARCH, 2, &[Fault::Status(502), Fault::Broken]);
    running.fault(SEARCH, 6, &[Fault::CutJson]);
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--budget", "3"]);
    assert_eq!(running.service().charged, 3, "page 1, and page 2 twice for nothing");
    assert_eq!(
        (told["complete"].as_bool(), number(&told["queries"][0]["records"])),
        (Some(false), 100)
    );
    let stopped = told["stopped"].as_str().unwrap_or_default();
    assert!(
        stopped.starts_with("the budget is used up; ") && stopped.contains("the connection broke"),
        "what the last request gave is said: {stopped}"
    );
    let mut before = 3;
    for budget in [0, 1, 4, 100] {
        let state = user.state();
        let told = user.told("shodan", &running, &["--resume", text(&state), "--budget", &budget.to_string()]);
        let charged = running.service().charged;
        assert!(charged - before <= budget, "{} of {budget}: {told:#}", charged - before);
        assert_eq!(number(&told["credits"]["spent"]), charged - before);
        before = charged;
    }
    assert_eq!(before, 10 + 3, "no page was had twice");
    assert_eq!(user.hosts(), 1_000);
}

#[test]
fn a_budget_that_faults_ate_says_which() {
    let running = known(&[("DE", 11434, 250)]);
    running.fault(SEARCH, 1, &[Fault::Status(503); 3]);
    let user = User::new();
    let output = user.run("shodan", &running, &["--query", "product:Ollama", "--budget", "3"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("it answers 503"), "{}", stderr(&output));
}

#[test]
fn an_account_with_less_than_the_budget_is_not_run_dry_by_surprise() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 500)]),
        credits: 2,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--budget", "50"]);
    assert_eq!((number(&told["credits"]["account"]), running.service().charged), (2, 2));
    assert_eq!(number(&told["queries"][0]["records"]), 200);
    assert_eq!(user.hosts(), 200);
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_came_and_says_how_to_go_on() {
    let running = known(&[("DE", 11434, 2_000)]);
    let user = User::new();
    let mut command = user.command("shodan", &running, &["--query", "product:Ollama", "--budget", "30"]);
    // Slow enough to be met in the middle.
    let words: Vec<_> = command
        .get_args()
        .map(|word| if word == "100" { "5".into() } else { word.to_owned() })
        .collect();
    let mut slow = Command::new(env!("CARGO_BIN_EXE_vigie"));
    slow.args(words)
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command = slow;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    for _ in 0..1_200 {
        if running.count(SEARCH) >= 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 130, "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
    let had = user.hosts();
    assert!((200..2_000).contains(&had), "{had}");
    let charged = running.service().charged;
    let told = user.told("shodan", &running, &["--resume", text(&user.state()), "--budget", "30"]);
    assert_eq!(told["complete"], true);
    assert_eq!(user.hosts(), 2_000);
    assert!(
        running.service().charged <= 20 + 1,
        "at most the page on its way was had twice: {charged}"
    );
}

#[test]
fn a_token_that_the_service_forgot_is_done_without() {
    let running = known(&[("DE", 11434, 350)]);
    let user = User::new();
    user.told(
        "censys",
        &running,
        &["--query", "host.services.port=11434", "--cost", "1", "--budget", "2"],
    );
    running.service().life += 1;
    let told = user.told(
        "censys",
        &running,
        &["--resume", text(&user.state()), "--cost", "1", "--budget", "10"],
    );
    assert_eq!(told["complete"], true);
    assert!(
        told["queries"][0]["notes"].to_string().contains("started again from page 1"),
        "{told:#}"
    );
    assert_eq!(user.hosts(), 350);
}
