//! Classes of addresses, from the registries of special-purpose addresses.
//!
//! Every part of vigie that needs to know whether an address is loopback, private or public uses this one table ([`class_of`]), so
//! that the scope check and the `reach` of a record cannot disagree.
//!
//! Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries and the IPv6 address space registry, with the RFC on each
//! line; for metadata services, the documentation of the clouds.

use std::net::IpAddr;
use std::sync::LazyLock;

use vigie_model::address::{AddressRange, key_of, parse_range};

use super::range_map::RangeMap;

/// The class of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Loopback: 127.0.0.0/8 and ::1.
    Loopback,
    /// In a private or link-local range: the address belongs to the owner of the network.
    Private,
    /// Public, or in a range that strangers share (100.64.0.0/10): the address may belong to a stranger.
    Public,
    /// Never scanned: multicast, documentation, reserved, or a metadata service.
    Never,
}

/// The class of an address. An IPv4 address has the same class when it is written as IPv6 (`::ffff:10.0.0.1`). An IPv6 address that
/// carries an IPv4 address is public if that one is, and otherwise never scanned, because its packets go to the IPv4 address.
#[must_use]
pub fn class_of(address: IpAddr) -> AddressClass {
    let key = key_of(address);
    let kind = |key| special_range(key).map_or(SpecialKind::Public, |row| row.kind);
    match (kind(key), carried_ipv4(key).map(kind)) {
        (SpecialKind::Loopback, _) => AddressClass::Loopback,
        (SpecialKind::Private, _) => AddressClass::Private,
        (SpecialKind::Public, _) | (SpecialKind::Carries(_), Some(SpecialKind::Public)) => AddressClass::Public,
        (SpecialKind::Never | SpecialKind::Carries(_), _) => AddressClass::Never,
    }
}

/// Whether the address is loopback.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    class_of(address) == AddressClass::Loopback
}

/// Whether the address is in a private or link-local range.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    class_of(address) == AddressClass::Private
}

/// Every special-purpose range: first address, last address, purpose, and the RFC or document that defines it.
pub fn special_ranges() -> impl Iterator<Item = (IpAddr, IpAddr, &'static str, &'static str)> {
    TABLE.iter().filter_map(|row| {
        let range = parse_range(row.range).ok()?.range;
        Some((range.first(), range.last(), row.what, row.rfc))
    })
}

/// The purpose of the special-purpose range that holds an address, and the RFC that defines it. Of an address that carries an IPv4
/// address, the range of that one counts. Returns `None` for an ordinary public address.
#[must_use]
pub fn special_purpose(address: IpAddr) -> Option<(&'static str, &'static str)> {
    let key = key_of(address);
    let special = special_range(carried_ipv4(key).unwrap_or(key))?;
    Some((special.what, special.rfc))
}

/// How a scope treats an address by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpecialKind {
    /// Loopback.
    Loopback,
    /// Private: may be scanned without a scope file.
    Private,
    /// Never scanned, not even with a scope file.
    Never,
    /// Public: needs a scope file.
    Public,
    /// Like public, and it carries an IPv4 address to which the packets go.
    Carries(Ipv4Position),
}

/// The position of the IPv4 address in an IPv6 address that carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv4Position {
    /// In the last 32 bits (NAT64).
    Last,
    /// After the first 16 bits (6to4).
    Second,
}

/// A special-purpose range.
#[derive(Debug)]
pub(crate) struct SpecialRange {
    pub(crate) range: &'static str,
    pub(crate) kind: SpecialKind,
    pub(crate) what: &'static str,
    pub(crate) rfc: &'static str,
}

const fn row(range: &'static str, kind: SpecialKind, what: &'static str, rfc: &'static str) -> SpecialRange {
    SpecialRange { range, kind, what, rfc }
}

const METADATA: &str = "a cloud's metadata service, which hands out this machine's credentials";

