//! Calls that watch.

use std::ops::ControlFlow;
use std::path::Path;

use chrono::TimeDelta;
use vigie_model::Severity;
use vigie_run::watch::{Once, Watch, WatchEnd, WatchEvent, WatchOptions};
use vigie_run::{FailureKind, Stop};

use crate::fleet::{has_addresses, start};
use crate::scan::options;

fn watch(third: u8, lake: &Path, every: Option<TimeDelta>) -> Watch {
    let options = WatchOptions {
        scan: options(third, None),
        lake: lake.to_owned(),
        every,
        jitter: TimeDelta::zero(),
    };
    Watch::open(options).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn each_round_is_compared_with_the_one_before() {
    if !has_addresses() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut servers = Some(start(11, &[(1, "ollama/0.12.6-one-model"), (2, "ollama/0.12.6-one-model")]));
    let mut rounds = Vec::new();
    let end = watch(11, dir.path(), Some(TimeDelta::seconds(1)))
        .run(&Stop::new(), &mut |event| {
            if let WatchEvent::Round(round) = event {
                rounds.push((
                    round.observed,
                    round.previous.is_some(),
                    round.diff.as_ref().map(|diff| diff.counts),
                ));
                // The servers are gone at the next round.
                servers = None;
            }
            Ok(match rounds.len() {
                0 | 1 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            })
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(end, WatchEnd::Unheard);
    assert_eq!(rounds[0], (Some(2), false, None));
    let (observed, has_previous, counts) = &rounds[1];
    assert_eq!((*observed, *has_previous), (Some(0), true));
    assert_eq!(counts.map(|counts| (counts.gone, counts.unchanged)), Some((2, 0)));
}

#[test]
fn one_round_counts_changes_from_a_severity_on_and_none_is_made_before_it_is_due() {
    if !has_addresses() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let stop = Stop::new();
    let mut ignore = |_: WatchEvent<'_>| Ok(ControlFlow::Continue(()));
    let mut once = |every, limit| {
        let mut watch = watch(12, dir.path(), every);
        watch
            .once(Some(limit), &stop, &mut ignore)
            .unwrap_or_else(|failure| panic!("{failure}"))
    };
    assert!(
        matches!(once(None, Severity::Info), Once::Completed { has_change: false }),
        "the first round has no change"
    );
    let _servers = start(12, &[(1, "ollama/0.12.6-one-model")]);
    assert!(matches!(once(Some(TimeDelta::hours(1)), Severity::Info), Once::NotDue));
    assert!(
        matches!(once(None, Severity::High), Once::Completed { has_change: true }),
        "an open server appeared"
    );
    assert!(matches!(once(None, Severity::Info), Once::Completed { has_change: false }));
}

#[test]
fn a_watch_that_waits_is_stopped_and_is_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut watch = watch(13, dir.path(), Some(TimeDelta::hours(1)));
    let second = Watch::open(WatchOptions {
        scan: options(13, None),
        lake: dir.path().to_owned(),
        ..WatchOptions::default()
    });
    let failure = second.expect_err("the first one holds the lock");
    assert_eq!(failure.kind(), FailureKind::Usage, "{failure}");
    let stop = Stop::new();
    let asker = stop.clone();
    let end = watch
        .run(&stop, &mut |event| {
            if let WatchEvent::Waiting { .. } = event {
                asker.ask();
            }
            Ok(ControlFlow::Continue(()))
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(end, WatchEnd::Stopped);
}
