//! Leftovers of killed, failed and racing writers are removed, and no acknowledged data is lost by that.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use datafusion::prelude::{SessionContext, col, lit};
use deltalake_core::DeltaTableBuilder;
use vigie_lake::{Error, Filter, Lake, Table};
use vigie_model::*;

use super::{every_file, holds, plan, whole};
use crate::common::{at, lake, observation};

const CONTENTS: [Table; 5] = [Table::States, Table::Models, Table::Evidence, Table::Tools, Table::Running];

/// An observation with contents of its own in each table.
fn own(address: [u8; 4], seconds: i64, version: &str) -> Observation {
    let mut one = observation(address, seconds, version);
    one.exposure.tools = Known::Known(vec![Tool {
        name: format!("tool-{version}"),
        risks: Vec::new(),
    }]);
    one.exposure.running = Known::Known(vec![RunningModel {
        name: format!("running-{version}"),
        size_bytes: Known::unknown(Why::NotAsked),
        vram_bytes: Known::unknown(Why::NotAsked),
        context_length: Known::unknown(Why::NotAsked),
        expires: Known::unknown(Why::NotAsked),
    }]);
    one
}

/// The number of rows in each table of contents.
async fn rows(lake: &Lake) -> BTreeMap<Table, usize> {
    let context = SessionContext::new();
    let mut rows = BTreeMap::new();
    for (table, provider) in lake.providers(&context.state()).await.expect("the tables") {
        if CONTENTS.contains(&table) {
            let table_rows = context.read_table(provider).expect("a table").count().await.expect("counted");
            rows.insert(table, table_rows);
        }
    }
    rows
}

/// The same as a deletion that is killed after its first commit.
async fn delete_observations_only(lake: &Lake, address: &str) {
    let folder = url::Url::from_directory_path(lake.dir().join("observations")).expect("a URL");
    let mut table = DeltaTableBuilder::from_url(folder)
        .and_then(DeltaTableBuilder::build)
        .expect("a table");
    table.load().await.expect("loaded");
    table
        .delete()
        .with_predicate(col("address").eq(lit(address)))
        .await
        .expect("deleted");
}

/// Makes the contents look as if they had been written two hours ago.
fn age_contents(dir: &Path) {
    let two_hours_ago = (chrono::Utc::now() - TimeDelta::hours(2)).timestamp_millis();
    for table in CONTENTS {
        let log = dir.join(table.name()).join("_delta_log");
        for entry in std::fs::read_dir(log).expect("a log") {
            let path = entry.expect("an entry").path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let lines: Vec<String> = text
                .lines()
                .map(|line| {
                    let mut action: serde_json::Value = serde_json::from_str(line).expect("an action");
                    if action["add"].is_object() {
                        action["add"]["modificationTime"] = two_hours_ago.into();
                    }
                    action.to_string()
                })
                .collect();
            std::fs::write(path, lines.join("\n")).expect("written");
        }
    }
}

fn set_age(path: &Path, age: Duration) {
    let file = File::options().write(true).open(path).expect("it opens");
    file.set_modified(SystemTime::now() - age).expect("its time is set");
}

