//! Every value of an observation is read back from the disk unchanged.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use chrono::DateTime;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use vigie_model::*;

use crate::batch::Batch;
use crate::prepared::{ContentIds, Prepared};
use crate::write::OF_A_STATE;
use crate::{Committed, Filter, Lake, Table};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9.:-]{0,10}", "\\PC{0,8}", Just("a,b\"c\n\\".to_owned())]
}

fn known<T: Clone + std::fmt::Debug + 'static>(value: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Known<T>> {
    let why = select(Why::ALL.to_vec());
    prop_oneof![
        value.prop_map(Known::Known),
        (why, option::of(text())).prop_map(|(why, detail)| Known::Unknown(Unknown { why, detail })),
    ]
    .boxed()
}

/// To the microsecond, as in the tables; before 1970 too.
fn time() -> impl Strategy<Value = Timestamp> {
    (-1_000_000_000_000_000_i64..4_000_000_000_000_000).prop_map(|micros| DateTime::from_timestamp_micros(micros).expect("a time in range"))
}

/// Two days, so that some observations share a file and some do not.
fn seen() -> impl Strategy<Value = Timestamp> {
    (0_i64..172_800_000_000).prop_map(|micros| DateTime::from_timestamp_micros(1_795_000_000_000_000 + micros).expect("a time in range"))
}

/// Few, so that hosts have a history.
fn address() -> impl Strategy<Value = IpAddr> {
    select(
        ["127.0.0.1", "10.0.0.2", "2001:db8::1", "fe80::1", "::ffff:10.0.0.2"]
            .map(|text| text.parse::<IpAddr>().expect("an address"))
            .to_vec(),
    )
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..=u64::try_from(i64::MAX).expect("fits"), 0..100_u64]
}

fn capabilities() -> impl Strategy<Value = Vec<Capability>> {
    vec(text().prop_map(|word| Capability::new(&word)), 0..4)
}

fn print() -> impl Strategy<Value = TextPrint> {
    let class = select(vec![
        PromptClass::Empty,
        PromptClass::Default,
        PromptClass::Custom,
        PromptClass::Uncensored,
    ]);
    (text(), count(), class, option::of(text())).prop_map(|(sha256, characters, class, text)| TextPrint {
        sha256,
        characters,
        class,
        text,
    })
}

fn model() -> impl Strategy<Value = Model> {
    (
        (text(), known(text()), known(text()), known(text()), known(text()), known(text())),
        (known(count()), known(count()), known(capabilities()), capabilities()),
        (known(any::<bool>()), known(text()), known(any::<bool>()), known(time())),
        (known(print()), known(print()), known(any::<bool>()), known(any::<bool>())),
    )
        .prop_map(|(a, b, c, d)| Model {
            name: a.0,
            digest: a.1,
            family: a.2,
            parameters: a.3,
            quantisation: a.4,
            format: a.5,
            size_bytes: b.0,
            context_length: b.1,
            capabilities: b.2,
            capabilities_untold: b.3,
            remote: c.0,
            remote_host: c.1,
            loaded: c.2,
            modified: c.3,
            template: d.0,
            system_prompt: d.1,
            uncensored_by_name: d.2,
            uncensored_by_prompt: d.3,
        })
}

fn running() -> impl Strategy<Value = RunningModel> {
    (text(), known(count()), known(count()), known(count()), known(time())).prop_map(
        |(name, size_bytes, vram_bytes, context_length, expires)| RunningModel {
            name,
            size_bytes,
            vram_bytes,
            context_length,
            expires,
        },
    )
}

fn exposure() -> impl Strategy<Value = Exposure> {
    let posture = select(vec![
        Posture::Open,
        Posture::Key,
        Posture::Login,
        Posture::Signup,
        Posture::FirstAdmin,
        Posture::Forbidden,
    ]);
    let reach = select(vec![Reach::Loopback, Reach::Private, Reach::Public]);
    let activity = select(vec![Activity::Active, Activity::Dormant]);
    let risks = vec(select(vec![ToolRisk::CodeExecution, ToolRisk::FileAccess, ToolRisk::Other]), 1..3);
    let tool = (text(), risks).prop_map(|(name, risks)| Tool { name, risks });
    let what = select(vec![LeakKind::Models, LeakKind::SystemPrompt, LeakKind::Metrics]);
    let leak = (what, text()).prop_map(|(what, request)| Leak { what, request });
    (
        (known(posture), option::of(text()), known(reach), known(activity)),
        (known(vec(model(), 0..4)), known(vec(running(), 0..3)), known(capabilities())),
        (known(vec(tool, 0..4)), vec(leak, 0..3), option::of(any::<bool>())),
        (option::of(0..9_000_u64), option::of(0..9_000_u64), option::of(0..9_000_u64)),
    )
        .prop_map(|(a, b, c, d)| Exposure {
            posture: a.0,
            posture_from: a.1,
            reach: a.2,
            activity: a.3,
            models: b.0,
            models_at_least: d.0,
            running: b.1,
            running_at_least: d.1,
            capabilities: b.2,
            tools: c.0,
            tools_at_least: d.2,
            leaks: c.1,
            inference_proved: c.2,
        })
}

