//! Each layout, and several files.

use vigie_network::{DatabaseField, Error, Location};

use crate::{ONE, at, data, database, databases};

/// Country, city, AS number, organisation, and AS type.
type Plain<'p> = (Option<&'p str>, Option<&'p str>, Option<u32>, Option<&'p str>, Option<&'p str>);

fn plain<'p>(place: &Location<'p>) -> Plain<'p> {
    (
        place.country.map(|found| found.value),
        place.city.map(|found| found.value),
        place.asn.map(|found| found.value),
        place.organisation.map(|found| found.value),
        place.as_type.map(|found| found.value),
    )
}

#[test]
fn each_layout_is_read() {
    let cases: [(&str, Plain<'_>); 9] = [
        ("nested-city.mmdb", (Some("DE"), Some("Neuss"), None, None, None)),
        ("asn.mmdb", (None, None, Some(64_496), Some("Example University"), None)),
        ("traits.mmdb", (Some("DE"), None, Some(64_499), Some("Example Net"), None)),
        ("flat-country-4.mmdb", (Some("NL"), None, None, None, None)),
        ("flat-city.mmdb", (Some("NL"), Some("Utrecht"), None, None, None)),
        (
            "ipinfo-core.mmdb",
            (Some("FR"), Some("Lyon"), Some(64_500), Some("Example Networks"), Some("hosting")),
        ),
        (
            "ipinfo-country-asn.mmdb",
            (Some("JP"), None, Some(64_501), Some("Example Access"), None),
        ),
        // The registered address of an AS or a company is not the location of an address.
        ("ipinfo-asn.mmdb", (None, None, Some(64_502), Some("Example Mobile"), Some("isp"))),
        // The name and type of the company are not those of the AS.
        (
            "ipinfo-company.mmdb",
            (None, None, Some(64_503), Some("Example Carrier"), Some("isp")),
        ),
    ];
    for (name, expected) in cases {
        let databases = databases(&[name]);
        assert_eq!(plain(&databases.locate(at(ONE))), expected, "{name}");
        let fields = databases.files()[0].fields();
        let found = [
            (DatabaseField::Country, expected.0.is_some()),
            (DatabaseField::City, expected.1.is_some()),
            (DatabaseField::Asn, expected.2.is_some()),
            (DatabaseField::Organisation, expected.3.is_some()),
            (DatabaseField::AsType, expected.4.is_some()),
        ];
        for (field, found) in found {
            assert_eq!(fields.contains(&field), found, "{name} {field:?}");
        }
    }
}

#[test]
fn empty_values_are_none() {
    // A registered country alone.
    assert_eq!(
        plain(&databases(&["nested-city.mmdb"]).locate(at("198.51.100.1"))),
        (None, None, None, None, None)
    );
    // ZZ.
    assert_eq!(
        databases(&["flat-country-4.mmdb"])
            .locate(at("198.51.100.1"))
            .country
            .map(|c| c.value),
        None
    );
    // Empty texts are not values.
    let place = databases(&["ipinfo-core.mmdb"]);
    assert_eq!(plain(&place.locate(at("198.51.100.1"))), (Some("CN"), None, None, None, None));
    // A number without a name.
    let place = databases(&["asn.mmdb"]);
    assert_eq!(plain(&place.locate(at("198.51.100.1"))), (None, None, Some(64_497), None, None));
    // Not in the file.
    assert_eq!(plain(&place.locate(at("100.64.0.1"))), (None, None, None, None, None));
}

#[test]
fn both_families_are_looked_up() {
    let files = databases(&["asn.mmdb", "flat-country-4.mmdb"]);
    for address in ["192.0.2.1", "::ffff:192.0.2.1"] {
        let place = files.locate(at(address));
        assert_eq!(place.asn.map(|asn| asn.value), Some(64_496), "{address}");
        assert_eq!(place.country.map(|country| country.value), Some("NL"), "{address}");
    }
    // An IPv6 address is not in an IPv4 file, which is not an error.
    let place = files.locate(at("2001:db8::1"));
    assert_eq!(place.asn.map(|asn| asn.value), Some(64_496));
    assert!(place.country.is_none() && place.broken.is_none());
}

#[test]
fn the_first_file_with_a_value_provides_it() {
    let files = databases(&["flat-country-4.mmdb", "nested-city.mmdb", "ipinfo-core.mmdb", "asn.mmdb"]);
    let place = files.locate(at(ONE));
    let country = place.country.expect("a country");
    assert_eq!((country.value, country.by.name()), ("NL", "flat-country-4.mmdb"));
    assert_eq!(country.by.built().map(|built| built.timestamp()), Some(1_790_000_000));
    // Neuss is not in NL, nor is Lyon.
    assert!(place.city.is_none());
    let asn = place.asn.expect("a number");
    assert_eq!((asn.value, asn.by.name()), (64_500, "ipinfo-core.mmdb"));
    assert_eq!(place.organisation.map(|found| found.value), Some("Example Networks"));

    let files = databases(&["asn.mmdb", "ipinfo-core.mmdb", "flat-city.mmdb"]);
    let place = files.locate(at(ONE));
    assert_eq!(plain(&place).2, Some(64_496));
    // The name and the type belong to the number that was used, not to the AS of another file.
    assert_eq!((plain(&place).3, plain(&place).4), (Some("Example University"), None));
    assert_eq!((plain(&place).0, plain(&place).1), (Some("FR"), Some("Lyon")));
    assert_eq!(files.first_with(DatabaseField::City).map(|by| by.name()), Some("ipinfo-core.mmdb"));
    assert!(databases(&["asn.mmdb"]).first_with(DatabaseField::City).is_none());
}

#[test]
fn a_file_is_described() {
    assert_eq!(
        database("asn.mmdb").to_string(),
        "asn.mmdb (\"GeoLite2-ASN\", built 2026-09-21): AS number, organisation"
    );
}

#[test]
fn unknown_layouts_are_reported() {
    let error = vigie_network::Databases::open(&[data("unknown.mmdb")]).expect_err("a layout that is not known");
    let Error::Layout { database_type, keys, .. } = &error else {
        panic!("another error: {error}")
    };
    assert_eq!(database_type, "GeoIP2-Connection-Type");
    assert_eq!(*keys, ["connection_type", "is_satellite"]);
    let text = error.to_string();
    assert!(
        text.contains("unknown.mmdb: the layout of \"GeoIP2-Connection-Type\" is not known"),
        "{text}"
    );
    assert!(text.contains("connection_type, is_satellite"), "{text}");

    // The postal address of a registrant is not a location.
    let error = vigie_network::Databases::open(&[data("ipinfo-whois.mmdb")]).expect_err("no layout of places");
    assert!(error.to_string().contains("city, country, id, name, street"), "{error}");

    let error = vigie_network::Databases::open(&[data("empty.mmdb")]).expect_err("a file without records");
    assert!(error.to_string().contains("(none)"), "{error}");
    let error = vigie_network::Databases::open(&[data("make.py")]).expect_err("no MMDB file");
    assert!(matches!(error, Error::Broken { .. }), "{error}");
    let error = vigie_network::Databases::open(&[data("absent.mmdb")]).expect_err("no file");
    assert!(matches!(error, Error::Read { .. }), "{error}");
    let error = vigie_network::Databases::open(&[data("")]).expect_err("a folder");
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}
