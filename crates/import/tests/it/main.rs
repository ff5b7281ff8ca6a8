//! Other tools' files, as they are and broken, against the importer.

mod authors;
mod formats;
mod fuzz;
mod gateway_log;
mod hostile;
mod lists;
mod runs;
mod sightings;
mod stream;
mod torn;
mod unfinished;
mod unknowns;
mod variants;
mod word;
mod words;
mod wrong;
mod zips;

use std::path::PathBuf;

use vigie_identify::Identifier;
use vigie_import::{Bad, Format, Importer, Options};
use vigie_model::{Observation, Timestamp};

/// When the tests' imports are made.
const RECORDED: &str = "2026-11-22T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn options() -> Options {
    Options::new(Identifier::embedded(), at(RECORDED))
}

fn data(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

type Item = Result<Observation, Bad>;

fn import_with(bytes: &[u8], format: Option<Format>, options: Options) -> Vec<Item> {
    Importer::new(bytes, format, options)
        .unwrap_or_else(|error| panic!("{error}"))
        .collect()
}

/// Imports a file by its bytes alone, as from standard input.
fn import(name: &str) -> Vec<Item> {
    import_with(&data(name), None, options())
}

fn good(name: &str) -> Vec<Observation> {
    import(name)
        .into_iter()
        .map(|item| item.unwrap_or_else(|bad| panic!("{name}: {bad}")))
        .collect()
}

fn product(observation: &Observation) -> Option<&str> {
    observation.identity.product.known().map(String::as_str)
}

fn whole_address(observation: &Observation) -> String {
    observation.endpoint.to_string()
}
