//! A lake on disk: reading and appending, two writers, killed writers.

mod common;
#[path = "common/gateway.rs"]
mod gateway;
mod requests;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vigie_lake::{Error, Filter, Lake, Scan, Table};
use vigie_model::*;

use common::{at, lake, observation};

/// The environment variable by which this binary knows that it is a writer: `folder|writer|first batch`.
const WRITER: &str = "VIGIE_LAKE_TEST_WRITER";

/// Observations in each batch of a writer process.
const IN_BATCH: u8 = 5;

#[tokio::test]
async fn a_folder_without_a_lake_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let error = Lake::open(dir.path()).await.expect_err("there is none");
    assert!(matches!(error, Error::NotALake(_)), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 0);
}

#[tokio::test]
async fn an_empty_lake_is_empty() {
    let (dir, lake) = lake().await;
    assert!(lake.hosts(&Filter::default()).await.expect("read").is_empty());
    assert!(lake.files().await.expect("read").is_empty());
    assert!(lake.scans().await.expect("read").is_empty());
    assert!(lake.history(IpAddr::V4(Ipv4Addr::LOCALHOST)).await.expect("read").is_empty());
    // Without any append it is no lake yet.
    assert!(matches!(Lake::open(dir.path()).await, Err(Error::NotALake(_))));
    lake.append(&[observation([10, 0, 0, 1], 0, "0.1.0")]).await.expect("appended");
    Lake::open(dir.path()).await.expect("it opens again");
}

#[tokio::test]
async fn the_same_observation_counts_once_and_the_same_state_is_stored_once() {
    let (_dir, lake) = lake().await;
    let first = observation([10, 0, 0, 1], 0, "0.1.0");
    let other = observation([10, 0, 0, 2], 0, "0.1.0");
    let done = lake.append(&[first.clone(), first.clone(), other.clone()]).await.expect("appended");
    assert_eq!((done.observations, done.duplicates, done.states), (2, 1, 1));

    // Imported again by a newer version with a newer catalogue: still a duplicate.
    let mut again = first.clone();
    again.source.version = "0.2.0".to_owned();
    again.source.catalog = "sha256:01".to_owned();
    again.recorded = at(99);
    let done = lake.append(&[again, other]).await.expect("appended");
    assert_eq!((done.observations, done.duplicates, done.states), (0, 2, 0));

    // From another vantage, or at a later time, it is another observation of the same state.
    let mut outside = first.clone();
    outside.source.vantage = "outside".to_owned();
    let later = observation([10, 0, 0, 1], 60, "0.1.0");
    let done = lake.append(&[outside, later]).await.expect("appended");
    assert_eq!((done.observations, done.duplicates, done.states), (2, 0, 0));

    // A lake that is opened again recognises it too.
    let reopened = Lake::open(lake.dir()).await.expect("opened");
    let done = reopened.append(&[first]).await.expect("appended");
    assert_eq!((done.observations, done.duplicates, done.states), (0, 1, 0));
    let states: Vec<_> = reopened
        .files()
        .await
        .expect("listed")
        .into_iter()
        .filter(|file| file.table == Table::States)
        .collect();
    assert_eq!(states.len(), 1, "{states:?}");
}

