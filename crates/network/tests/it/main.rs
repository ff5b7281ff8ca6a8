//! Tests of the public interface: fixtures of every layout, the mapping, enriched records, hostile files, real data.

mod classes;
mod enrich;
mod hostile;
mod layouts;
mod live;

use std::net::IpAddr;
use std::path::PathBuf;

use vigie_network::{Database, Databases};

/// An address of TEST-NET-1 that is in every fixture.
const ONE: &str = "192.0.2.7";
/// An address of the AS112 project, which is looked up.
const AS112: &str = "192.31.196.1";

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn databases(names: &[&str]) -> Databases {
    let paths: Vec<PathBuf> = names.iter().map(|name| data(name)).collect();
    Databases::open(&paths).expect("fixtures that are read")
}

fn at(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn database(name: &str) -> Database {
    Database::open(&data(name)).expect("a fixture that is read")
}
