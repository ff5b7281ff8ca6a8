//! Parses the files of a catalogue.

use serde::de::DeserializeOwned;
use serde_saphyr::Location;

use super::{Loader, Parsed};
use crate::classifiers::TextClassifiers;
use crate::rule::{GenericProbesFile, ProductFile, TextClassifiersFile};

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// Deepest nesting of a file.
const MAX_DEPTH: usize = 24;

/// Most YAML nodes in a file.
const MAX_NODES: usize = 20_000;

/// Most product files in a catalogue.
const MAX_PRODUCTS: usize = 5_000;

impl Loader {
    /// Parses all files: generic probes, text classifiers, products.
    pub(super) fn parse(&mut self, files: &[(&str, &str)]) -> Option<(GenericProbesFile, TextClassifiers, Vec<Parsed>)> {
        let text_of = |wanted: &str| files.iter().find(|(name, _)| *name == wanted).map(|(_, text)| *text);
        let probes = text_of("openings.yaml").and_then(|text| self.read::<GenericProbesFile>("openings.yaml", text));
        let classifiers = text_of("markers.yaml").and_then(|text| self.read::<TextClassifiersFile>("markers.yaml", text));
        for name in ["openings.yaml", "markers.yaml"] {
            if text_of(name).is_none() {
                self.report_file(
                    name,
                    "file is missing: a catalogue has openings.yaml, markers.yaml and products/*.yaml",
                );
            }
        }
        if let Some(file) = &probes
            && file.schema != "vigie.openings/1"
        {
            self.report_file(
                "openings.yaml",
                format!("schema is {:?}; this vigie reads \"vigie.openings/1\"", file.schema),
            );
        }
        if let Some(file) = &classifiers
            && file.schema != "vigie.markers/1"
        {
            self.report_file(
                "markers.yaml",
                format!("schema is {:?}; this vigie reads \"vigie.markers/1\"", file.schema),
            );
        }
        let classifiers = classifiers.and_then(|file| match TextClassifiers::compile(&file) {
            Ok(classifiers) => Some(classifiers),
            Err(message) => {
                self.report_file("markers.yaml", message);
                None
            }
        });
        let mut products = Vec::new();
        for (file, text) in files.iter().filter(|(name, _)| name.starts_with("products/")) {
            if products.len() >= MAX_PRODUCTS {
                self.report_file(file, format!("a catalogue has at most {MAX_PRODUCTS} products"));
                break;
            }
            if let Some(rule) = self.read::<ProductFile>(file, text) {
                products.push(Parsed {
                    file: (*file).to_owned(),
                    rule,
                });
            }
        }
        Some((probes?, classifiers?, products))
    }

    /// Parses one file.
    fn read<T: DeserializeOwned>(&mut self, file: &str, text: &str) -> Option<T> {
        if self.built.is_some() {
            return match serde_json::from_str(text) {
                Ok(value) => Some(value),
                Err(error) => {
                    self.report_file(file, error.to_string());
                    None
                }
            };
        }
        if text.len() > MAX_FILE_BYTES {
            self.report_file(file, format!("file has {} bytes; at most {MAX_FILE_BYTES} are allowed", text.len()));
            return None;
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
            with_snippet: false,
        };
        match serde_saphyr::from_str_with_options::<T>(text, options) {
            Ok(value) => Some(value),
            Err(error) => {
                let at = error.location().unwrap_or(Location::UNKNOWN);
                let message = error.to_string();
                // The library adds "at line …, column …", which the diagnostic has already.
                let message = message.split(" at line ").next().unwrap_or(&message).trim().to_owned();
                self.report(file, at, message);
                None
            }
        }
    }
}
