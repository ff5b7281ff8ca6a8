//! The table of requests to gateways: each stored once, and replaced where it was erased from the log.

use std::sync::Arc;

use vigie_lake::{CommittedRequests, Lake, Table};
use vigie_model::{GatewayRequest, Known, Why};

use super::common::{at, lake};
use super::gateway::{entry, erased};

fn done(added: usize, duplicates: usize, erased: usize, differing: usize) -> CommittedRequests {
    CommittedRequests {
        added,
        duplicates,
        erased,
        differing,
    }
}

async fn append(lake: &Lake, requests: &[GatewayRequest]) -> CommittedRequests {
    lake.append_requests(requests).await.expect("appended")
}

async fn stored(lake: &Lake) -> Vec<GatewayRequest> {
    lake.requests(None).await.expect("read")
}

#[tokio::test]
async fn a_request_is_read_as_it_was_written() {
    let (_dir, lake) = lake().await;
    assert_eq!(append(&lake, &[]).await, done(0, 0, 0, 0));
    let mut refused = entry("a", 2, 5);
    refused.key_id = Known::unknown(Why::Refused);
    refused.models = Vec::new();
    refused.model = None;
    refused.route = None;
    refused.status = None;
    refused.outcome = "refused".to_owned();
    refused.refusal = Some("no-credential".to_owned());
    let wanted = [entry("a", 1, 0), refused];
    assert_eq!(append(&lake, &wanted).await, done(2, 0, 0, 0));
    let mut read = stored(&lake).await;
    // A count that no table holds is unknown.
    for request in &mut read {
        assert_eq!(request.response_bytes.why(), Some(Why::Unparsable));
        request.response_bytes = Known::Known(u64::MAX);
    }
    assert_eq!(read, wanted);
}

/// The same log again, and a log that grew.
#[tokio::test]
async fn a_log_that_grew_adds_only_what_is_new() {
    let (dir, lake) = lake().await;
    let log = |until: u64| -> Vec<GatewayRequest> { (1..=until).map(|seq| entry("a", seq, seq as i64 * 3_600)).collect() };
    assert_eq!(append(&lake, &log(60)).await, done(60, 0, 0, 0));
    assert_eq!(append(&lake, &log(60)).await, done(0, 60, 0, 0));
    // By another process.
    let other = Lake::open(dir.path()).await.expect("opened");
    assert_eq!(append(&other, &log(90)).await, done(30, 60, 0, 0));
    assert_eq!(stored(&lake).await.len(), 90);
    // Another gateway and another process have numbers of their own.
    let mut second = entry("a", 1, 0);
    second.stream = 2;
    assert_eq!(append(&lake, &[entry("b", 1, 0), second.clone(), second]).await, done(2, 1, 0, 0));
    assert_eq!(lake.requests(Some("b")).await.expect("read").len(), 1);
    // A file per day and append: 90 hours are 4 days, and 5 days touched by the second.
    let days: Vec<_> = lake.files().await.expect("listed");
    assert!(
        days.iter()
            .all(|file| file.table == Table::Requests && file.path.to_string_lossy().contains("date="))
    );
}

/// A number that the lake has with another time is of another log.
#[tokio::test]
async fn another_log_with_the_same_numbers_is_counted_and_left_out() {
    let (_dir, lake) = lake().await;
    append(&lake, &[entry("a", 1, 0)]).await;
    assert_eq!(append(&lake, &[entry("a", 1, 7), entry("a", 2, 8)]).await, done(1, 0, 0, 1));
    assert_eq!(append(&lake, &[entry("a", 3, 9), entry("a", 3, 10)]).await, done(1, 0, 0, 1));
    let times: Vec<_> = stored(&lake).await.into_iter().map(|request| request.time).collect();
    assert_eq!(times, [at(0), at(8), at(9)]);
}

#[tokio::test]
async fn an_erased_entry_replaces_its_row() {
    let (dir, lake) = lake().await;
    let log: Vec<GatewayRequest> = (1..=40).map(|seq| entry("a", seq, seq as i64 * 7_200)).collect();
    append(&lake, &log).await;
    append(&lake, &[entry("b", 3, 21_600)]).await;
    let files = lake.files().await.expect("listed").len();
    let mut now = log.clone();
    for request in now.iter_mut().filter(|request| request.seq % 13 == 0) {
        *request = erased(request);
    }
    now.push(erased(&entry("a", 41, 300_000)));
    assert_eq!(append(&lake, &now).await, done(1, 37, 3, 0));
    let mut read = stored(&lake).await;
    assert_eq!(read.len(), 42);
    for request in &mut read {
        request.response_bytes = Known::Known(u64::MAX);
    }
    assert_eq!(read[..41], now);
    assert_eq!(read[41], entry("b", 3, 21_600));
    // Each in the folder of its day.
    assert!(lake.files().await.expect("listed").len() > files);
    for file in lake.files().await.expect("listed") {
        let path = file.path.to_string_lossy().into_owned();
        assert!(!path.contains("__HIVE"), "{path}");
    }
    // An older copy of the log does not bring back what was erased, in this process or another.
    for lake in [&lake, &Lake::open(dir.path()).await.expect("opened")] {
        assert_eq!(append(lake, &log).await, done(0, 40, 0, 0));
        assert_eq!(append(lake, &now).await, done(0, 41, 0, 0));
    }
    // In one batch the erased one is taken.
    let both = [entry("c", 1, 0), erased(&entry("c", 1, 0)), entry("c", 1, 0)];
    assert_eq!(append(&lake, &both).await, done(1, 2, 0, 0));
    assert!(lake.requests(Some("c")).await.expect("read")[0].erased);
}

/// Two importers of the same log, and one that erases: each request is stored once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn importers_at_the_same_time_store_each_request_once() {
    let (dir, lake) = lake().await;
    let lake = Arc::new(lake);
    let log: Vec<GatewayRequest> = (1..=200).map(|seq| entry("a", seq, seq as i64 * 600)).collect();
    let other = Arc::new(Lake::open_or_create(dir.path()).await.expect("opened"));
    let mut running = Vec::new();
    for (number, lake) in [&lake, &other, &lake, &other].into_iter().enumerate() {
        let (lake, mut log) = (Arc::clone(lake), log.clone());
        running.push(tokio::spawn(async move {
            if number == 3 {
                log[100] = erased(&log[100]);
            }
            let mut added = 0;
            for batch in log.chunks(50) {
                added += append(&lake, batch).await.added;
            }
            added
        }));
    }
    let mut added = 0;
    for one in running {
        added += one.await.expect("ended");
    }
    assert_eq!(added, 200);
    let read = stored(&lake).await;
    assert_eq!(read.len(), 200);
    assert!(read[100].erased && read.iter().filter(|request| request.erased).count() == 1);
}