#[tokio::test]
async fn selected_endpoints_are_read_in_the_requested_order() {
    let (_dir, lake) = lake().await;
    let day = 86_400;
    // Several files of several days, with several endpoints each, of which some are seen again later.
    for round in 0..4_u8 {
        let batch: Vec<Observation> = (1..=20)
            .filter(|host| host % (round + 1) == 0)
            .map(|host| {
                observation(
                    [10, 0, 0, host],
                    i64::from(round) * day + i64::from(host),
                    &format!("0.{round}.{host}"),
                )
            })
            .collect();
        lake.append(&batch).await.expect("appended");
    }
    let all = lake.hosts(&Filter::default()).await.expect("read");
    assert_eq!(all.len(), 20);
    let mut glimpses = lake.glimpses(&Filter::default()).await.expect("read");
    let mut wanted = std::mem::take(&mut glimpses.all);
    wanted.retain(|glimpse| glimpse.key.address != IpAddr::V4(Ipv4Addr::new(10, 0, 0, 12)));
    // An order that differs from the lake's.
    wanted.sort_by_key(|glimpse| match glimpse.key.address {
        IpAddr::V4(address) => address.octets()[3].wrapping_mul(37),
        IpAddr::V6(_) => 0,
    });
    for wanted in [&wanted[..], &wanted[3..4], &wanted[5..12], &[]] {
        let hosts = glimpses.hosts(wanted).await.expect("read");
        let observations = glimpses.observations(wanted).await.expect("read");
        assert_eq!((hosts.len(), observations.len()), (wanted.len(), wanted.len()));
        for ((glimpse, host), seen) in wanted.iter().zip(&hosts).zip(&observations) {
            let same = all.iter().find(|one| one.key == glimpse.key).expect("it is listed");
            assert_eq!(host, same);
            assert_eq!(glimpse.version.as_deref(), host.version.known().map(String::as_str));
            assert_eq!((seen.endpoint.key(), seen.seen), (host.key.clone(), host.last_seen));
            assert_eq!(seen.identity.version, host.version);
            assert_eq!(Some(seen), lake.history(host.key.address).await.expect("read").first());
        }
    }
}

#[tokio::test]
async fn hosts_have_the_values_of_their_last_observation() {
    let (_dir, lake) = lake().await;
    let day = 86_400;
    lake.append(&[observation([10, 0, 0, 1], day, "0.2.0")]).await.expect("appended");
    // An import adds older observations later.
    let mut old = observation([10, 0, 0, 1], 0, "0.1.0");
    old.exposure.posture = Known::unknown_because(Why::Refused, "reset");
    lake.append(&[old, observation([10, 0, 0, 2], 5, "0.1.0")]).await.expect("appended");

    let hosts = lake.hosts(&Filter::default()).await.expect("read");
    assert_eq!(hosts.len(), 2);
    assert_eq!(hosts[0].key.address.to_string(), "10.0.0.1");
    assert_eq!(hosts[0].version, Known::Known("0.2.0".to_owned()));
    assert_eq!(
        (hosts[0].first_seen, hosts[0].last_seen, hosts[0].observations),
        (at(0), at(day), 2)
    );
    assert_eq!(hosts[0].models, Known::Known(2));
    assert_eq!(hosts[0].tools, Known::unknown(Why::NotAsked), "unknown is not zero");
    assert_eq!(hosts[0].deception, Known::Known(0.0));

    let count = async |filter: Filter| lake.hosts(&filter).await.expect("read").len();
    let product = |name: &str| Some(name.to_owned());
    assert_eq!(
        count(Filter {
            product: product("ollama"),
            ..Filter::default()
        })
        .await,
        2
    );
    assert_eq!(
        count(Filter {
            product: product("vllm"),
            ..Filter::default()
        })
        .await,
        0
    );
    assert_eq!(
        count(Filter {
            since: Some(at(6)),
            ..Filter::default()
        })
        .await,
        1
    );
    assert_eq!(
        count(Filter {
            until: Some(at(5)),
            ..Filter::default()
        })
        .await,
        1
    );
    let here = Filter {
        address: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))),
        ..Filter::default()
    };
    assert_eq!(count(here).await, 1);
    // In the older observation the posture was unknown, which is not open.
    let then = Filter {
        posture: Some(Posture::Open),
        until: Some(at(1)),
        ..Filter::default()
    };
    assert_eq!(count(then).await, 0);

    let history = lake.history(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))).await.expect("read");
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].seen, at(day), "newest first");
    assert_eq!(history[1].exposure.posture, Known::unknown_because(Why::Refused, "reset"));
}

#[tokio::test]
async fn known_none_is_not_unknown() {
    let (_dir, lake) = lake().await;
    let mut none = observation([10, 0, 0, 1], 0, "0.1.0");
    none.exposure.models = Known::Known(Vec::new());
    none.exposure.capabilities = Known::Known(Vec::new());
    none.exposure.tools = Known::Known(Vec::new());
    let mut unknown = observation([10, 0, 0, 2], 0, "0.1.0");
    unknown.exposure.models = Known::unknown(Why::Hidden);
    unknown.exposure.running = Known::unknown(Why::TooOld);
    lake.append(&[none.clone(), unknown.clone()]).await.expect("appended");
    for expected in [none, unknown] {
        let read = lake.history(expected.endpoint.address).await.expect("read");
        assert_eq!(read, [expected]);
    }
}