fn identity() -> impl Strategy<Value = Identity> {
    let weight = select(vec![
        EvidenceWeight::Unique,
        EvidenceWeight::Strong,
        EvidenceWeight::Weak,
        EvidenceWeight::Contradicts,
    ]);
    let evidence = (text(), text(), weight, text(), text()).prop_map(|(product, rule, weight, request, seen)| Evidence {
        product,
        rule,
        weight,
        request,
        seen,
    });
    (
        known(text()),
        known(text()),
        known(text()),
        0.0..=1.0,
        vec(evidence, 0..4),
        vec(text(), 0..3),
    )
        .prop_map(|(product, version, instance, confidence, evidence, also)| Identity {
            product,
            version,
            instance,
            confidence,
            evidence: evidence.into(),
            also,
        })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let certificate = (
        (text(), text(), text(), vec(text(), 0..3)),
        (option::of(time()), option::of(time()), any::<bool>()),
    )
        .prop_map(|(a, b)| Certificate {
            sha256: a.0,
            subject: a.1,
            issuer: a.2,
            names: a.3,
            not_before: b.0,
            not_after: b.1,
            self_signed: b.2,
        });
    (
        address(),
        select(vec![80_u16, 11434, u16::MAX]),
        option::of(text()),
        option::of(select(vec!["/ollama", "/a/b%20c"])),
        known(any::<bool>()),
        option::of(certificate),
    )
        .prop_map(|(address, port, name, prefix, tls, certificate)| Endpoint {
            address,
            port,
            transport: Transport::Tcp,
            name,
            prefix: prefix.map(|prefix| prefix.to_owned().try_into().expect("a prefix")),
            tls,
            certificate,
        })
}

fn observation() -> impl Strategy<Value = Observation> {
    let kind = select(vec![SourceKind::Scan, SourceKind::Import, SourceKind::Fleet]);
    let source = (kind, text(), text(), text(), text(), option::of(text())).prop_map(|s| Source {
        kind: s.0,
        name: s.1,
        version: s.2,
        catalog: s.3,
        vantage: s.4,
        scan: s.5,
    });
    let listener =
        (vec(address(), 0..3), vec(address(), 0..3), known(text()), known(any::<u32>())).prop_map(|(bound, answers_on, process, pid)| {
            Listener {
                bound,
                answers_on,
                process,
                pid,
            }
        });
    let network = (
        (known(text()), known(text()), known(any::<u32>())),
        (known(text()), known(text()), known(text())),
    )
        .prop_map(|(a, b)| Network {
            country: a.0,
            city: a.1,
            asn: a.2,
            organisation: b.0,
            class: b.1,
            tier: b.2,
        });
    let tell = (text(), 0.0..=1.0, text()).prop_map(|(id, weight, seen)| Tell { id, weight, seen });
    let deception = (known(0.0..=1.0), vec(tell, 0..3)).prop_map(|(score, tells)| Deception { score, tells });
    (
        (seen(), time(), source, known(text())),
        (endpoint(), option::of(listener), identity(), exposure()),
        (network, deception),
    )
        .prop_map(|(a, b, c)| Observation {
            schema: SCHEMA.to_owned(),
            seen: a.0,
            recorded: a.1,
            source: a.2,
            scope: a.3,
            endpoint: b.0,
            listener: b.1,
            identity: b.2.into(),
            exposure: b.3.into(),
            network: c.0,
            deception: c.1,
            advisories: [].into(),
            findings: Vec::new().into(),
        })
}

