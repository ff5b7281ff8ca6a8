//! Converts the catalogue's YAML at build time into a form that is fast to read at every start: JSON, with the routes, which are most of
//! it, kept apart and ordered by the first segments of their paths. What the routes take is kept apart too.
//!
//! A file that is not YAML becomes `null`, so that vigie still builds and `vigie catalog check` can report the fault.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn main() {
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../../catalog");
    let mut files = vec![root.join("openings.yaml"), root.join("markers.yaml")];
    files.extend(below(&root.join("products"), "yaml"));
    files.sort();
    let (mut texts, mut routes, mut readings) = (Vec::new(), Vec::new(), Vec::new());
    let mut shelves: BTreeMap<String, String> = BTreeMap::new();
    // As `hash_of` of the loader has it: a test holds them equal.
    let mut hashed = String::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let yaml_text = std::fs::read_to_string(&file).unwrap_or_default();
        for part in [name.as_str(), yaml_text.as_str()] {
            hashed.push_str(part);
            hashed.push('\0');
        }
        let mut value = yaml(&file);
        if name.starts_with("products/") {
            let of_product = value.as_object_mut().and_then(|file| file.remove("routes")).unwrap_or_default();
            let mut lines = String::new();
            for (effect, route) in each(&of_product) {
                let _ = writeln!(lines, "{effect} {route}");
                let route = route.split_whitespace().collect::<Vec<_>>().join(" ");
                let _ = writeln!(shelves.entry(shelf(&route)).or_default(), "{} {effect} {route}", routes.len());
            }
            routes.push(lines);
            let mut reading = serde_json::Map::new();
            for key in ["reads", "takes"] {
                if let Some(said) = value.as_object_mut().and_then(|file| file.remove(key)) {
                    reading.insert(key.to_owned(), said);
                }
            }
            readings.push(Value::Object(reading).to_string());
        }
        texts.push((name, value.to_string()));
    }
    let hash = vigie_model::sha256(hashed.as_bytes());
    // Debug writes Rust literals.
    let shelves: Vec<_> = shelves.into_iter().collect();
    write(
        "catalog.rs",
        &format!(
            "Built {{\n    files: &{texts:#?},\n    routes: &{routes:#?},\n    readings: &{readings:#?},\n    shelves: &{shelves:#?},\n    hash: {hash:?},\n}}\n"
        ),
    );
    let findings: Vec<(String, String)> = below(&root.join("findings"), "yaml")
        .iter()
        .map(|file| (name_of(file), yaml(file).to_string()))
        .collect();
    write("findings.rs", &format!("&{findings:#?}\n"));
    write("advisories.rs", &format!("&[\n{}]\n", advisories(&root.join("advisories"))));
}

/// The advisories: id, packages, text.
fn advisories(folder: &Path) -> String {
    let mut table = String::new();
    for file in below(folder, "json").iter().filter(|file| !file.ends_with("index.json")) {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let record: Value = serde_json::from_str(&text).unwrap_or_default();
        let affected = record["affected"].as_array().into_iter().flatten();
        let packages: Vec<&str> = affected
            .filter_map(|entry| {
                entry["package"]["name"]
                    .as_str()
                    .or(entry["database_specific"]["vigie"]["name"].as_str())
            })
            .collect();
        let name = name_of(file);
        let id = name.strip_suffix(".json").unwrap_or(&name);
        let _ = writeln!(table, "    ({id:?}, &{packages:?}, {text:?}),");
    }
    table
}

/// The files of a folder with that extension, in order; cargo rebuilds when they change.
fn below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) => {
            println!("cargo::error={}: {error}", folder.display());
            Vec::new()
        }
    };
    files.retain(|file| file.extension().is_some_and(|e| e == extension));
    files.sort();
    files
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file's YAML as JSON; `null` if it is not YAML.
fn yaml(file: &Path) -> Value {
    println!("cargo::rerun-if-changed={}", file.display());
    std::fs::read_to_string(file)
        .ok()
        .and_then(|text| serde_saphyr::from_str::<Value>(&text).ok())
        .unwrap_or_default()
}

fn write(name: &str, table: &str) {
    let out = PathBuf::from(variable("OUT_DIR")).join(name);
    if let Err(error) = std::fs::write(&out, table) {
        println!("cargo::error={}: {error}", out.display());
    }
}

/// The routes under a file's `routes`, with their effects.
fn each(routes: &Value) -> impl Iterator<Item = (&str, &str)> {
    let by_effect = routes.as_object().into_iter().flatten();
    by_effect.flat_map(|(effect, all)| {
        all.as_array()
            .into_iter()
            .flatten()
            .filter_map(move |route| Some((effect.as_str(), route.as_str()?)))
    })
}

/// The leading fixed segments of a route's path, at most three; `*` if there are none.
fn shelf(route: &str) -> String {
    let path = route.split_whitespace().nth(1).unwrap_or_default();
    let segments = path.split('/').skip(1);
    let fixed: Vec<&str> = segments
        .take_while(|segment| !(segment.starts_with('{') && segment.ends_with('}')))
        .take(3)
        .collect();
    if fixed.is_empty() { "*".to_owned() } else { fixed.join("/") }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