#[tokio::test]
async fn a_count_that_is_too_large_is_unparsable_and_keeps_its_digits() {
    let (_dir, lake) = lake().await;
    let mut absurd = observation([10, 0, 0, 1], 0, "0.1.0");
    let mut model = Model::named("absurd", Why::NotAsked);
    model.size_bytes = Known::Known(u64::MAX);
    absurd.exposure.models = Known::Known(vec![model]);
    lake.append(&[absurd.clone()]).await.expect("appended");
    let read = lake.history(absurd.endpoint.address).await.expect("read");
    let models = read[0].exposure.models.known().expect("known");
    let Known::Unknown(unknown) = &models[0].size_bytes else {
        panic!("{:?}", models[0].size_bytes)
    };
    assert_eq!(unknown.why, Why::Unparsable);
    assert!(unknown.detail.as_deref().is_some_and(|d| d.contains("18446744073709551615")));
}

#[tokio::test]
async fn gathered_days_in_any_order_make_one_file_each() {
    let (dir, lake) = lake().await;
    let day = 86_400;
    // Every batch has every day.
    let batches: Vec<Vec<Observation>> = (0..4_u8)
        .map(|batch| {
            (0..60_i64)
                .map(|number| {
                    observation(
                        [10, 0, batch, (number % 3) as u8],
                        number * 37 % 60 * day + i64::from(batch),
                        "0.1.0",
                    )
                })
                .collect()
        })
        .collect();
    let of = async |lake: &Lake, table: Table| {
        let files = lake.files().await.expect("listed");
        files.into_iter().filter(|file| file.table == table).count()
    };
    let mut gathered = lake.gathering().expect("room");
    for (part, batch) in batches.iter().enumerate() {
        lake.gather(batch, part, &mut gathered).await.expect("gathered");
    }
    // Duplicates, and rows that another writer commits meanwhile.
    lake.gather(&batches[1][..10], 4, &mut gathered).await.expect("gathered");
    let other = Lake::open(dir.path()).await.expect("opened");
    other.append(&batches[2][..5]).await.expect("appended");
    assert_eq!(
        lake.hosts(&Filter::default()).await.expect("read").len(),
        3,
        "gathered rows are not visible yet"
    );
    let left = std::fs::read_dir(dir.path()).expect("listed").map(|entry| entry.expect("an entry"));
    assert!(
        left.map(|entry| entry.path()).all(|path| path.is_dir()),
        "after a kill only the tables are left"
    );

    let done = lake.commit_gathered(gathered).await.expect("committed");
    let counts: Vec<(usize, usize)> = done.values().map(|part| (part.observations, part.duplicates)).collect();
    assert_eq!(counts, [(60, 0), (60, 0), (55, 5), (60, 0), (0, 10)]);
    assert_eq!(of(&lake, Table::Observations).await, 60 + 5);
    assert_eq!(of(&lake, Table::States).await, 1);
    for address in 0..3 {
        let mut expected: Vec<&Observation> = batches
            .iter()
            .flatten()
            .filter(|one| one.endpoint.address == Ipv4Addr::new(10, 0, 2, address))
            .collect();
        expected.sort_by_key(|one| std::cmp::Reverse(one.seen));
        let read = lake.history(IpAddr::V4(Ipv4Addr::new(10, 0, 2, address))).await.expect("read");
        assert_eq!(read.iter().collect::<Vec<_>>(), expected);
    }

    // Importing everything again adds nothing.
    let mut again = lake.gathering().expect("room");
    for batch in &batches {
        lake.gather(batch, 0, &mut again).await.expect("gathered");
    }
    let done = lake.commit_gathered(again).await.expect("committed");
    assert_eq!((done[&0].observations, done[&0].duplicates), (0, 4 * 60));
    assert_eq!(of(&lake, Table::Observations).await, 60 + 5);
}

