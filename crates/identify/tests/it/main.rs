//! Identification over the whole catalogue: fixtures, decoys, doors, prefixes, cost.

mod corpus;
mod decoys;
mod doors;
mod fuzz;
mod generated;
mod peers;
mod proof;
mod scale;
mod under;
mod values;

use std::path::{Path, PathBuf};

use vigie_identify::fixture::{Fixture, FixtureFiles};

/// The catalogue's folder in the source tree.
fn catalogue() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog")
}

/// Every fixture of the source tree.
fn fixtures() -> FixtureFiles {
    let mut all = FixtureFiles::new();
    let folders = |dir: &Path| {
        let mut all: Vec<PathBuf> = std::fs::read_dir(dir)
            .expect("the folder reads")
            .map(|entry| entry.expect("the entry reads").path())
            .filter(|path| path.is_dir())
            .collect();
        all.sort();
        all
    };
    let name = |path: &Path| path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    for product in folders(&catalogue().join("fixtures")) {
        for state in folders(&product) {
            let read = |file: &str| std::fs::read_to_string(state.join(file)).unwrap_or_else(|e| panic!("{}/{file}: {e}", state.display()));
            all.insert(
                format!("{}/{}", name(&product), name(&state)),
                (read("fixture.yaml"), read("exchanges.jsonl")),
            );
        }
    }
    all
}

/// The fixtures, read.
fn read_fixtures() -> Vec<Fixture> {
    fixtures()
        .iter()
        .map(|(name, (head, lines))| Fixture::read(name, head, lines).unwrap_or_else(|e| panic!("{e}")))
        .collect()
}
