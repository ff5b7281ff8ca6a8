//! An endpoint is gone only if a complete scan looked for it.

use std::net::IpAddr;

use vigie_model::Transport;

use super::*;

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(60) * u32::try_from(minute).expect("a minute")
}

fn key(place: &str, name: Option<&str>) -> EndpointKey {
    let socket: SocketAddr = place.parse().expect("an address and a port");
    EndpointKey {
        address: socket.ip(),
        port: socket.port(),
        transport: Transport::Tcp,
        name: name.map(str::to_owned),
        prefix: None,
    }
}

/// A scan of 10.0.0.0/24, port 80, that starts at a minute and takes one minute.
fn scan(id: &str, started: i64) -> EndedScan {
    EndedScan {
        scan: id.to_owned(),
        vantage: "here".to_owned(),
        covers: "80 at 10.0.0.0/24 host.example@10.0.0.7".to_owned(),
        shard: None,
        started: at(started),
        finished: at(started + 1),
        missed: Vec::new(),
    }
}

/// From minute 10 to minute 20.
fn query<'q>(key: &'q EndpointKey, before: Option<i64>, after: Option<i64>) -> LifecycleQuery<'q> {
    LifecycleQuery {
        key,
        kind: SourceKind::Scan,
        vantage: "here",
        before: before.map(at),
        after: after.map(at),
        since: at(10),
        until: at(20),
        later_import: false,
    }
}

#[track_caller]
fn judged(scans: Vec<EndedScan>, query: &LifecycleQuery<'_>) -> Option<(Lifecycle, Option<String>)> {
    let history = ScanHistory::new(scans);
    history
        .lifecycle(query)
        .map(|(lifecycle, scan)| (lifecycle, scan.map(|scan| scan.scan.clone())))
}

fn gone(scan: &str) -> Option<(Lifecycle, Option<String>)> {
    Some((Lifecycle::Gone, Some(scan.to_owned())))
}

const NOT_LOOKED_AT: Option<(Lifecycle, Option<String>)> = Some((Lifecycle::NotLookedAt, None));

#[test]
fn an_endpoint_is_gone_only_if_a_later_scan_covered_it() {
    let here = key("10.0.0.1:80", None);
    assert_eq!(judged(vec![scan("a", 5), scan("b", 12)], &query(&here, Some(5), None)), gone("b"));
    assert_eq!(judged(vec![scan("a", 5)], &query(&here, Some(5), None)), NOT_LOOKED_AT);
    // Seen by one scan, then missed by the next.
    assert_eq!(
        judged(vec![scan("a", 5), scan("b", 12), scan("c", 15)], &query(&here, Some(5), Some(12))),
        gone("c")
    );
    // It was gone before the first instant, so nothing happened in between.
    assert_eq!(
        judged(vec![scan("a", 5), scan("b", 8), scan("c", 15)], &query(&here, Some(5), None)),
        None
    );
}

#[test]
fn a_scan_of_other_targets_proves_nothing() {
    let case_of = |place: &str, name: Option<&str>| {
        let key = key(place, name);
        judged(vec![scan("b", 12)], &query(&key, Some(5), None))
    };
    assert_eq!(case_of("10.0.0.1:80", None), gone("b"));
    assert_eq!(case_of("10.0.1.1:80", None), NOT_LOOKED_AT, "another network");
    assert_eq!(case_of("10.0.0.1:81", None), NOT_LOOKED_AT, "another port");
    assert_eq!(
        case_of("10.0.0.1:80", Some("host.example")),
        NOT_LOOKED_AT,
        "by a name that was not asked for there"
    );
    assert_eq!(case_of("10.0.0.7:80", Some("host.example")), gone("b"));

    let here = key("10.0.0.1:80", None);
    let elsewhere = EndedScan {
        vantage: "there".to_owned(),
        ..scan("b", 12)
    };
    assert_eq!(judged(vec![elsewhere], &query(&here, Some(5), None)), NOT_LOOKED_AT);
}

#[test]
fn a_scan_that_could_not_connect_proves_nothing() {
    let here = key("10.0.0.1:80", None);
    let missed = EndedScan {
        missed: vec![SocketAddr::new(IpAddr::from([10, 0, 0, 1]), 80)],
        ..scan("b", 12)
    };
    assert_eq!(judged(vec![missed.clone()], &query(&here, Some(5), None)), NOT_LOOKED_AT);
    let beside = key("10.0.0.2:80", None);
    assert_eq!(judged(vec![missed], &query(&beside, Some(5), None)), gone("b"));
}

