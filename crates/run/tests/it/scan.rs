//! Calls that scan.

use std::path::Path;

use vigie_model::EndpointKey;
use vigie_run::scan::{Ended, Event, Prepared, Ready, ScanOptions, prepare, preview};
use vigie_run::{Failure, FailureKind, Stop};

use crate::fleet::{PORT, has_addresses, start};

pub(crate) fn options(third: u8, lake: Option<&Path>) -> ScanOptions {
    ScanOptions {
        targets: vec![format!("127.92.{third}.1-127.92.{third}.16")],
        ports: Some(PORT.to_string()),
        seed: Some(1),
        lake: lake.map(Path::to_owned),
        ..ScanOptions::default()
    }
}

fn ready(options: ScanOptions) -> Ready {
    match prepare(options).unwrap_or_else(|failure| panic!("{failure}")) {
        Prepared::Ready(ready) => *ready,
        Prepared::Nothing(nothing) => panic!("{}", nothing.failure),
    }
}

/// What a scan reported: the kinds of events in order, those that repeat once, and the endpoints.
#[derive(Default)]
struct Reported {
    kinds: Vec<&'static str>,
    endpoints: Vec<EndpointKey>,
}

impl Reported {
    fn take(&mut self, event: &Event<'_>) {
        let kind = match event {
            Event::Begun { .. } => "begun",
            Event::Observed(observation) => {
                self.endpoints.push(observation.endpoint.key());
                "observed"
            }
            Event::Ended => "ended",
            Event::Idle | Event::Progress { .. } => return,
        };
        if self.kinds.last() != Some(&kind) {
            self.kinds.push(kind);
        }
    }
}

fn run(options: ScanOptions) -> (Ended, Reported) {
    let mut reported = Reported::default();
    let ended = ready(options)
        .run(&Stop::new(), &mut |event| {
            reported.take(&event);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    (ended, reported)
}

/// How many endpoints a lake has.
fn in_lake(dir: &Path) -> usize {
    let (runtime, lake) = vigie_run::lake::open(dir).unwrap_or_else(|failure| panic!("{failure}"));
    let hosts = runtime
        .block_on(lake.hosts(&vigie_lake::Filter::default()))
        .expect("the lake reads");
    hosts.len()
}

#[test]
fn each_server_is_one_event_and_one_row_of_the_lake() {
    if !has_addresses() {
        return;
    }
    let _servers = start(1, &[(1, "ollama/0.12.6-one-model"), (3, "ollama/0.12.6-one-model")]);
    let dir = tempfile::tempdir().expect("a folder");
    let (ended, reported) = run(options(1, Some(dir.path())));
    assert_eq!(reported.kinds, ["begun", "observed", "ended"]);
    assert_eq!(reported.endpoints.len(), 2);
    assert_eq!(ended.summary.counts.endpoints, 2);
    assert_eq!(ended.summary.tried.known(), Some(&16));
    assert!(!ended.interrupted && ended.summary.complete && ended.failure.is_none() && ended.resume.is_none());
    assert!(ended.worst.is_some(), "an open server is a finding");
    assert!(ended.scan.finished.is_some());
    assert_eq!(in_lake(dir.path()), 2);
}

#[test]
fn a_listener_that_fails_ends_the_scan_with_its_error() {
    if !has_addresses() {
        return;
    }
    let _servers = start(2, &[(1, "ollama/0.12.6-one-model")]);
    let failure = ready(options(2, None))
        .run(&Stop::new(), &mut |event| match event {
            Event::Observed(_) => Err(Failure::output("the disk is full")),
            _ => Ok(()),
        })
        .expect_err("the listener failed");
    assert_eq!(
        (failure.kind(), failure.to_string().as_str()),
        (FailureKind::Output, "the disk is full")
    );
}

#[test]
fn a_scan_that_is_stopped_before_it_begins_sends_nothing() {
    if !has_addresses() {
        return;
    }
    let servers = start(3, &[(1, "ollama/0.12.6-one-model")]);
    let dir = tempfile::tempdir().expect("a folder");
    let stop = Stop::new();
    stop.ask();
    // A round of a watch leaves no resume file.
    let asked = ScanOptions {
        watch: Some("0123456789abcdef".to_owned()),
        ..options(3, Some(dir.path()))
    };
    let ended = ready(asked)
        .run(&stop, &mut |_| Ok(()))
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(ended.interrupted && ended.stopped && ended.resume.is_none());
    assert!(ended.scan.finished.is_none(), "an interrupted scan proves no absence");
    assert_eq!(servers.recorder.total(), 0);
}

#[test]
fn a_preview_lists_every_visit_and_sends_nothing() {
    if !has_addresses() {
        return;
    }
    let servers = start(4, &[(1, "ollama/0.12.6-one-model")]);
    let preview = preview(options(4, None)).unwrap_or_else(|failure| panic!("{failure}"));
    let visits: Vec<_> = preview.visits().collect();
    assert_eq!(visits.len(), 16);
    assert!(
        visits
            .iter()
            .all(|visit| visit.socket.port() == PORT && visit.name.is_none() && visit.prefix.is_none())
    );
    assert!(!preview.requests().is_empty() && preview.notice().contains("127.92.4."));
    assert_eq!(servers.recorder.total(), 0);
}

#[test]
fn a_scope_whose_hours_are_over_gives_a_summary_that_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("scope.toml");
    // Ten minutes that are half a day away.
    let far = chrono::Utc::now() + chrono::TimeDelta::hours(12);
    let end = far + chrono::TimeDelta::minutes(10);
    std::fs::write(
        &file,
        format!(
            "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2099-01-01\n\
             [[range]]\ncidr = \"10.92.5.0/28\"\n\n[window]\nhours = \"{}-{}\"\n",
            far.format("%H:%M"),
            end.format("%H:%M"),
        ),
    )
    .expect("written");
    let asked = ScanOptions {
        targets: vec!["10.92.5.1".to_owned()],
        ports: Some("80".to_owned()),
        scope: Some(file),
        ..ScanOptions::default()
    };
    match prepare(asked).unwrap_or_else(|failure| panic!("{failure}")) {
        Prepared::Ready(_) => panic!("the window is closed"),
        Prepared::Nothing(nothing) => {
            assert_eq!(nothing.failure.kind(), FailureKind::Scan);
            assert_eq!(nothing.summary.failed, Some(nothing.failure.to_string()));
            assert!(!nothing.summary.complete);
        }
    }
}
