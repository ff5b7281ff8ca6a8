//! Compaction does not affect readers, and forgotten data is gone from the disk.

mod common;
#[path = "common/gateway.rs"]
mod gateway;
mod leftovers;

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use vigie_lake::{Filter, Lake, Scan, Table};
use vigie_model::*;

use common::{at, lake, observation};

/// The bytes of every file below a folder, by path.
fn every_file(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the folder reads") {
        let path = entry.expect("the entry reads").path();
        if path.is_dir() {
            all.extend(every_file(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).expect("the file reads")));
        }
    }
    all
}

fn plan(id: &str, covers: &str) -> Scan {
    Scan {
        id: id.to_owned(),
        vigie: "0.1.0".to_owned(),
        seed: 1,
        scope: Known::unknown(Why::NotAsked),
        catalog: "sha256:00".to_owned(),
        advisories: Known::unknown(Why::NotAsked),
        vantage: "loopback".to_owned(),
        targets: "sha256:01".to_owned(),
        ports: "11434".to_owned(),
        shard: None,
        started: at(0),
        finished: None,
        planned: None,
        swept: None,
        open: None,
        observed: None,
        covers: Known::Known(covers.to_owned()),
        missed: Known::Known(Vec::new()),
        watch: None,
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

async fn whole(lake: &Lake, address: &str) -> Vec<Observation> {
    lake.history(address.parse::<IpAddr>().expect("an address"))
        .await
        .expect("its history reads")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_changes_nothing_but_the_files() {
    let (_dir, lake) = lake().await;
    for round in 0..12 {
        let batch: Vec<Observation> = (0..4)
            .map(|host| observation([10, 0, 0, host], i64::from(round) * 60, &format!("0.1.{}", round % 3)))
            .collect();
        lake.append(&batch).await.expect("appended");
    }
    let before = lake.files().await.expect("listed");
    let printed = |hosts: Vec<vigie_lake::HostRow>| format!("{hosts:?}");
    let hosts = printed(lake.hosts(&Filter::default()).await.expect("read"));
    let history = whole(&lake, "10.0.0.1").await;

    let done = lake.compact().await.expect("compacted");
    assert!(done[&Table::Observations].removed >= 12, "{done:?}");
    let after = lake.files().await.expect("listed");
    let of = |files: &[vigie_lake::LakeFile]| files.iter().filter(|file| file.table == Table::Observations).count();
    assert!(of(&after) < of(&before), "{} files of {}", of(&after), of(&before));
    assert_eq!(printed(lake.hosts(&Filter::default()).await.expect("read")), hosts);
    assert_eq!(whole(&lake, "10.0.0.1").await, history);

    // Afterwards neither this writer nor a new one stores known contents twice.
    let again = observation([10, 0, 0, 1], 0, "0.1.0");
    for lake in [&lake, &Lake::open(lake.dir()).await.expect("opened")] {
        let done = lake.append(std::slice::from_ref(&again)).await.expect("appended");
        assert_eq!((done.observations, done.states), (0, 0));
    }

    // The old files stay until a vacuum.
    assert_eq!(lake.vacuum(TimeDelta::days(7)).await.expect("vacuumed").files, 0);
    assert!(lake.vacuum(TimeDelta::zero()).await.expect("vacuumed").files >= 12);
    assert_eq!(whole(&lake, "10.0.0.1").await, history);
    let files = lake.files().await.expect("listed");
    let parquet = every_file(lake.dir())
        .iter()
        .filter(|(path, _)| path.ends_with(".parquet") && !path.contains("_delta_log"))
        .count();
    assert_eq!(parquet, files.len(), "only files of the current version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_readers_work_during_a_compaction() {
    let (_dir, lake) = lake().await;
    let lake = Arc::new(lake);
    lake.append(&[observation([10, 0, 1, 0], 0, "0.1.0")]).await.expect("appended");
    let over = Arc::new(AtomicBool::new(false));
    let upkeep = {
        let (dir, over) = (lake.dir().to_owned(), Arc::clone(&over));
        tokio::spawn(async move {
            let other = Lake::open(dir).await.expect("opened");
            let mut rounds = 0;
            while !over.load(Ordering::Relaxed) && rounds < 200 {
                other.compact().await.expect("compacted");
                rounds += 1;
            }
            rounds
        })
    };
    for round in 1..=40_u8 {
        let done = lake
            .append(&[observation([10, 0, 1, round], i64::from(round), &format!("0.{round}.0"))])
            .await
            .expect("appended");
        assert_eq!(done.observations, 1);
        let seen = lake.hosts(&Filter::default()).await.expect("read");
        assert_eq!(seen.len(), usize::from(round) + 1, "acknowledged observations are readable");
    }
    over.store(true, Ordering::Relaxed);
    assert!(upkeep.await.expect("no panic") > 0);
    for round in 1..=40_u8 {
        let [only] = &whole(&lake, &format!("10.0.1.{round}")).await[..] else {
            panic!("10.0.1.{round} was seen once");
        };
        assert_eq!(only.identity.version, Known::Known(format!("0.{round}.0")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_data_is_gone_from_the_files() {
    let (_dir, lake) = lake().await;
    let secret = "forget-me.example";
    let mut gone: Vec<Observation> = (0..3).map(|day| observation([192, 0, 2, 77], day * 86_400, "0.1.0")).collect();
    // One of its states is shared with other endpoints, two are not.
    for one in &mut gone[1..] {
        one.exposure.models = Known::Known(vec![Model::named(format!("{secret}-{}", one.seen.timestamp()), Why::NotAsked)]);
        one.exposure.running = Known::Known(vec![RunningModel {
            name: secret.to_owned(),
            size_bytes: Known::unknown(Why::NotAsked),
            vram_bytes: Known::unknown(Why::NotAsked),
            context_length: Known::unknown(Why::NotAsked),
            expires: Known::unknown(Why::NotAsked),
        }]);
    }
    let others = [
        observation([192, 0, 2, 1], 0, "0.1.0"),
        observation([192, 0, 2, 200], 86_400, "0.2.0"),
    ];
    lake.append(&gone).await.expect("appended");
    lake.append(&others).await.expect("appended");
    for (id, covers) in [
        ("names-it", "11434 at 192.0.2.0/25 host.example@192.0.2.77"),
        ("names-another", "11434 at 192.0.2.0/24"),
    ] {
        lake.record_scan(&plan(id, covers), at(0)).await.expect("kept");
    }
    let before = (whole(&lake, "192.0.2.1").await, whole(&lake, "192.0.2.200").await);

    let done = lake.forget("192.0.2.77".parse().expect("an address")).await.expect("forgotten");
    assert_eq!((done.observations, done.states, done.running), (3, 2, 1));
    assert!(whole(&lake, "192.0.2.77").await.is_empty());
    let done = lake.forget("192.0.2.77".parse().expect("an address")).await.expect("forgotten");
    assert_eq!(done.observations, 0, "a second call finds nothing");

    for scan in lake.scans().await.expect("read") {
        let forgotten = scan.id == "names-it";
        assert_eq!(scan.covers.why(), forgotten.then_some(Why::Redacted), "{}", scan.id);
        assert_eq!(scan.missed.why(), forgotten.then_some(Why::Redacted), "{}", scan.id);
    }

    lake.purge().await.expect("purged");
    for (path, bytes) in every_file(lake.dir()) {
        assert!(!holds(&bytes, "192.0.2.77"), "the address is in {path}");
        assert!(!holds(&bytes, secret), "its contents are in {path}");
    }
    let files: HashSet<_> = lake.files().await.expect("listed").into_iter().map(|file| file.path).collect();
    for (path, _) in every_file(lake.dir())
        .iter()
        .filter(|(path, _)| path.ends_with(".parquet") && !path.contains("_delta_log"))
    {
        assert!(files.contains(Path::new(path)), "{path} does not count and is there");
    }
    for lake in [&lake, &Lake::open(lake.dir()).await.expect("opened")] {
        assert_eq!((whole(lake, "192.0.2.1").await, whole(lake, "192.0.2.200").await), before);
    }
    // The lake is still writable.
    let back = lake.append(&gone).await.expect("appended");
    assert_eq!((back.observations, back.states), (3, 2));
    assert_eq!(whole(&lake, "192.0.2.77").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_that_other_observations_share_are_not_forgotten() {
    // A writer appends observations with the same contents that are being removed at that moment.
    let (_dir, lake) = lake().await;
    let lake = Arc::new(lake);
    for round in 0..12_u8 {
        let version = format!("0.9.{round}");
        lake.append(&[observation([198, 51, 100, 1], i64::from(round), &version)])
            .await
            .expect("appended");
        let forgetting = {
            let dir = lake.dir().to_owned();
            tokio::spawn(async move {
                let other = Lake::open(dir).await.expect("opened");
                other.forget("198.51.100.1".parse().expect("an address")).await.expect("forgotten");
            })
        };
        // At some point during the deletion.
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(round) * 7)).await;
        lake.append(&[observation([198, 51, 100, 2], i64::from(round), &version)])
            .await
            .expect("appended");
        forgetting.await.expect("no panic");
        let history = whole(&lake, "198.51.100.2").await;
        assert_eq!(history.len(), usize::from(round) + 1, "complete, with all contents");
    }
    assert!(whole(&lake, "198.51.100.1").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_deletes_older_observations() {
    let (_dir, lake) = lake().await;
    let day = 86_400;
    let batch: Vec<Observation> = (0..10)
        .map(|d| observation([203, 0, 113, 5], d * day, &format!("0.{d}.0")))
        .collect();
    lake.append(&batch).await.expect("appended");
    let done = lake.forget_before(at(4 * day)).await.expect("forgotten");
    assert_eq!((done.observations, done.states), (4, 4));
    let left = whole(&lake, "203.0.113.5").await;
    assert_eq!(left.len(), 6);
    assert!(left.iter().all(|one| one.seen >= at(4 * day)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redacted_text_leaves_only_its_hash() {
    let (_dir, lake) = lake().await;
    // Long and without repetition, so that no encoding splits it.
    let secret = "you-are-the-quartermaster-of-vexley-7421";
    let print = |text: Option<&str>| TextPrint {
        sha256: "sha256:11".to_owned(),
        characters: 40,
        class: PromptClass::Custom,
        text: text.map(str::to_owned),
    };
    let mut kept = observation([192, 0, 2, 1], 0, "0.1.0");
    let mut model = Model::named("with-a-prompt", Why::NotAsked);
    model.system_prompt = Known::Known(print(Some(secret)));
    kept.exposure.models = Known::Known(vec![model]);
    lake.append(&[kept.clone(), observation([192, 0, 2, 2], 0, "0.2.0")])
        .await
        .expect("appended");
    let other = whole(&lake, "192.0.2.2").await;

    assert_eq!(lake.redact().await.expect("redacted"), 1);
    assert_eq!(lake.redact().await.expect("redacted"), 0, "a second call finds nothing");
    lake.purge().await.expect("purged");
    for (path, bytes) in every_file(lake.dir()) {
        assert!(!holds(&bytes, secret), "the text is in {path}");
    }
    let read = &whole(&lake, "192.0.2.1").await[0];
    let models = read.exposure.models.known().expect("its models");
    assert_eq!(models[0].system_prompt, Known::Known(print(None)));
    assert_eq!(whole(&lake, "192.0.2.2").await, other);
}

/// Requests to gateways are compacted, and deleted by address, key and date; a request whose key is unknown stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_compacted_and_deleted() {
    use gateway::{DAY, entry, erased};
    let (dir, lake) = lake().await;
    let mut log: Vec<GatewayRequest> = (1..=12).map(|seq| entry("a", seq, seq as i64 * DAY / 4)).collect();
    log[1].address = Known::Known([198, 51, 100, 9].into());
    log[2].key_id = Known::Known("key_2".to_owned());
    log[3] = erased(&log[3]);
    log[4].key_id = Known::unknown(Why::Refused);
    for request in &log {
        lake.append_requests(std::slice::from_ref(request)).await.expect("appended");
    }
    let before = lake.requests(None).await.expect("read");
    let done = lake.compact().await.expect("compacted");
    assert!(done[&Table::Requests].removed >= 8, "{done:?}");
    assert_eq!(lake.requests(None).await.expect("read"), before);
    // Duplicates are found in compacted files, and an erased one replaces its row in them.
    log[7] = erased(&log[7]);
    let again = Lake::open(dir.path())
        .await
        .expect("opened")
        .append_requests(&log)
        .await
        .expect("appended");
    assert_eq!((again.added, again.duplicates, again.erased), (0, 11, 1));

    let left = |requests: Vec<GatewayRequest>| requests.into_iter().map(|request| request.seq).collect::<Vec<_>>();
    let forgotten = lake.forget("198.51.100.9".parse().expect("an address")).await.expect("deleted");
    assert_eq!((forgotten.requests, forgotten.observations), (1, 0));
    assert_eq!(lake.forget_key("key_2").await.expect("deleted").requests, 1);
    assert_eq!(lake.forget_key("key_3").await.expect("deleted").requests, 0);
    assert_eq!(left(lake.requests(None).await.expect("read")), [1, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let forgotten = lake.forget_before(common::at(2 * DAY)).await.expect("deleted");
    assert_eq!(forgotten.requests, 5);
    assert_eq!(left(lake.requests(None).await.expect("read")), [8, 9, 10, 11, 12]);
    lake.purge().await.expect("purged");
    let parquet = every_file(lake.dir())
        .into_iter()
        .filter(|(path, _)| path.ends_with(".parquet") && !path.contains("_delta_log"));
    assert_eq!(
        parquet.count(),
        lake.files().await.expect("listed").len(),
        "only files of the current version"
    );
}