#[rustfmt::skip]
static TABLE: &[SpecialRange] = &[
    row("0.0.0.0/8", SpecialKind::Never, "\"this network\", unspecified", "RFC 791"),
    row("10.0.0.0/8", SpecialKind::Private, "private", "RFC 1918"),
    // A provider shares it among its customers, so a neighbour's router may answer here. A mesh network may use it too, and the
    // address does not show which of the two it is. This machine's own address in the range is its own; others need a scope file.
    row("100.64.0.0/10", SpecialKind::Public, "shared address space of a provider and its customers", "RFC 6598"),
    row("127.0.0.0/8", SpecialKind::Loopback, "loopback", "RFC 1122"),
    row("169.254.0.0/16", SpecialKind::Private, "link-local", "RFC 3927"),
    row("169.254.169.254", SpecialKind::Never, METADATA, "EC2, Azure and Google Cloud documentation"),
    row("169.254.170.2", SpecialKind::Never, METADATA, "ECS documentation"),
    row("169.254.170.23", SpecialKind::Never, METADATA, "EKS documentation"),
    row("172.16.0.0/12", SpecialKind::Private, "private", "RFC 1918"),
    row("192.0.0.0/24", SpecialKind::Never, "reserved for protocol assignments", "RFC 6890"),
    row("192.0.2.0/24", SpecialKind::Never, "documentation", "RFC 5737"),
    row("192.88.99.0/24", SpecialKind::Never, "reserved, formerly 6to4 relays", "RFC 7526"),
    row("192.168.0.0/16", SpecialKind::Private, "private", "RFC 1918"),
    // For laboratories. Some proxies return its addresses for names, and then the packets go to the owner of the name.
    row("198.18.0.0/15", SpecialKind::Public, "for benchmark tests of network devices", "RFC 2544"),
    row("198.51.100.0/24", SpecialKind::Never, "documentation", "RFC 5737"),
    row("203.0.113.0/24", SpecialKind::Never, "documentation", "RFC 5737"),
    row("224.0.0.0/4", SpecialKind::Never, "multicast", "RFC 5771"),
    row("240.0.0.0/4", SpecialKind::Never, "reserved", "RFC 1112"),
    row("255.255.255.255", SpecialKind::Never, "broadcast", "RFC 919"),

    row("::", SpecialKind::Never, "unspecified", "RFC 4291"),
    row("::1", SpecialKind::Loopback, "loopback", "RFC 4291"),
    row("::2-::fffe:ffff:ffff", SpecialKind::Never, "reserved", "RFC 4291"),
    row("::1:0:0:0-1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SpecialKind::Never, "reserved", "RFC 4291"),
    row("64:ff9b::/96", SpecialKind::Carries(Ipv4Position::Last), "IPv4 behind NAT64", "RFC 6052"),
    row("64:ff9b:1::/48", SpecialKind::Never, "local translation, which hides the IPv4 address it goes to", "RFC 8215"),
    row("100::/64", SpecialKind::Never, "discard-only", "RFC 6666"),
    row("2001::/23", SpecialKind::Never, "reserved for protocol assignments", "RFC 2928"),
    row("2001:db8::/32", SpecialKind::Never, "documentation", "RFC 3849"),
    row("2002::/16", SpecialKind::Carries(Ipv4Position::Second), "IPv4 behind 6to4", "RFC 3056"),
    row("3fff::/20", SpecialKind::Never, "documentation", "RFC 9637"),
    row("4000::-fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SpecialKind::Never, "reserved", "RFC 4291"),
    row("fc00::/7", SpecialKind::Private, "private", "RFC 4193"),
    row("fd00:ec2::254", SpecialKind::Never, METADATA, "EC2 documentation"),
    row("fd00:ec2::23", SpecialKind::Never, METADATA, "EKS documentation"),
    row("fe00::/9", SpecialKind::Never, "reserved", "RFC 4291"),
    row("fe80::/10", SpecialKind::Private, "link-local", "RFC 4291"),
    row("fec0::/10", SpecialKind::Never, "reserved, formerly site-local", "RFC 3879"),
    row("ff00::/8", SpecialKind::Never, "multicast", "RFC 4291"),
];

/// The table as a map. The test `every_range_parses` guarantees that no range is missing.
pub(crate) static SPECIAL: LazyLock<RangeMap<&'static SpecialRange>> =
    LazyLock::new(|| RangeMap::build(TABLE.iter().filter_map(|s| Some((parse_range(s.range).ok()?.range, s))).collect()));

/// The range that holds a key.
pub(crate) fn special_range(key: u128) -> Option<&'static SpecialRange> {
    SPECIAL.get(key).copied()
}

/// The key of the IPv4 address that an IPv6 address carries.
pub(crate) fn carried_ipv4(key: u128) -> Option<u128> {
    let SpecialKind::Carries(place) = special_range(key)?.kind else {
        return None;
    };
    let bits = match place {
        Ipv4Position::Last => key,
        Ipv4Position::Second => key >> 80,
    };
    Some(key_of(IpAddr::from(((bits & 0xffff_ffff) as u32).to_be_bytes())))
}

/// The special-purpose range that forbids scanning all of `range`, as text for a message; `None` if any part may be scanned.
pub(crate) fn never_scanned(range: AddressRange) -> Option<String> {
    let pieces = SPECIAL.cut(range);
    let all = pieces.iter().all(|(_, row)| row.is_some_and(|row| row.kind == SpecialKind::Never));
    special_range(key_of(range.first()))
        .filter(|_| all)
        .map(|row| format!("{} ({}, {})", row.range, row.what, row.rfc))
}

#[cfg(test)]
mod tests {
    use vigie_model::address::address_of;

    use super::*;

    fn kind(text: &str) -> SpecialKind {
        special_range(key_of(text.parse().expect("an address"))).map_or(SpecialKind::Public, |s| s.kind)
    }

    #[test]
    fn every_range_parses() {
        for row in TABLE {
            let Ok(written) = parse_range(row.range) else {
                panic!("{} does not parse", row.range)
            };
            assert!(!written.host_bits, "{}", row.range);
        }
    }

    #[test]
    fn kinds() {
        for (address, expected) in [
            ("127.0.0.1", SpecialKind::Loopback),
            ("::1", SpecialKind::Loopback),
            ("::ffff:127.0.0.1", SpecialKind::Loopback),
            ("10.255.255.255", SpecialKind::Private),
            ("172.15.255.255", SpecialKind::Public),
            ("172.31.255.255", SpecialKind::Private),
            ("172.32.0.0", SpecialKind::Public),
            ("100.63.255.255", SpecialKind::Public),
            ("100.64.0.0", SpecialKind::Public),
            ("100.127.255.255", SpecialKind::Public),
            ("198.17.255.255", SpecialKind::Public),
            ("198.19.255.255", SpecialKind::Public),
            ("169.254.169.253", SpecialKind::Private),
            ("169.254.169.254", SpecialKind::Never),
            ("0.0.0.0", SpecialKind::Never),
            ("255.255.255.255", SpecialKind::Never),
            ("239.1.2.3", SpecialKind::Never),
            ("203.0.113.9", SpecialKind::Never),
            ("1.1.1.1", SpecialKind::Public),
            ("::", SpecialKind::Never),
            ("::2", SpecialKind::Never),
            ("64:ff9b::808:808", SpecialKind::Carries(Ipv4Position::Last)),
            ("64:ff9a::1", SpecialKind::Never),
            ("64:ff9b:1::1", SpecialKind::Never),
            ("2001:db8::1", SpecialKind::Never),
            ("2001::1", SpecialKind::Never),
            ("2001:200::1", SpecialKind::Public),
            ("2a00::1", SpecialKind::Public),
            ("4000::", SpecialKind::Never),
            ("fd12::1", SpecialKind::Private),
            ("fd00:ec2::254", SpecialKind::Never),
            ("fe80::1", SpecialKind::Private),
            ("fec0::1", SpecialKind::Never),
            ("ff02::1", SpecialKind::Never),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SpecialKind::Never),
        ] {
            assert_eq!(kind(address), expected, "{address}");
        }
    }

    #[test]
    fn classes() {
        use AddressClass::{Loopback, Never, Private, Public};
        for (address, expected) in [
            ("127.255.255.255", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.0.0.1", Private),
            ("169.254.0.1", Private),
            ("169.254.169.254", Never),
            ("100.64.0.1", Public),
            ("::ffff:100.64.0.1", Public),
            ("198.18.0.1", Public),
            ("1.1.1.1", Public),
            // NAT64 and 6to4 have the class of the address that they carry.
            ("64:ff9b::101:101", Public),
            ("64:ff9b::6440:1", Public),
            ("64:ff9b::a00:1", Never),
            ("2002:7f00:1::1", Never),
            ("2002:101:101::1", Public),
            // Teredo, IPv4-compatible.
            ("2001:0:1::1", Never),
            ("::10.0.0.1", Never),
            ("0.255.255.255", Never),
            ("fe80::1", Private),
        ] {
            assert_eq!(class_of(address.parse().expect("an address")), expected, "{address}");
        }
        assert!(special_ranges().count() == TABLE.len());
    }

    #[test]
    fn carried_addresses() {
        let of = |text: &str| carried_ipv4(key_of(text.parse().expect("an address"))).map(|k| address_of(k).to_string());
        assert_eq!(of("64:ff9b::a00:1").as_deref(), Some("10.0.0.1"));
        assert_eq!(of("2002:c0a8:0101::1").as_deref(), Some("192.168.1.1"));
        assert_eq!(of("2a00::1"), None);
    }

    #[test]
    fn special_purposes() {
        let rfc_of = |text: &str| special_purpose(text.parse().expect("an address")).map(|(_, rfc)| rfc);
        for (address, expected) in [
            ("127.0.0.1", Some("RFC 1122")),
            ("::ffff:127.0.0.1", Some("RFC 1122")),
            ("10.1.2.3", Some("RFC 1918")),
            ("100.64.0.1", Some("RFC 6598")),
            ("100.128.0.0", None),
            ("198.18.0.1", Some("RFC 2544")),
            ("198.20.0.0", None),
            ("192.0.2.1", Some("RFC 5737")),
            ("2001:db8::1", Some("RFC 3849")),
            ("fd00::1", Some("RFC 4193")),
            // The range of the carried address counts.
            ("2002:0a01:0203::1", Some("RFC 1918")),
            ("2002:c01f:c401::1", None),
            ("192.31.196.1", None),
            ("2620:4f:8000::1", None),
        ] {
            assert_eq!(rfc_of(address), expected, "{address}");
        }
    }
}
