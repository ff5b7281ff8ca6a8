//! Each room uses only the rooms that `crates/README.md` allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rows of the table, in order: a room, and the rooms that it may use.
type Rows = Vec<(String, BTreeSet<String>)>;

/// The rooms that a manifest names: those that the program needs, and those that only its tests need.
#[derive(Debug, Default)]
struct Uses {
    always: BTreeSet<String>,
    tests: BTreeSet<String>,
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The words between backticks.
fn code(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn rows(readme: &str) -> Rows {
    let cells = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').collect::<Vec<_>>());
    cells
        .map(|cells| match cells[..] {
            ["", room, what, uses, ""] => {
                assert!(what.trim().ends_with(['.', '*']), "{room}: a sentence says what it is");
                (code(room).next().expect("a name"), code(uses).collect())
            }
            _ => panic!("a row has three columns: {cells:?}"),
        })
        .collect()
}

/// A room's dependencies, in all tables of its manifest: for the build, for one system, of features.
fn uses(manifest: &str) -> Uses {
    fn rooms(table: Option<&toml::Value>) -> impl Iterator<Item = String> {
        let names = table.and_then(toml::Value::as_table).into_iter().flatten();
        names.filter_map(|(name, what)| {
            let package = what.get("package").and_then(toml::Value::as_str).unwrap_or(name);
            package.strip_prefix("vigie-").map(str::to_owned)
        })
    }
    let manifest: toml::Value = toml::from_str(manifest).expect("the manifest reads");
    let systems = manifest.get("target").and_then(toml::Value::as_table);
    let mut uses = Uses::default();
    for tables in systems.into_iter().flat_map(|systems| systems.values()).chain([&manifest]) {
        for name in ["dependencies", "build-dependencies"] {
            uses.always.extend(rooms(tables.get(name)));
        }
        uses.tests.extend(rooms(tables.get("dev-dependencies")));
    }
    uses
}

/// Uses that the table does not allow, and errors of the table.
fn faults(rows: &Rows, manifests: &BTreeMap<String, Uses>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut above = BTreeSet::new();
    for (room, allowed) in rows {
        for below in allowed.difference(&above) {
            faults.push(format!("{room}: its row names {below}, which is not a room above it"));
        }
        match manifests.get(room) {
            None => faults.push(format!("{room}: it has a row and no crate")),
            Some(uses) => {
                for other in uses.always.difference(allowed) {
                    faults.push(format!("{room}: it uses {other}, which its row does not allow"));
                }
                for other in uses.tests.iter().filter(|other| *other != "fleet" && !above.contains(*other)) {
                    faults.push(format!("{room}: its tests use {other}, which is not a room above it"));
                }
            }
        }
        if !above.insert(room.clone()) {
            faults.push(format!("{room}: it has two rows"));
        }
    }
    let missing = manifests.keys().filter(|room| !above.contains(*room));
    faults.extend(missing.map(|room| format!("{room}: it has no row in crates/README.md")));
    faults
}

#[test]
fn a_room_uses_only_what_its_row_allows() {
    let rows = rows(&std::fs::read_to_string(crates().join("README.md")).expect("the table reads"));
    let mut manifests = BTreeMap::new();
    for entry in std::fs::read_dir(crates()).expect("the folder reads") {
        let folder = entry.expect("the entry reads").path();
        if let Ok(manifest) = std::fs::read_to_string(folder.join("Cargo.toml")) {
            let room = folder.file_name().expect("a name").to_string_lossy().into_owned();
            manifests.insert(room, uses(&manifest));
        }
    }
    assert!(manifests.len() > 10, "{manifests:?}");
    assert_eq!(faults(&rows, &manifests), Vec::<String>::new());
    // CONTRIBUTING.md has the same order.
    let contributing = std::fs::read_to_string(crates().join("../CONTRIBUTING.md")).expect("the page reads");
    let order = rows.iter().map(|(room, _)| room.as_str()).collect::<Vec<_>>().join(", ");
    assert!(
        contributing.split_whitespace().collect::<Vec<_>>().join(" ").contains(&order),
        "CONTRIBUTING.md does not list the rooms in the table's order: {order}"
    );
}

#[test]
fn uses_that_are_not_allowed_are_found() {
    let table =
        "| room | what | may use |\n|---|---|---|\n| `a` | A. | – |\n| `b` | B. | `a` |\n| `c` | C. | `a` |\n| `fleet` | F. | `a` |\n";
    let of = |b: &str| {
        let manifest = |text: &str| uses(text);
        let manifests = [("a", ""), ("b", b), ("c", ""), ("fleet", "")];
        faults(
            &rows(table),
            &manifests.map(|(room, text)| (room.to_owned(), manifest(text))).into(),
        )
    };
    for allowed in [
        "",
        "[dependencies]\nvigie-a.workspace = true\nserde.workspace = true",
        "[dev-dependencies]\nvigie-fleet.workspace = true",
    ] {
        assert_eq!(of(allowed), Vec::<String>::new(), "{allowed}");
    }
    for refused in [
        "[dependencies]\nvigie-c.workspace = true",
        "[dependencies]\nvigie-c = { workspace = true, optional = true }",
        "[dependencies]\nx = { package = \"vigie-c\", path = \"../c\" }",
        "[dependencies.vigie-c]\nworkspace = true",
        "[build-dependencies]\nvigie-fleet.workspace = true",
        "[target.'cfg(unix)'.dependencies]\nvigie-c.workspace = true",
        "[dev-dependencies]\nvigie-c.workspace = true",
    ] {
        assert_eq!(of(refused).len(), 1, "{refused}");
    }
    let rows = rows("| `a` | A. | `b` |\n| `b` | B. | – |\n| `b` | B. | – |\n");
    let manifests = ["b", "c"].map(|room| (room.to_owned(), Uses::default()));
    assert_eq!(
        faults(&rows, &manifests.into()),
        [
            "a: its row names b, which is not a room above it",
            "a: it has a row and no crate",
            "b: it has two rows",
            "c: it has no row in crates/README.md",
        ]
    );
}