#[tokio::test]
async fn scans_are_kept_from_their_start() {
    let (_dir, lake) = lake().await;
    let mut scan = Scan {
        id: "scan-1".to_owned(),
        vigie: "0.1.0".to_owned(),
        seed: u64::MAX,
        scope: Known::unknown(Why::NotAsked),
        catalog: "sha256:00".to_owned(),
        advisories: Known::Known("2026-11-20".to_owned()),
        vantage: "loopback".to_owned(),
        targets: "sha256:01".to_owned(),
        ports: "11434,8080".to_owned(),
        shard: Some((2, 8)),
        started: at(0),
        finished: None,
        planned: Some(512),
        swept: None,
        open: None,
        observed: None,
        covers: Known::Known("11434,8080 at 127.0.0.0/29".to_owned()),
        missed: Known::Known(Vec::new()),
        watch: None,
    };
    lake.record_scan(&scan, at(0)).await.expect("kept");
    assert_eq!(lake.scans().await.expect("read"), [scan.clone()]);
    let interrupted = Scan {
        id: "scan-0".to_owned(),
        started: at(-60),
        covers: Known::unknown_because(Why::NotCarried, "the rest of another scan"),
        missed: Known::Known(vec!["127.0.0.1:8080".parse().expect("an address")]),
        watch: Some("0123456789abcdef".to_owned()),
        ..scan.clone()
    };
    lake.record_scan(&interrupted, at(-60)).await.expect("kept");
    scan.finished = Some(at(9));
    (scan.swept, scan.open, scan.observed) = (Some(512), Some(3), Some(0));
    lake.record_scan(&scan, at(9)).await.expect("kept");
    assert_eq!(lake.scans().await.expect("read"), [scan, interrupted]);
}

#[tokio::test]
async fn last_observations_at_two_instants_are_separate_by_source_and_vantage() {
    let (_dir, lake) = lake().await;
    let mut elsewhere = observation([10, 0, 0, 1], 15, "0.3.0");
    elsewhere.source.vantage = "elsewhere".to_owned();
    let mut import = observation([10, 0, 0, 1], 15, "0.3.0");
    import.source.kind = SourceKind::Import;
    import.source.name = "shodan".to_owned();
    let all = [
        observation([10, 0, 0, 1], 0, "0.1.0"),
        observation([10, 0, 0, 1], 10, "0.2.0"),
        observation([10, 0, 0, 1], 11, "0.3.0"),
        observation([10, 0, 0, 1], 20, "0.4.0"),
        observation([10, 0, 0, 1], 21, "0.5.0"),
        observation([10, 0, 0, 2], 5, "0.1.0"),
        elsewhere,
        import,
    ];
    // Two commits, the later observations first: the order on disk differs from the order in time.
    lake.append(&all[3..]).await.expect("appended");
    lake.append(&all[..3]).await.expect("appended");

    let last = lake.last_observations(at(10), at(20)).await.expect("read");
    let found: Vec<_> = last
        .iter()
        .map(|last| {
            let version = |look: &Option<vigie_lake::ObservedState>| look.as_ref().and_then(|look| look.version.known().cloned());
            let lineage = &last.lineage;
            let who = format!("{} {} {}", lineage.key.address, lineage.source, lineage.vantage);
            (who, version(&last.before), version(&last.after))
        })
        .collect();
    let some = |version: &str| Some(version.to_owned());
    assert_eq!(
        found,
        [
            ("10.0.0.1 vigie elsewhere".to_owned(), None, some("0.3.0")),
            ("10.0.0.1 vigie loopback".to_owned(), some("0.2.0"), some("0.4.0")),
            ("10.0.0.1 shodan loopback".to_owned(), None, some("0.3.0")),
            ("10.0.0.2 vigie loopback".to_owned(), some("0.1.0"), None),
        ]
    );

    // In full they equal the appended observations, except for the values that are not part of a state.
    let looks = &last[1];
    let (before, after) = (
        looks.before.as_ref().expect("an observation"),
        looks.after.as_ref().expect("an observation"),
    );
    let contents = lake.state_contents([before.state, after.state]).await.expect("read");
    let full = contents.observation(&looks.lineage, after).expect("the contents");
    assert_eq!(
        (full.seen, &full.identity, &full.endpoint),
        (at(20), &all[3].identity, &all[3].endpoint)
    );
    assert_eq!(full.exposure.models, all[3].exposure.models);
    assert_eq!(full.exposure.running, Known::unknown(Why::NotCarried), "unknown here, not none");
    assert_eq!(full.source.scan.as_deref(), Some("scan-1"));
    let none = lake.state_contents([]).await.expect("read");
    assert!(matches!(none.observation(&looks.lineage, after), Err(Error::Broken { .. })));
    assert!(lake.last_observations(at(-9), at(-5)).await.expect("read").is_empty());
}

