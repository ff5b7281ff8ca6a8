//! Broken and hostile files give an error or fewer values, never a panic or an endless loop.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use vigie_model::{Network, Why};
use vigie_network::{Classes, Database, Databases, Enricher};

use crate::{AS112, ONE, at, data};

const FILES: [&str; 6] = [
    "nested-city.mmdb",
    "asn.mmdb",
    "traits.mmdb",
    "flat-country-4.mmdb",
    "ipinfo-core.mmdb",
    "ipinfo-company.mmdb",
];

/// Opens a file and looks addresses up; the results do not matter.
fn use_it(bytes: Vec<u8>) {
    let begun = Instant::now();
    if let Ok(database) = Database::of_bytes(Path::new("hostile.mmdb"), bytes) {
        let text = database.to_string();
        assert!(!text.contains(char::is_control), "{text:?}");
        let enricher = Enricher::new(Databases::of(vec![database]), Classes::embedded().clone());
        for address in [ONE, AS112, "198.51.100.1", "2001:db8::1", "2620:4f:8000::1", "0.0.0.0", "ffff::"] {
            let _ = enricher.databases().locate(at(address));
            let mut network = Network::unknown(Why::NotAsked);
            enricher.enrich(at(address), &mut network);
        }
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "a file of a few bytes took {:?}",
        begun.elapsed()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_do_no_harm(
        file in 0..FILES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = std::fs::read(data(FILES[file])).expect("a fixture");
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        use_it(bytes);
    }

    #[test]
    fn cut_and_repeated_files_do_no_harm(file in 0..FILES.len(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), twice in any::<bool>()) {
        let whole = std::fs::read(data(FILES[file])).expect("a fixture");
        let (from, to) = (from.index(whole.len()), to.index(whole.len()));
        let mut bytes = whole[..from].to_vec();
        bytes.extend_from_slice(&whole[to..]);
        if twice {
            bytes.extend_from_slice(&whole[from.min(to)..]);
        }
        use_it(bytes);
    }
}

/// A tree in which every record points back to the root has as many paths as there are addresses.
#[test]
fn a_circular_tree_ends() {
    let whole = std::fs::read(data("asn.mmdb")).expect("a fixture");
    let data_starts = whole.windows(16).position(|window| window == [0; 16]).expect("the separator");
    for pattern in [[0, 0, 0], [0, 0, 1]] {
        let mut bytes = whole.clone();
        for at in 0..data_starts {
            bytes[at] = pattern[at % 3];
        }
        use_it(bytes);
    }
}
