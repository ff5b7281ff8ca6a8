//! Schemas only grow: lakes of earlier versions stay readable, and earlier versions find all their columns in a new lake.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deltalake_core::kernel::{DataType, StructField};
use deltalake_core::{DeltaTable, open_table};
use vigie_lake::{Filter, Lake, Table};
use vigie_model::*;

use common::observation;

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copied(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The lakes of `tests/lakes`, each with the observations that its writer printed.
fn earlier() -> Vec<(PathBuf, Vec<Observation>)> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lakes");
    let mut lakes = Vec::new();
    for entry in std::fs::read_dir(all).expect("listed") {
        let dir = entry.expect("an entry").path();
        if dir.is_dir() {
            let text = std::fs::read_to_string(dir.join("observations.jsonl")).expect("its lines");
            let observations = text.lines().map(|line| {
                let mut one: Observation = serde_json::from_str(line).expect("a record");
                // Computed when read, not stored.
                one.advisories = [].into();
                one.findings = Vec::new().into();
                one
            });
            lakes.push((dir.join("lake"), observations.collect()));
        }
    }
    assert!(!lakes.is_empty());
    lakes
}

async fn opened(lake: &Path, table: Table) -> Option<DeltaTable> {
    let folder = lake.join(table.name());
    let url = deltalake_core::ensure_table_uri(folder.to_string_lossy()).expect("a URL");
    if folder.join("_delta_log").is_dir() {
        open_table(url).await.ok()
    } else {
        None
    }
}

fn columns(table: &DeltaTable) -> Vec<(String, DataType)> {
    let schema = table.snapshot().expect("loaded").schema();
    schema
        .fields()
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect()
}

async fn holds(lake: &Lake, observations: &[Observation]) {
    for one in observations {
        let read = lake.history(one.endpoint.address).await.expect("read");
        assert!(read.contains(one), "{}: {read:?}", one.endpoint.address);
    }
}

#[tokio::test]
async fn a_lake_of_an_earlier_version_is_readable_and_writable() {
    for (lake, observations) in earlier() {
        let dir = tempfile::tempdir().expect("a folder");
        copied(&lake, dir.path());
        let lake = Lake::open(dir.path()).await.expect("a lake");
        holds(&lake, &observations).await;
        assert!(lake.scans().await.expect("read").iter().all(|scan| !scan.covers.is_known()));

        // Known observations are duplicates; a new one is added.
        assert_eq!(lake.append(&observations).await.expect("appended").observations, 0);
        let mut new = observation([192, 0, 2, 7], 5, "0.9.0");
        new.network.city = Known::Known("Neuss".to_owned());
        assert_eq!(lake.append(std::slice::from_ref(&new)).await.expect("appended").observations, 1);
        holds(&lake, &observations).await;
        holds(&lake, &[new]).await;
        let hosts = lake.hosts(&Filter::default()).await.expect("read");
        assert_eq!(hosts.len(), observations.len() + 1);
    }
}

/// A reader asks for columns by name and type: an earlier version asks for the columns that it wrote.
#[tokio::test]
async fn an_earlier_version_finds_every_column_it_knows() {
    for (lake, observations) in earlier() {
        let (dir, new) = common::lake().await;
        // The same observations make the same tables; states have the same ids in both versions.
        new.append(&observations).await.expect("appended");
        let mut compared = 0;
        for table in Table::ALL {
            let (Some(old), Some(new)) = (opened(&lake, table).await, opened(dir.path(), table).await) else {
                continue;
            };
            compared += 1;
            let new: BTreeMap<String, DataType> = columns(&new).into_iter().collect();
            for (name, kind) in columns(&old) {
                assert_eq!(new.get(&name), Some(&kind), "{} {name}", table.name());
            }
        }
        assert!(compared >= 4, "{compared} tables");
    }
}

/// A table of a later version has columns that this version does not know: it ignores them when reading and leaves them NULL when writing.
#[tokio::test]
async fn a_lake_of_a_later_version_is_readable_and_writable() {
    let (first, second) = (observation([192, 0, 2, 7], 5, "0.9.0"), observation([192, 0, 2, 8], 6, "0.9.1"));
    let (dir, lake) = common::lake().await;
    lake.append(std::slice::from_ref(&first)).await.expect("appended");
    drop(lake);
    for table in Table::ALL {
        if let Some(delta) = opened(dir.path(), table).await {
            let later = StructField::nullable("colour", DataType::STRING);
            delta.add_columns().with_fields([later]).await.expect("grown");
        }
    }
    let lake = Lake::open(dir.path()).await.expect("a lake");
    holds(&lake, std::slice::from_ref(&first)).await;
    lake.append(std::slice::from_ref(&second)).await.expect("appended");
    holds(&lake, &[first, second]).await;
    let observations = opened(dir.path(), Table::Observations).await.expect("the table");
    assert!(
        columns(&observations).iter().any(|(name, _)| name == "colour"),
        "the later version's column stays"
    );
}
