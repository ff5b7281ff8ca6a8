//! Tests with real databases, which are not in this repository because of their licences.
//!
//! `VIGIE_LIVE_MMDB` names a folder; every `*.mmdb` in it is opened, below it too. `VIGIE_LIVE_ASN` names a list of AS numbers and
//! names (`asn-ipv4.csv` of ip-location-db, or the like: first, last, number, name). README.md beside the fixtures says where to
//! get them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use vigie_model::{Network, Why};
use vigie_network::{Classes, Database, DatabaseField, Databases, Enricher, Error};

fn folder(variable: &str, what: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: {variable} names no {what}");
    }
    path
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry.extension().is_some_and(|ext| ext == "mmdb") {
            found.push(entry);
        }
    }
}

#[test]
fn real_databases_are_read() {
    let Some(folder) = folder("VIGIE_LIVE_MMDB", "folder with MMDB files") else {
        return;
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no MMDB file in {}", folder.display());
    let mut opened = 0;
    for path in paths {
        match Database::open(&path) {
            Ok(database) => {
                opened += 1;
                eprintln!("read: {database}");
                let country = database.fields().contains(&DatabaseField::Country);
                let databases = Databases::of(vec![database]);
                let mut found = 0;
                // Addresses spread over the address space, the same on every run.
                for n in 0..200_000_u32 {
                    let place = databases.locate(IpAddr::V4(Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761))));
                    assert!(place.broken.is_none(), "{}", path.display());
                    found += u32::from(place.country.is_some() || place.asn.is_some());
                }
                // A whole database, unlike a sample, covers most of the address space.
                let whole = path.metadata().expect("a size").len() > 1_000_000;
                let ipv6_alone = path.to_string_lossy().contains("ipv6");
                assert!(!(whole && country && !ipv6_alone) || found > 100_000, "{}: {found}", path.display());
            }
            Err(error @ Error::Layout { .. }) => eprintln!("not known: {error}"),
            Err(error) => eprintln!("refused: {error}"),
        }
    }
    assert!(opened > 0, "none was read");
}

#[test]
fn the_embedded_numbers_are_registered_under_their_names() {
    let Some(list) = folder("VIGIE_LIVE_ASN", "list of AS numbers and names") else {
        return;
    };
    let mut names: HashMap<u32, Vec<String>> = HashMap::new();
    let mut addresses: HashMap<u32, u64> = HashMap::new();
    for file in [list.clone(), PathBuf::from(list.to_string_lossy().replace("ipv4", "ipv6"))] {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(file).expect("a list");
        for row in reader.records().map(|row| row.expect("a row")) {
            let (number, name) = (row[2].parse().expect("a number"), row[3].to_owned());
            if let (Ok(first), Ok(last)) = (row[0].parse::<Ipv4Addr>(), row[1].parse::<Ipv4Addr>()) {
                *addresses.entry(number).or_default() += u64::from(last.to_bits() - first.to_bits()) + 1;
            }
            let known = names.entry(number).or_default();
            if !known.contains(&name) {
                known.push(name);
            }
        }
    }
    let mut wrong = Vec::new();
    for (number, name) in Classes::embedded().listed() {
        if !names.get(&number).is_some_and(|known| known.iter().any(|known| known == name)) {
            wrong.push(format!("AS {number}: {name:?}, registered as {:?}", names.get(&number)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The share of the list that the mapping attributes: a figure for the documentation, with a lower bound.
    let enricher = Enricher::new(Databases::default(), Classes::embedded().clone());
    let mut classes: HashMap<(String, String), (usize, u64)> = HashMap::new();
    for (number, name) in &names {
        let mut network = Network::unknown(Why::NotAsked);
        network.asn = vigie_model::Known::Known(*number);
        network.organisation = vigie_model::Known::Known(name[0].clone());
        enricher.enrich(crate::at(crate::AS112), &mut network);
        let pair = (network.class.into_known(), network.tier.into_known());
        let counted = classes.entry((pair.0.expect("a class"), pair.1.expect("a tier"))).or_default();
        counted.0 += 1;
        counted.1 += addresses.get(number).copied().unwrap_or_default();
    }
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_by_key(|(_, (_, addresses))| std::cmp::Reverse(*addresses));
    let all: u64 = addresses.values().sum();
    let mut open = 0;
    for ((class, tier), (systems, addresses)) in classes {
        eprintln!(
            "{class} / {tier}: {systems} systems, {:.1} % of IPv4 addresses",
            addresses as f64 * 100.0 / all as f64
        );
        open += if class == "unattributed" { addresses } else { 0 };
    }
    assert!(open * 2 < all, "more than half of the addresses are unattributed");
}
