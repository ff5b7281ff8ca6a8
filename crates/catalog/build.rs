//! Turns the catalogue's YAML into JSON when vigie is built: YAML takes ten times as long to read, and every start would pay.
//!
//! A file that is no YAML becomes `null`, so that vigie still builds and `vigie catalog check` can say what is wrong.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../../catalog");
    let mut files = vec![root.join("openings.yaml"), root.join("markers.yaml")];
    let products = root.join("products");
    println!("cargo::rerun-if-changed={}", products.display());
    match std::fs::read_dir(&products) {
        Ok(entries) => files.extend(entries.filter_map(|entry| Some(entry.ok()?.path()))),
        Err(error) => println!("cargo::error={}: {error}", products.display()),
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let json = std::fs::read_to_string(&file)
            .ok()
            .and_then(|text| serde_saphyr::from_str::<serde_json::Value>(&text).ok())
            .unwrap_or_default();
        // Debug writes a Rust literal.
        let _ = writeln!(table, "    ({name:?}, {:?}),", json.to_string());
    }
    table.push_str("]\n");
    let out = PathBuf::from(variable("OUT_DIR")).join("catalog.rs");
    if let Err(error) = std::fs::write(&out, table) {
        println!("cargo::error={}: {error}", out.display());
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
