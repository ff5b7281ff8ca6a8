//! The embedded catalogue.

use std::sync::{Arc, OnceLock};

use include_dir::{Dir, include_dir};

use crate::catalog::Catalog;
use crate::load::{Built, Files};

static PRODUCTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalog/products");
static ADVISORIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalog/advisories");
static FINDINGS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalog/findings");
static OPENINGS: &str = include_str!("../../../catalog/openings.yaml");
static MARKERS: &str = include_str!("../../../catalog/markers.yaml");
/// The catalogue's files as build.rs converted them, faster to parse than YAML.
static BUILT: Built = include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

impl Catalog {
    /// The embedded catalogue; `None` if it does not load, which its tests report.
    #[must_use]
    pub fn embedded_if_sound() -> Option<Arc<Self>> {
        Self::load_built(&BUILT).ok().map(Arc::new)
    }

    /// The embedded catalogue, compiled once.
    ///
    /// # Panics
    ///
    /// Never in a build that passed its tests, which load the same files.
    #[must_use]
    pub fn embedded() -> Arc<Self> {
        static COMPILED: OnceLock<Arc<Catalog>> = OnceLock::new();
        Arc::clone(COMPILED.get_or_init(|| match Catalog::load_built(&BUILT) {
            Ok(catalog) => Arc::new(catalog),
            Err(diagnostics) => {
                let all: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
                panic!("the embedded catalogue does not load:\n{}", all.join("\n"))
            }
        }))
    }
}

/// The files of the embedded catalogue.
#[must_use]
pub fn embedded_files() -> Files {
    let mut files = texts(&PRODUCTS, "products/", "yaml");
    files.insert("openings.yaml".to_owned(), OPENINGS.to_owned());
    files.insert("markers.yaml".to_owned(), MARKERS.to_owned());
    files
}

/// The embedded advisories: file name and OSV text.
#[must_use]
pub fn embedded_advisories() -> Files {
    texts(&ADVISORIES, "", "json")
}

/// The embedded texts of the findings: file name and YAML text.
#[must_use]
pub fn embedded_findings() -> Files {
    texts(&FINDINGS, "", "yaml")
}

/// The embedded advisories, in the order of their ids: the id, the packages that it lists, and its OSV text.
pub static CARRIED_ADVISORIES: &[(&str, &[&str], &str)] = include!(concat!(env!("OUT_DIR"), "/advisories.rs"));

/// The embedded texts of the findings as JSON: file name and text.
pub static CARRIED_FINDINGS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/findings.rs"));

/// The text of the embedded `advisories/index.json`.
pub static ADVISORY_INDEX: &str = include_str!("../../../catalog/advisories/index.json");

fn texts(dir: &Dir<'_>, prefix: &str, extension: &str) -> Files {
    dir.files()
        .filter(|file| file.path().extension().is_some_and(|e| e == extension))
        .filter_map(|file| Some((format!("{prefix}{}", file.path().to_str()?), file.contents_utf8()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::BUILT;

    #[test]
    fn what_routes_take_reads() {
        for (reading, (name, _)) in BUILT
            .readings
            .iter()
            .zip(BUILT.files.iter().filter(|(name, _)| name.starts_with("products/")))
        {
            let read = serde_json::from_str::<crate::table::Reading>(reading);
            assert!(read.is_ok(), "{name}: {read:?}");
        }
        assert_eq!(BUILT.readings.len(), BUILT.routes.len());
    }
}