/// Data files that the current version does not name, including unfinished ones.
async fn uncounted(lake: &Lake) -> Vec<PathBuf> {
    let counted: Vec<PathBuf> = lake.files().await.expect("listed").into_iter().map(|file| file.path).collect();
    every_file(lake.dir())
        .into_iter()
        .map(|(path, _)| PathBuf::from(path))
        .filter(|path| !path.components().any(|part| part.as_os_str() == "_delta_log"))
        .filter(|path| !counted.contains(path))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_states_are_deleted_at_once() {
    const ALL: u32 = 24_000;
    let (_dir, lake) = lake().await;
    let batch: Vec<Observation> = (0..ALL)
        .map(|n| {
            let [_, a, b, c] = n.to_be_bytes();
            let mut one = observation([10, a, b, c], i64::from(n % 7), "0.1.0");
            one.identity.version = Known::Known(format!("0.{n}"));
            one
        })
        .collect();
    lake.append(&batch).await.expect("appended");
    // The last observation stays, with its state.
    lake.append(&[observation([10, 0, 0, 1], 86_400, "kept")]).await.expect("appended");
    let done = lake.forget_before(at(86_400)).await.expect("forgotten");
    assert_eq!((done.observations, done.states), (u64::from(ALL), u64::from(ALL)));
    assert_eq!(rows(&lake).await[&Table::States], 1);
    assert_eq!(whole(&lake, "10.0.0.1").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_deletion_completes_a_killed_one() {
    let (_dir, lake) = lake().await;
    lake.append(&[own([192, 0, 2, 1], 0, "gone"), own([192, 0, 2, 2], 0, "kept")])
        .await
        .expect("appended");
    let all = rows(&lake).await;
    delete_observations_only(&lake, "192.0.2.1").await;
    let address = "192.0.2.1".parse().expect("an address");

    // The contents could belong to a writer that has not finished.
    let done = lake.forget(address).await.expect("forgotten");
    assert_eq!((done.observations, done.states, done.running, done.left), (0, 0, 0, 2));
    assert_eq!(rows(&lake).await, all);
    age_contents(lake.dir());
    let lake = Lake::open(lake.dir()).await.expect("opened");
    let done = lake.forget(address).await.expect("forgotten");
    assert_eq!((done.observations, done.states, done.running, done.left), (0, 1, 1, 0));
    for (table, rows) in rows(&lake).await {
        assert_eq!(rows, all[&table] / 2, "{table:?}");
    }
    let kept = whole(&lake, "192.0.2.2").await;
    assert_eq!(kept[0].exposure, own([192, 0, 2, 2], 0, "kept").exposure);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_removes_contents_without_an_observation_at_once() {
    let (_dir, lake) = lake().await;
    lake.append(&[own([192, 0, 2, 1], 0, "gone"), own([192, 0, 2, 2], 0, "kept")])
        .await
        .expect("appended");
    delete_observations_only(&lake, "192.0.2.1").await;
    assert_eq!(lake.purge().await.expect("purged").states, 1);
    assert_eq!(rows(&lake).await[&Table::States], 1);
    for (path, bytes) in every_file(lake.dir()) {
        assert!(!holds(&bytes, "192.0.2.1\""), "the address is in {path}");
    }
    let kept = whole(&lake, "192.0.2.2").await;
    assert_eq!(kept[0].exposure, own([192, 0, 2, 2], 0, "kept").exposure);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_of_a_killed_import_are_removed() {
    let (_dir, lake) = lake().await;
    let one = own([192, 0, 2, 1], 0, "left");
    lake.append(std::slice::from_ref(&one)).await.expect("appended");
    // It was killed before it committed observations, so that table does not exist.
    std::fs::remove_dir_all(lake.dir().join("observations")).expect("removed");
    let lake = Lake::open(lake.dir()).await.expect("opened");
    let elsewhere = "198.51.100.1".parse().expect("an address");
    let done = lake.forget(elsewhere).await.expect("forgotten");
    assert_eq!((done.states, done.left), (0, 2), "the writer may still be alive");
    age_contents(lake.dir());
    let lake = Lake::open(lake.dir()).await.expect("opened");
    assert_eq!(lake.forget(elsewhere).await.expect("forgotten").states, 1);
    assert!(rows(&lake).await.values().all(|rows| *rows == 0));
    lake.append(std::slice::from_ref(&one)).await.expect("appended");
    assert_eq!(whole(&lake, "192.0.2.1").await[0].exposure, one.exposure);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_no_commit_names_are_removed_after_an_hour() {
    let (_dir, lake) = lake().await;
    lake.append(&[observation([192, 0, 2, 1], 0, "0.1.0")]).await.expect("appended");
    let of = |table: &str, name: &str| lake.dir().join(table).join(name);
    let day = every_file(&lake.dir().join("observations"))
        .into_iter()
        .find_map(|(path, _)| {
            Path::new(&path)
                .parent()
                .filter(|day| day.to_string_lossy().contains("date="))
                .map(Path::to_owned)
        })
        .expect("a day");
    // Also in a folder without a log.
    std::fs::create_dir_all(of("tools", "")).expect("made");
    let old = [
        day.join("part-00000-dead.zstd.parquet"),
        day.join("part-00000-dead.zstd.parquet#1"),
        of("states", "part-00000-dead.zstd.parquet"),
        of("states", "_delta_log/00000000000000000001.json#3"),
        of("tools", "part-00000-dead.zstd.parquet"),
    ];
    let young = [
        day.join("part-00000-alive.zstd.parquet"),
        of("models", "part-00000-alive.zstd.parquet#1"),
    ];
    for path in old.iter().chain(&young) {
        std::fs::write(path, "rows").expect("written");
    }
    old.iter().for_each(|path| set_age(path, Duration::from_secs(2 * 3600)));
    // Files that some version names, now or earlier, are not affected, however old.
    for (path, _) in every_file(lake.dir()) {
        if path.contains("part-") && !path.contains("alive") {
            set_age(Path::new(&path), Duration::from_secs(3 * 3600));
        }
    }
    let before = whole(&lake, "192.0.2.1").await;
    lake.append(&[observation([192, 0, 2, 1], 1, "0.1.0")]).await.expect("appended");
    lake.compact().await.expect("compacted");

    let removed = lake.vacuum(TimeDelta::days(7)).await.expect("vacuumed");
    assert_eq!(
        (removed.files, removed.unnamed, removed.left),
        (0, 0, 7),
        "none is older than a week"
    );
    let removed = lake.vacuum(TimeDelta::minutes(90)).await.expect("vacuumed");
    assert_eq!((removed.files, removed.unnamed, removed.left), (0, 5, 2));
    let removed = lake.purge().await.expect("purged");
    assert_eq!((removed.unnamed, removed.left), (0, 2), "a writer may be about to commit them");
    assert!(removed.files > 0);
    assert!(old.iter().all(|path| !path.exists()));
    assert!(young.iter().all(|path| path.exists()));
    assert_eq!(whole(&lake, "192.0.2.1").await[1..], before);
}

/// Only if this user can be denied access to a folder: root cannot.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_leaves_no_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_dir, lake) = lake().await;
    lake.append(&[observation([192, 0, 2, 1], 0, "0.1.0")]).await.expect("appended");
    let log = lake.dir().join("observations/_delta_log");
    let set = |mode| std::fs::set_permissions(&log, std::fs::Permissions::from_mode(mode)).expect("set");
    set(0o555);
    if File::create(log.join("probe")).is_ok() {
        std::fs::remove_file(log.join("probe")).expect("removed");
        eprintln!("run as root, which no folder is closed to: nothing was tried");
        return;
    }
    let next = [observation([192, 0, 2, 1], 60, "0.1.0")];
    let failed = lake.append(&next).await;
    set(0o755);
    assert!(matches!(failed, Err(Error::Write { .. })), "{failed:?}");
    assert_eq!(uncounted(&lake).await, Vec::<PathBuf>::new());
    assert_eq!(lake.append(&next).await.expect("appended").observations, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_neither_blocks_a_writer_nor_loses_data() {
    const ROUNDS: u8 = 3;
    const IN_BATCH: u16 = 10_000;
    let (_dir, lake) = lake().await;
    let forgotten: Vec<Observation> = (0..=u8::MAX).map(|n| own([192, 0, 2, n], 0, &format!("forgotten.{n}"))).collect();
    lake.append(&forgotten).await.expect("appended");
    let over = Arc::new(AtomicBool::new(false));
    let purging = {
        let (dir, over) = (lake.dir().to_owned(), Arc::clone(&over));
        tokio::spawn(async move {
            let other = Lake::open(dir).await.expect("opened");
            let mut rounds = 0;
            for one in forgotten {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                other.forget(one.endpoint.address).await.expect("forgotten");
                other.purge().await.expect("purged");
                rounds += 1;
            }
            rounds
        })
    };
    // A large batch takes as long as the purge, so the purge removes log entries during the append.
    let batch = |round: u8| -> Vec<Observation> {
        (0..IN_BATCH)
            .map(|n| {
                let [high, low] = n.to_be_bytes();
                own([10, round, high, low], i64::from(round), &format!("{round}.{n}"))
            })
            .collect()
    };
    for round in 0..ROUNDS {
        let done = lake.append(&batch(round)).await.expect("appended");
        assert_eq!(done.observations, usize::from(IN_BATCH));
    }
    over.store(true, Ordering::Relaxed);
    let forgotten = purging.await.expect("no panic");
    assert!(forgotten > 0);
    eprintln!("{forgotten} forgotten meanwhile");
    for expected in (0..ROUNDS).flat_map(batch).step_by(3_001) {
        let address = expected.endpoint.address;
        let [only] = &lake.history(address).await.expect("read")[..] else {
            panic!("{address} was seen once");
        };
        assert_eq!(only.exposure, expected.exposure, "{address}");
        assert_eq!(only.identity, expected.identity, "{address}");
    }
    // No contents were stored twice.
    let all = rows(&lake).await;
    let states = usize::from(ROUNDS) * usize::from(IN_BATCH) + 256 - forgotten;
    assert_eq!(
        (all[&Table::States], all[&Table::Models], all[&Table::Running]),
        (states, 2 * states, states)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusual_folder_names_work_or_are_rejected() {
    let dir = tempfile::tempdir().expect("a folder");
    let place = dir.path().join("a[b]^c|d #1 50% {e}?*~");
    let lake = Lake::open_or_create(&place).await.expect("a lake");
    lake.append(&[own([192, 0, 2, 1], 0, "0.1.0"), own([192, 0, 2, 2], 0, "0.2.0")])
        .await
        .expect("appended");
    let lake = Lake::open(&place).await.expect("opened");
    lake.append(&[own([192, 0, 2, 2], 60, "0.2.0")]).await.expect("appended");
    assert_eq!(lake.redact().await.expect("redacted"), 0);
    lake.compact().await.expect("compacted");
    let done = lake.forget("192.0.2.1".parse().expect("an address")).await.expect("forgotten");
    assert_eq!((done.observations, done.states), (1, 1));
    lake.purge().await.expect("purged");
    assert_eq!(lake.hosts(&Filter::default()).await.expect("read").len(), 1);
    assert_eq!(uncounted(&lake).await, Vec::<PathBuf>::new());
    std::fs::remove_dir_all(&place).expect("the whole lake is in this folder");

    let mut refused = vec!["a%20b", "a%2Fb", "a\tb", "gs://bucket/lake"];
    if cfg!(unix) {
        refused.push("a\\b");
        // A link to such a folder is rejected too.
        #[cfg(unix)]
        {
            let aside = tempfile::tempdir().expect("a folder");
            std::fs::create_dir(aside.path().join("a%20b")).expect("made");
            std::os::unix::fs::symlink(aside.path().join("a%20b"), aside.path().join("link")).expect("linked");
            let error = Lake::open_or_create(aside.path().join("link/lake")).await.expect_err("refused");
            assert!(matches!(error, Error::Unnameable(..)), "{error}");
        }
    }
    for name in refused {
        let place = dir.path().join(name).join("lake");
        for error in [
            Lake::open_or_create(&place).await.expect_err("refused"),
            Lake::open(&place).await.expect_err("refused"),
        ] {
            assert!(matches!(error, Error::Unnameable(..)), "{name:?}: {error}");
        }
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 0, "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashes_of_a_forgotten_address_are_removed() {
    let (_dir, lake) = lake().await;
    lake.append(&[observation([192, 0, 2, 77], 0, "0.1.0")]).await.expect("appended");
    for (id, covers) in [
        ("names-it", Known::Known("11434 at 192.0.2.77".to_owned())),
        ("names-another", Known::Known("11434 at 192.0.2.78".to_owned())),
        ("does-not-say", Known::unknown(Why::NotCarried)),
    ] {
        let mut scan = plan(id, "");
        scan.covers = covers;
        scan.targets = format!("sha256:of-{id}");
        scan.watch = Some(format!("watch-of-{id}"));
        lake.record_scan(&scan, at(0)).await.expect("kept");
    }
    for _ in 0..2 {
        lake.forget("192.0.2.77".parse().expect("an address")).await.expect("forgotten");
    }
    let kept: BTreeMap<String, (String, bool)> = lake
        .scans()
        .await
        .expect("read")
        .into_iter()
        .map(|scan| (scan.id, (scan.targets, scan.watch.is_some())))
        .collect();
    assert_eq!(kept["names-it"], (String::new(), false));
    assert_eq!(kept["does-not-say"], (String::new(), true));
    assert_eq!(kept["names-another"], ("sha256:of-names-another".to_owned(), true));

    // The log contains the predicate; the vacuum removes it.
    let is_on_disk = |lake: &Lake| every_file(lake.dir()).iter().any(|(_, bytes)| holds(bytes, "192.0.2.77"));
    assert!(is_on_disk(&lake));
    lake.vacuum(TimeDelta::zero()).await.expect("vacuumed");
    assert!(!is_on_disk(&lake));
    assert_eq!(lake.scans().await.expect("read").len(), 3);
}

/// Compacted files have other Arrow types; removing rows from them leaves the other rows unchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_removed_from_compacted_files() {
    let (_dir, lake) = lake().await;
    for host in 1..=4 {
        lake.append(&[own([192, 0, 2, host], i64::from(host), &format!("0.{host}.0"))])
            .await
            .expect("appended");
    }
    let compacted = lake.compact().await.expect("compacted");
    assert!(CONTENTS.iter().all(|table| compacted[table].removed == 4), "{compacted:?}");
    let before = whole(&lake, "192.0.2.3").await;
    let all = rows(&lake).await;
    let done = lake.forget("192.0.2.2".parse().expect("an address")).await.expect("forgotten");
    assert_eq!((done.observations, done.states), (1, 1));
    let left = rows(&lake).await;
    assert!(CONTENTS.iter().all(|table| left[table] < all[table]), "{all:?} {left:?}");
    assert_eq!(whole(&lake, "192.0.2.3").await, before);
    // Deleted contents that are appended again are stored again.
    lake.append(&[own([192, 0, 2, 2], 60, "0.2.0")]).await.expect("appended");
    assert_eq!(rows(&lake).await, all);
}