#[test]
fn nothing_is_lost() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // Each case makes a lake of seven tables: few cases, many observations in each.
    let mut runner = TestRunner::new(Config {
        cases: 6,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    let batches = vec(vec(observation(), 1..16), 1..4);
    runner
        .run(&batches, |batches| {
            runtime.block_on(async {
                let dir = tempfile::tempdir().expect("a folder");
                let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
                let mut expected: BTreeMap<IpAddr, Vec<Observation>> = BTreeMap::new();
                let mut keys = HashSet::new();
                for batch in &batches {
                    let mut done = Committed::default();
                    for observation in batch {
                        let source = &observation.source;
                        let key = (
                            observation.seen,
                            observation.endpoint.key(),
                            (source.kind, source.name.clone(), source.vantage.clone()),
                        );
                        if keys.insert(key) {
                            done.observations += 1;
                            expected.entry(observation.endpoint.address).or_default().push(observation.clone());
                        } else {
                            done.duplicates += 1;
                        }
                    }
                    let committed = lake.append(batch).await.expect("appended");
                    prop_assert_eq!(committed.observations, done.observations);
                    prop_assert_eq!(committed.duplicates, done.duplicates);
                }
                for (address, mut observations) in expected {
                    let read = lake.history(address).await.expect("read");
                    observations.sort_by(|a, b| b.seen.cmp(&a.seen).then_with(|| a.endpoint.key().cmp(&b.endpoint.key())));
                    prop_assert_eq!(read, observations);
                }
                let hosts = lake.hosts(&Filter::default()).await.expect("read");
                let total: u64 = hosts.iter().map(|host| host.observations).sum();
                prop_assert_eq!(total, keys.len() as u64);
                Ok(())
            })
        })
        .expect("every observation comes back");
}

/// If a writer dies after any of its commits, readers see none of its rows, and the next writer stores nothing twice.
#[tokio::test]
async fn an_append_completes_what_a_killed_writer_left() {
    let tree = observation().new_tree(&mut TestRunner::deterministic()).expect("an observation");
    let mut one = tree.current();
    one.exposure.models = Known::Known(vec![Model::named("tiny", Why::NotAsked)]);
    one.exposure.tools = Known::Known(vec![Tool {
        name: "shell".to_owned(),
        risks: vec![ToolRisk::CodeExecution],
    }]);
    one.deception = Deception::from_tells(vec![Tell {
        id: "all-paths".to_owned(),
        weight: 0.5,
        seen: "200".to_owned(),
    }]);
    for commits in 0..=OF_A_STATE.len() {
        let dir = tempfile::tempdir().expect("a folder");
        let dead = Lake::open_or_create(dir.path()).await.expect("a lake");
        let prepared = Prepared::new(&one, ContentIds::of(&one).expect("described"));
        for (table, put) in OF_A_STATE.into_iter().take(commits) {
            let mut writer = dead.writer.lock().await;
            let stored = writer.put_contents(table, &[(prepared.ids.state, &prepared)], put).await;
            assert_eq!(stored.expect("stored"), 1);
        }
        drop(dead);

        let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
        assert!(lake.hosts(&Filter::default()).await.expect("read").is_empty());
        let files = lake.files().await.expect("listed").len();
        assert_eq!(files, commits);
        let done = lake.append(std::slice::from_ref(&one)).await.expect("appended");
        assert_eq!(done.observations, 1);
        assert_eq!(done.states, usize::from(commits < OF_A_STATE.len()));
        let read = lake.history(one.endpoint.address).await.expect("read");
        assert_eq!(read, [one.clone()], "after {commits} commits");
        let with_running = usize::from(one.exposure.running.known().is_some_and(|r| !r.is_empty()));
        let files = lake.files().await.expect("listed").len();
        assert_eq!(files, OF_A_STATE.len() + 1 + with_running, "nothing twice");
    }
}

/// A table of the first version has no columns for city, organisation and tier: they are read as not carried, and the first write adds them.
#[tokio::test]
async fn networks_of_the_first_version_stay_readable() {
    use deltalake_core::operations::create::CreateBuilder;
    use deltalake_core::writer::{DeltaWriter as _, RecordBatchWriter};

    let later = |name: &str| ["city", "organisation", "tier"].iter().any(|column| name.starts_with(column));
    let spec = Table::Observations.spec();
    let tree = observation().new_tree(&mut TestRunner::deterministic()).expect("an observation");
    let mut old = tree.current();
    old.network = Network {
        country: Known::Known("DE".to_owned()),
        city: Known::Known("Neuss".to_owned()),
        asn: Known::Known(64_500),
        organisation: Known::Known("Example Hosting".to_owned()),
        class: Known::Known("hosting".to_owned()),
        tier: Known::Known("cloud-vps".to_owned()),
    };
    let dir = tempfile::tempdir().expect("a folder");
    let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
    lake.append(std::slice::from_ref(&old)).await.expect("appended");
    drop(lake);

    // The observations once more, as the first version wrote them.
    let folder = dir.path().join(Table::Observations.name());
    std::fs::remove_dir_all(&folder).expect("removed");
    let fields: Vec<_> = spec.delta_fields().into_iter().filter(|field| !later(field.name())).collect();
    assert_eq!(fields.len() + 9, spec.columns.len());
    let mut table = CreateBuilder::new()
        .with_location(folder.to_string_lossy())
        .with_columns(fields)
        .with_partition_columns(spec.partition)
        .await
        .expect("created");
    let mut batch = Batch::new(Table::Observations.spec(), 1);
    Prepared::new(&old, ContentIds::of(&old).expect("described")).put_observation(&mut batch);
    let kept: Vec<usize> = (0..spec.columns.len()).filter(|at| !later(&spec.columns[*at].0)).collect();
    let batch = batch.finish().expect("built").expect("a row").project(&kept).expect("narrowed");
    let mut writer = RecordBatchWriter::for_table(&table).expect("a writer");
    writer.write(batch).await.expect("written");
    writer.flush_and_commit(&mut table).await.expect("committed");

    let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
    let mut new = old.clone();
    new.seen += chrono::TimeDelta::seconds(1);
    for later in [&mut old.network.city, &mut old.network.organisation, &mut old.network.tier] {
        *later = Known::unknown(Why::NotCarried);
    }
    let address = old.endpoint.address;
    assert_eq!(lake.history(address).await.expect("read"), [old.clone()]);
    assert_eq!(lake.hosts(&Filter::default()).await.expect("read")[0].network, old.network);
    lake.append(std::slice::from_ref(&new)).await.expect("appended");
    assert_eq!(lake.history(address).await.expect("read"), [new.clone(), old]);
    assert_eq!(lake.hosts(&Filter::default()).await.expect("read")[0].network, new.network);
}

/// Some observations of two days.
fn some(runner: &mut TestRunner) -> Vec<Observation> {
    let mut some: Vec<Observation> = Vec::new();
    while some.len() < 6 {
        let next = observation().new_tree(runner).expect("a value").current();
        if some.iter().all(|one| one.seen != next.seen) {
            some.push(next);
        }
    }
    some
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_an_error() {
    use crate::write::fault::{Fault, set};
    let mut runner = TestRunner::deterministic();
    let batch = some(&mut runner);
    for fault in [Fault::Refused, Fault::Panics] {
        for below in ["observations", "states", "observations/_delta_log", "states/_delta_log"] {
            let dir = tempfile::tempdir().expect("a folder");
            let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
            set(&dir.path().join(below), Some(fault));
            let error = lake.append(&batch).await.expect_err(below);
            assert!(
                matches!(&error, crate::Error::Disk { path, .. } if path.starts_with(dir.path())),
                "{error}"
            );
            // A second attempt fails too while the disk is faulty, although the first may have written everything.
            lake.append(&batch).await.expect_err(below);
            set(&dir.path().join(below), None);

            let done = lake.append(&batch).await.expect("the disk works again");
            assert_eq!(done.observations + done.duplicates, batch.len(), "{below}");
            let mut held = 0;
            for address in batch.iter().map(|one| one.endpoint.address).collect::<HashSet<IpAddr>>() {
                held += lake.history(address).await.expect("read").len();
            }
            assert_eq!(held, batch.len(), "{fault:?} {below}");
        }
    }
}

#[tokio::test]
async fn a_cancelled_sync_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let gone = dir.path().join("gone");
    assert!(crate::write::sync(vec![dir.path().to_owned()]).await.is_ok());
    assert!(matches!(crate::write::sync(vec![gone]).await, Err(crate::Error::Disk { .. })));
}

#[tokio::test]
async fn contents_removed_during_gathering_are_restored() {
    use deltalake_core::protocol::DeltaOperation;
    let mut runner = TestRunner::deterministic();
    let batch = some(&mut runner);
    let dir = tempfile::tempdir().expect("a folder");
    let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
    let mut gathered = lake.gathering().expect("room");
    lake.gather(&batch[..4], 0, &mut gathered).await.expect("gathered");
    // As a purge does with contents without an observation.
    for table in [Table::States, Table::Models, Table::Tools, Table::Evidence, Table::Running] {
        let Some(mut delta) = lake.location.load(table).await.expect("read") else {
            continue;
        };
        let removes = delta
            .snapshot()
            .expect("loaded")
            .log_data()
            .iter()
            .map(|file| file.remove_action(true))
            .collect();
        let operation = DeltaOperation::Delete { predicate: None };
        assert!(
            crate::write::committed(&lake.location, table, &mut delta, removes, &[], operation)
                .await
                .expect("committed")
        );
    }
    // The next call notices the removal before the commit.
    lake.gather(&batch[4..], 0, &mut gathered).await.expect("gathered");
    let done = lake.commit_gathered(gathered).await.expect("committed");
    assert_eq!(done[&0].observations, batch.len());
    for one in &batch {
        let read = lake.history(one.endpoint.address).await.expect("its contents are complete");
        assert!(
            read.iter().any(|read| read.seen == one.seen && read.exposure == one.exposure),
            "{one:?}"
        );
    }
}
