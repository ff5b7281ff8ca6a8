//! The services' faults.

use std::time::{Duration, Instant};

use super::emulated::{Fault, Service, gaps, raise, records};
use super::{AGGREGATE, COUNT, QUERY, SEARCH, User, known, number};
use crate::{code, stderr, text};

#[test]
fn faults_of_the_service_lose_nothing() {
    let running = known(&[("DE", 11434, 450)]);
    running.fault(COUNT, 0, &[Fault::Status(500)]);
    running.fault(SEARCH, 1, &[Fault::Slow(Some(1)), Fault::Slow(None)]);
    running.fault(SEARCH, 2, &[Fault::Status(503), Fault::Status(500)]);
    running.fault(SEARCH, 3, &[Fault::Broken, Fault::CutJson]);
    // A status that says nothing of the query is no refusal of it.
    running.fault(SEARCH, 4, &[Fault::TimedOut, Fault::Status(204), Fault::Status(206)]);
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--budget", "20"]);
    assert_eq!(
        (number(&told["queries"][0]["records"]), number(&told["queries"][0]["missed"])),
        (450, 0),
        "{told:#}"
    );
    assert_eq!(user.hosts(), 450);
    assert_eq!(number(&told["credits"]["spent"]), running.service().charged);
    let seen = running.service().seen.clone();
    let slow = seen.iter().position(|seen| seen.status == 429).expect("it was too fast once");
    assert!(
        gaps(&seen)[slow] >= Duration::from_millis(990),
        "Retry-After is kept to: {:?}",
        gaps(&seen)[slow]
    );
}

#[test]
fn a_service_that_stays_broken_is_given_up_and_gone_on_with_later() {
    let running = known(&[("DE", 11434, 250)]);
    running.fault(SEARCH, 2, &[Fault::Status(500); 5]);
    let user = User::new();
    let output = user.run("shodan", &running, &["--query", "product:Ollama", "--budget", "20"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("it answers 500") && stderr(&output).contains("--resume"),
        "{}",
        stderr(&output)
    );
    assert_eq!(user.hosts(), 100, "what came is kept");
    let told = user.told("shodan", &running, &["--resume", text(&user.state())]);
    assert_eq!(told["complete"], true);
    assert_eq!(user.hosts(), 250);
    let firsts = running
        .service()
        .seen
        .iter()
        .filter(|seen| seen.pairs.get("page").is_some_and(|page| page == "1"))
        .count();
    assert_eq!(firsts, 1, "the first page is not had twice");
}

#[test]
fn a_wait_of_an_hour_is_not_waited_for() {
    let running = known(&[("DE", 11434, 250)]);
    running.fault(SEARCH, 1, &[Fault::Slow(Some(3_600))]);
    let user = User::new();
    let begun = Instant::now();
    let output = user.run("shodan", &running, &["--query", "product:Ollama"]);
    assert_eq!(code(&output), 3);
    assert!(stderr(&output).contains("60 minutes"), "{}", stderr(&output));
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_total_that_changes_ends_and_is_said() {
    // It grows with each page: the cap ends it.
    let growing = raise(Service {
        records: records(&[("DE", 11434, 2_000)]),
        drift: |page| i64::from(page) * 1_000,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told(
        "shodan",
        &growing,
        &["--query", "product:Ollama country:DE port:11434", "--pages", "5", "--budget", "50"],
    );
    let one = &told["queries"][0];
    assert_eq!((number(&one["records"]), growing.count(SEARCH)), (500, 5), "{told:#}");
    assert_eq!(number(&one["missed"]), 6_500);
    assert!(one["notes"].to_string().contains("the total changed from 3000 to 7000"), "{told:#}");
    // It shrinks: no page is asked for that cannot be.
    let shrinking = raise(Service {
        records: records(&[("DE", 11434, 450)]),
        drift: |page| -i64::from(page) * 60,
        ..Service::default()
    });
    let told = User::new().told("shodan", &shrinking, &["--query", "product:Ollama", "--budget", "50"]);
    let one = &told["queries"][0];
    assert_eq!((number(&one["records"]), shrinking.count(SEARCH)), (300, 3), "{told:#}");
    assert!(one["notes"].to_string().contains("the total changed from 390 to 270"), "{told:#}");
    // More is promised than there is.
    let lying = raise(Service {
        records: records(&[("DE", 11434, 50)]),
        drift: |_| 40,
        ..Service::default()
    });
    let told = User::new().told("shodan", &lying, &["--query", "product:Ollama", "--budget", "50"]);
    assert_eq!(number(&told["queries"][0]["missed"]), 40, "{told:#}");
}

#[test]
fn a_page_of_a_million_records_is_none() {
    let running = known(&[("DE", 11434, 250)]);
    running.fault(SEARCH, 2, &[Fault::Bloated(800_000)]);
    let user = User::new();
    let output = user.run("shodan", &running, &["--query", "product:Ollama"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("holds 800000 records"), "{}", stderr(&output));
    assert_eq!(running.count(SEARCH), 2, "it is not paid for again");
    assert_eq!(user.hosts(), 100);
}

#[test]
fn cursors_that_lead_round_in_a_circle_are_left() {
    // The second page leads back to the first.
    let running = raise(Service {
        records: records(&[("DE", 11434, 1_000)]),
        next: Some(|page| if page == 2 { 1 } else { page + 1 }),
        ..Service::default()
    });
    let user = User::new();
    let words = ["--query", "host.services.port=11434", "--cost", "1", "--budget", "60"];
    let told = user.told("censys", &running, &words);
    let one = &told["queries"][0];
    assert_eq!((running.count(QUERY), running.count(AGGREGATE)), (3, 0), "{told:#}");
    assert!(one["notes"].to_string().contains("repeats a page token"), "{told:#}");
    assert_eq!((number(&one["missed"]), told["complete"].as_bool()), (700, Some(true)));
    // Nor does a run that goes on walk it again.
    let running = raise(Service {
        records: records(&[("DE", 11434, 1_000)]),
        next: Some(|page| if page == 2 { 1 } else { page + 1 }),
        ..Service::default()
    });
    let user = User::new();
    user.told("censys", &running, &[&words[..5], &["2"]].concat());
    user.told(
        "censys",
        &running,
        &["--resume", text(&user.state()), "--cost", "1", "--budget", "60"],
    );
    assert_eq!(running.count(QUERY), 3);
}

#[test]
fn a_service_that_gives_far_more_than_its_total_is_left() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 9_000)]),
        drift: |_| -8_900,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told(
        "censys",
        &running,
        &["--query", "host.services.port=11434", "--cost", "1", "--budget", "80"],
    );
    assert_eq!(running.count(QUERY), 5, "{told:#}");
    assert!(
        told["queries"][0]["notes"]
            .to_string()
            .contains("500 records arrived for a total of 100"),
        "{told:#}"
    );
}