#[test]
fn a_scan_before_the_last_observation_or_after_the_instant_proves_nothing() {
    let here = key("10.0.0.1:80", None);
    // Of two simultaneous scans, the one that saw it counts.
    assert_eq!(
        judged(vec![scan("b", 12)], &query(&here, Some(5), Some(13))),
        Some((Lifecycle::Stayed, None))
    );
    assert_eq!(judged(vec![scan("b", 20)], &query(&here, Some(5), None)), NOT_LOOKED_AT);
}

#[test]
fn a_new_endpoint_appeared_only_if_an_earlier_scan_covered_it() {
    let here = key("10.0.0.1:80", None);
    assert_eq!(
        judged(vec![scan("a", 5), scan("b", 12)], &query(&here, None, Some(12))),
        Some((Lifecycle::Appeared, Some("a".to_owned())))
    );
    assert_eq!(
        judged(vec![scan("b", 12)], &query(&here, None, Some(12))),
        Some((Lifecycle::FirstSeen, None))
    );
    // It reappeared.
    assert_eq!(
        judged(vec![scan("a", 3), scan("b", 8), scan("c", 12)], &query(&here, Some(3), Some(12))),
        Some((Lifecycle::Appeared, Some("b".to_owned())))
    );
    assert_eq!(
        judged(vec![scan("a", 5), scan("b", 12), scan("c", 15)], &query(&here, None, Some(12))),
        Some((Lifecycle::CameAndWent, Some("c".to_owned())))
    );
    assert_eq!(judged(vec![scan("a", 5)], &query(&here, None, None)), None);
}

#[test]
fn shards_prove_something_together() {
    let here = key("10.0.0.1:80", None);
    let shard = |id: &str, started: i64, seed: u64, index: u32| EndedScan {
        shard: Some((seed, index, 3)),
        ..scan(id, started)
    };
    let two = vec![shard("1", 11, 7, 1), shard("2", 12, 7, 2)];
    assert_eq!(judged(two.clone(), &query(&here, Some(5), None)), NOT_LOOKED_AT);
    let other_seed = [two.clone(), vec![shard("3", 13, 8, 3)]].concat();
    assert_eq!(judged(other_seed, &query(&here, Some(5), None)), NOT_LOOKED_AT);
    let all = [two.clone(), vec![shard("3", 13, 7, 3)]].concat();
    assert_eq!(judged(all.clone(), &query(&here, Some(5), None)), gone("3"));
    // It was seen after the first shard had ended, and it is unknown which shard covers it.
    assert_eq!(judged(all, &query(&here, None, Some(12))), Some((Lifecycle::FirstSeen, None)));
    let again = [
        two,
        vec![
            shard("3", 13, 7, 3),
            shard("1b", 15, 7, 1),
            shard("2b", 16, 7, 2),
            shard("3b", 17, 7, 3),
        ],
    ]
    .concat();
    assert_eq!(judged(again, &query(&here, Some(5), Some(14))), gone("3b"));
}

#[test]
fn an_import_proves_no_absence() {
    let here = key("10.0.0.1:80", None);
    let of = |before: Option<i64>, after: Option<i64>, later_import: bool| {
        let query = LifecycleQuery {
            kind: SourceKind::Import,
            later_import,
            ..query(&here, before, after)
        };
        // vigie's own scans are no evidence about another source.
        judged(vec![scan("a", 5), scan("b", 12)], &query).map(|(presence, _)| presence)
    };
    assert_eq!(of(Some(5), None, true), Some(Lifecycle::NotInImport));
    assert_eq!(of(Some(5), None, false), Some(Lifecycle::NotLookedAt));
    assert_eq!(of(Some(5), Some(15), true), Some(Lifecycle::Stayed));
    assert_eq!(of(None, Some(15), true), Some(Lifecycle::FirstSeen));
    assert_eq!(of(None, None, true), None);
}

#[test]
fn words_are_the_ones_in_json() {
    for presence in Lifecycle::ALL {
        assert_eq!(serde_json::to_value(presence).expect("a word"), presence.word());
    }
}

#[test]
fn a_coverage_that_cannot_be_parsed_proves_nothing() {
    let wrong = EndedScan {
        covers: "everything".to_owned(),
        ..scan("b", 12)
    };
    let here = key("10.0.0.1:80", None);
    assert_eq!(judged(vec![wrong], &query(&here, Some(5), None)), NOT_LOOKED_AT);
}