#[tokio::test]
async fn tables_of_other_versions_are_written_and_read() {
    use deltalake_core::kernel::{DataType, StructField};
    use deltalake_core::operations::create::CreateBuilder;

    let dir = tempfile::tempdir().expect("a folder");
    let mut one = observation([10, 0, 0, 1], 0, "0.1.0");
    one.exposure.tools = Known::Known(vec![Tool {
        name: "shell".to_owned(),
        risks: vec![ToolRisk::CodeExecution],
    }]);
    // Like a table of an older version it lacks `risks`; like one of a newer version it has an additional column.
    CreateBuilder::new()
        .with_location(dir.path().join("tools").to_string_lossy())
        .with_columns([
            StructField::nullable("state", DataType::LONG),
            StructField::nullable("position", DataType::INTEGER),
            StructField::nullable("name", DataType::STRING),
            StructField::nullable("colour", DataType::STRING),
        ])
        .await
        .expect("created");
    let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
    lake.append(&[one.clone()]).await.expect("appended");
    assert_eq!(lake.history(one.endpoint.address).await.expect("read"), [one]);
}

/// The batch of a writer process: the addresses contain writer and batch; every batch has a state of its own, so that a kill
/// can happen between two tables.
fn batch(writer: u8, number: u16) -> Vec<Observation> {
    let [high, low] = number.to_be_bytes();
    (0..IN_BATCH)
        .map(|n| {
            let address = [writer, high, low, n];
            observation(address, i64::from(number) * 60, &format!("{writer}.{number}"))
        })
        .collect()
}

fn writer(dir: &Path, id: u8, first: u16, last: u16) -> Child {
    Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", "--ignored", "--nocapture", "writes_until_it_is_killed"])
        .env(WRITER, format!("{}|{id}|{first}|{last}", dir.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a writer process")
}

/// The batches that a writer acknowledged.
fn acknowledged(text: &str) -> Vec<u16> {
    text.lines()
        .filter_map(|line| line.split_once("ack ")?.1.strip_suffix('.')?.parse().ok())
        .collect()
}

#[test]
#[ignore = "a process of two_writers_lose_nothing and a_killed_writer_loses_nothing"]
fn writes_until_it_is_killed() {
    let Ok(order) = std::env::var(WRITER) else { return };
    let words: Vec<&str> = order.split('|').collect();
    let id: u8 = words[1].parse().expect("an id");
    let numbers = words[2].parse::<u16>().expect("a batch")..words[3].parse().expect("a batch");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let lake = Lake::open_or_create(words[0]).await.expect("a lake");
        for number in numbers {
            let mut observations = batch(id, number);
            // An observation and a state that both writers append.
            observations.push(observation([9, 9, 9, 9], i64::from(number), "shared"));
            lake.append(&observations).await.expect("appended");
            use std::io::Write as _;
            let mut out = std::io::stdout().lock();
            writeln!(out, "ack {number}.").and_then(|()| out.flush()).expect("printed");
        }
    });
}

