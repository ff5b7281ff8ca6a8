//! Enriched records.

use vigie_model::{Known, Network, Why};
use vigie_network::{Classes, Databases, Enricher};

use crate::{AS112, at, database, databases};

fn enriched(names: &[&str], address: &str, mut network: Network) -> Network {
    Enricher::new(databases(names), Classes::embedded().clone()).enrich(at(address), &mut network);
    network
}

fn known(text: &str) -> Known<String> {
    Known::Known(text.to_owned())
}

#[test]
fn unknown_values_are_filled_in() {
    let network = enriched(&["nested-city.mmdb", "asn.mmdb"], AS112, Network::unknown(Why::NotAsked));
    assert_eq!(
        network,
        Network {
            country: known("DE"),
            city: known("Neuss"),
            asn: Known::Known(64_496),
            organisation: known("Example University"),
            class: known("education"),
            tier: known("academic"),
        }
    );
    let text = serde_json::to_string(&network).expect("written");
    assert_eq!(serde_json::from_str::<Network>(&text).expect("read"), network);
}

#[test]
fn values_from_a_source_stay() {
    let mut source = Network::unknown(Why::NotCarried);
    source.country = known("CH");
    source.asn = Known::Known(64_510);
    let network = enriched(&["nested-city.mmdb", "asn.mmdb"], AS112, source.clone());
    assert_eq!(network.country, known("CH"));
    assert_eq!(network.asn, Known::Known(64_510));
    // Neuss is not in CH, and the name in the file belongs to another AS.
    assert_eq!(network.city.why(), Some(Why::NotCarried));
    assert_eq!(network.organisation.why(), Some(Why::NotCarried));
    assert_eq!(network.class, known("unattributed"));

    // The class follows from the AS of the source, without any file.
    source.asn = Known::Known(24_940);
    let network = enriched(&[], AS112, source.clone());
    assert_eq!((network.class, network.tier), (known("hosting"), known("cloud-vps")));
    source.class = known("its own word");
    let network = enriched(&[], AS112, source);
    assert_eq!((network.class, network.tier), (known("its own word"), known("cloud-vps")));
}

#[test]
fn unattributed_is_not_unknown() {
    // An AS without an entry.
    let mut source = Network::unknown(Why::NotAsked);
    source.asn = Known::Known(64_511);
    let network = enriched(&["nested-city.mmdb"], AS112, source);
    assert_eq!((network.class, network.tier), (known("unattributed"), known("unattributed")));
    // A name that matches contradicting patterns.
    let network = enriched(&["asn.mmdb"], "2620:4f:8000::1", Network::unknown(Why::NotAsked));
    assert_eq!(network.organisation, known("Example Telecom University"));
    assert_eq!((network.class, network.tier), (known("unattributed"), known("unattributed")));
    // No AS: the file does not hold the address.
    let network = enriched(&["asn.mmdb"], "9.9.9.9", Network::unknown(Why::NotAsked));
    assert_eq!(
        network.asn,
        Known::unknown_because(Why::NotCarried, "not in asn.mmdb, built 2026-09-21")
    );
    assert_eq!(
        network.class,
        Known::unknown_because(Why::NotCarried, "no autonomous system is known")
    );
    // No file has the field, so nothing was asked.
    assert_eq!(network.country, Known::unknown(Why::NotAsked));
    let network = enriched(&["nested-city.mmdb"], "9.9.9.9", Network::unknown(Why::NotAsked));
    assert_eq!(network.class, Known::unknown(Why::NotAsked));
}

#[test]
fn special_purpose_addresses_are_not_looked_up() {
    // 192.0.2.0/24 is in the file.
    for address in [
        "192.0.2.1",
        "127.0.0.1",
        "10.1.2.3",
        "::1",
        "fe80::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
    ] {
        let network = enriched(&["nested-city.mmdb", "asn.mmdb"], address, Network::unknown(Why::NotAsked));
        for part in [
            &network.country,
            &network.city,
            &network.organisation,
            &network.class,
            &network.tier,
        ] {
            assert_eq!(part.why(), Some(Why::NotCarried), "{address}");
        }
        assert_eq!(network.asn.why(), Some(Why::NotCarried), "{address}");
    }
    let network = enriched(&[], "192.0.2.1", Network::unknown(Why::NotAsked));
    assert_eq!(
        network.country,
        Known::unknown_because(Why::NotCarried, "documentation (RFC 5737): not an address of the public Internet")
    );
}

#[test]
fn the_type_in_the_database_counts_and_an_as_may_change_its_name() {
    let network = enriched(&["ipinfo-core.mmdb"], AS112, Network::unknown(Why::NotAsked));
    assert_eq!((network.class, network.tier), (known("hosting"), known("cloud-vps")));

    // The cached class of an AS depends on its name.
    let enricher = Enricher::new(Databases::default(), Classes::embedded().clone());
    for (name, class) in [
        ("Example University", "education"),
        ("Example Works", "unattributed"),
        ("Example University", "education"),
    ] {
        let mut network = Network::unknown(Why::NotAsked);
        network.asn = Known::Known(64_496);
        network.organisation = known(name);
        enricher.enrich(at(AS112), &mut network);
        assert_eq!(network.class, known(class), "{name}");
    }
}

#[test]
fn an_enricher_is_shared_among_threads() {
    let enricher = Enricher::new(Databases::of(vec![database("asn.mmdb")]), Classes::embedded().clone());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let mut network = Network::unknown(Why::NotAsked);
                    enricher.enrich(at(AS112), &mut network);
                    assert_eq!(network.class, known("education"));
                }
            });
        }
    });
}
