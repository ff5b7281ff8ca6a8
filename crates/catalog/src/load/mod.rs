//! Reads product files, checks them, and compiles them into a [`Catalog`].

mod check;
mod compile;
mod effects;
mod file;
mod parse;
mod requests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_saphyr::Location;
use vigie_model::sha256;

use crate::catalog::Catalog;
use crate::catalog::product::Signature;
use crate::condition::SigId;
use crate::rule::ProductFile;
pub use parse::MAX_FILE_BYTES;

/// A fault in a file, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

/// The files of a catalogue: names (`products/ollama.yaml`, `openings.yaml`, `markers.yaml`) and texts.
pub type Files = BTreeMap<String, String>;

impl Catalog {
    /// Reads, checks and compiles a catalogue.
    ///
    /// `floor` is a catalogue whose effects no file may lower: the embedded one, when a rule pack replaces it.
    ///
    /// # Errors
    ///
    /// All faults, each with file and line.
    pub fn load(files: &Files, floor: Option<&Catalog>) -> Result<Self, Vec<Diagnostic>> {
        let yaml: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Loader::default().load(&yaml, || hash_of(files), floor)
    }

    /// As [`Catalog::load`], for the files of this build, which build.rs converted to JSON. Their regular expressions are compiled on
    /// first use: the tests compile them all.
    pub(crate) fn load_built(built: &'static Built) -> Result<Self, Vec<Diagnostic>> {
        let loader = Loader {
            built: Some(built),
            ..Loader::default()
        };
        crate::pattern::compile_later(|| loader.load(built.files, || built.hash.to_owned(), None))
    }
}

/// The hash of a catalogue, over the names and texts of its files in order.
fn hash_of(files: &Files) -> String {
    let mut all = String::with_capacity(files.iter().map(|(name, text)| name.len() + text.len() + 2).sum());
    for (name, text) in files {
        all.push_str(name);
        all.push('\0');
        all.push_str(text);
        all.push('\0');
    }
    sha256(all.as_bytes())
}

/// A catalogue's files as a build carries them, made by build.rs.
pub(crate) struct Built {
    /// Names and JSON of the files, in the order of the names; products without their routes and what these take.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// The routes of each product, in the same order: one line each, `EFFECT ROUTE`.
    pub(crate) routes: &'static [&'static str],
    /// `reads` and `takes` of each product, in the same order, as JSON.
    pub(crate) readings: &'static [&'static str],
    /// The same routes by the first segments of their paths.
    pub(crate) shelves: crate::table::effects::Shelves,
    /// The hash of the YAML files, as [`Catalog::load`] computes it: they have megabytes, and each start would read them.
    pub(crate) hash: &'static str,
}

/// State of one load.
#[derive(Default)]
struct Loader {
    /// Set if the files are the JSON of this build.
    built: Option<&'static Built>,
    diagnostics: Vec<Diagnostic>,
    signatures: Vec<Signature>,
    sig_ids: HashMap<Signature, SigId>,
}

/// A parsed product file.
struct Parsed {
    file: String,
    rule: ProductFile,
}

impl Loader {
    /// Loads a catalogue from the texts of its files, YAML or the JSON that was made of it; `hash` is that of the YAML.
    fn load(mut self, texts: &[(&str, &str)], hash: impl FnOnce() -> String, floor: Option<&Catalog>) -> Result<Catalog, Vec<Diagnostic>> {
        let catalog = self
            .parse(texts)
            .and_then(|(probes, classifiers, products)| self.compile(hash, probes, classifiers, products, floor));
        match catalog {
            Some(catalog) if self.diagnostics.is_empty() => Ok(catalog),
            _ => {
                self.diagnostics
                    .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
                Err(self.diagnostics)
            }
        }
    }

    /// Adds a fault at a position.
    fn report(&mut self, file: &str, at: Location, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic {
            file: file.to_owned(),
            line: at.line(),
            column: at.column(),
            message: message.into(),
        });
    }

    /// Adds a fault of a whole file.
    fn report_file(&mut self, file: &str, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
        });
    }
}