#[tokio::test]
async fn two_writers_lose_nothing() {
    const BATCHES: u16 = 8;
    let dir = tempfile::tempdir().expect("a folder");
    let writers: Vec<(u8, Child)> = [1, 2].map(|id| (id, writer(dir.path(), id, 0, BATCHES))).into();
    for (id, child) in writers {
        let out = child.wait_with_output().expect("it ends");
        let acked = acknowledged(&String::from_utf8_lossy(&out.stdout));
        assert_eq!(acked, (0..BATCHES).collect::<Vec<_>>(), "writer {id}");
    }
    let lake = Lake::open(dir.path()).await.expect("a lake");
    let hosts = lake.hosts(&Filter::default()).await.expect("read");
    let seen: HashMap<IpAddr, u64> = hosts.iter().map(|host| (host.key.address, host.observations)).collect();
    let expected = 2 * usize::from(BATCHES) * usize::from(IN_BATCH) + 1;
    assert_eq!(seen.len(), expected);
    for (address, observations) in seen {
        // An observation that both appended is stored once.
        let shared = address == IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9));
        assert_eq!(observations, if shared { u64::from(BATCHES) } else { 1 }, "{address}");
    }
    let both = lake.history(IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9))).await.expect("read");
    for read in both {
        assert_eq!(read.exposure.models.known().map(Vec::len), Some(2), "stored once");
    }
}

#[tokio::test]
async fn a_killed_writer_loses_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let started = Instant::now();
    let mut acked: HashSet<u16> = HashSet::new();
    let (mut kills, mut next) = (0_u32, 0_u16);
    // How long a batch takes on this machine, so that kills happen during a batch.
    let mut takes = Duration::from_millis(50);
    // As many kills as the environment asks for; otherwise 8 to 40 within 20 seconds.
    let asked: Option<u32> = std::env::var("VIGIE_KILLS")
        .ok()
        .map(|text| text.parse().expect("a number of kills"));
    let go_on = |kills: u32| {
        asked.map_or(kills < 40 && (kills < 8 || started.elapsed() < Duration::from_secs(20)), |asked| {
            kills < asked
        })
    };
    while go_on(kills) {
        let mut child = writer(dir.path(), 1, next, u16::MAX);
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut text = String::new();
        // One in four may be killed before its first batch, even while it creates the lake.
        let wait_for = [2, 0, 1, 1][usize::try_from(kills % 4).expect("small")];
        let mut last = Instant::now();
        while acknowledged(&text).len() < wait_for && out.read_line(&mut text).expect("readable") > 0 {
            if acknowledged(&text).len() == 2 {
                takes = last.elapsed();
            }
            last = Instant::now();
        }
        std::thread::sleep(takes * (kills * 7 % 16) / 12);
        child.kill().expect("killed");
        out.read_to_string(&mut text).expect("readable");
        child.wait().expect("it ended");
        kills += 1;
        acked.extend(acknowledged(&text));
        // The batch in progress at the kill is not repeated; the next writer continues after it.
        next = acked.iter().max().map_or(next, |last| last + 1) + 1;
    }
    assert!(!acked.is_empty(), "no writer lived long enough to write");

    let lake = Lake::open(dir.path()).await.expect("a lake");
    let found: HashSet<IpAddr> = lake
        .hosts(&Filter::default())
        .await
        .expect("a lake that was written by killed writers can be read")
        .iter()
        .map(|host| host.key.address)
        .collect();
    let mut half = 0;
    for number in 0..next + 2 {
        let there = batch(1, number).iter().filter(|one| found.contains(&one.endpoint.address)).count();
        assert!(there == 0 || there == usize::from(IN_BATCH), "half of batch {number}");
        if acked.contains(&number) {
            assert_eq!(there, usize::from(IN_BATCH), "batch {number} was acknowledged");
        } else if there > 0 {
            half += 1;
        }
    }
    // A file of models without one of observations: the kill happened between the two tables.
    let files = lake.files().await.expect("listed");
    let count = |table| files.iter().filter(|file| file.table == table).count();
    let between = count(Table::Models).saturating_sub(count(Table::Observations));
    eprintln!(
        "{kills} kills, {between} of them between two tables; {} batches acknowledged, {half} written and not acknowledged",
        acked.len()
    );

    // Appending the same batches again completes them and stores nothing twice.
    for number in (next.saturating_sub(5))..next + 1 {
        lake.append(&batch(1, number)).await.expect("appended");
        let one = &batch(1, number)[0];
        let read = lake.history(one.endpoint.address).await.expect("read");
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].exposure, one.exposure, "batch {number}");
        assert_eq!(read[0].identity, one.identity, "batch {number}");
    }
}
