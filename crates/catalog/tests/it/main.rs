//! The rule language.

mod fuzz;
mod language;
mod table;

use vigie_catalog::{Files, embedded_files};

/// The embedded files with one product's file replaced or added.
fn with(id: &str, text: &str) -> Files {
    let mut files = embedded_files();
    files.insert(format!("products/{id}.yaml"), text.to_owned());
    files
}
