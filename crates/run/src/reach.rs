//! Who can reach an endpoint, judged by its address.

use std::net::IpAddr;

use vigie_model::{Known, Reach, Why};
use vigie_scope::AddressClass;

/// Loopback stays unknown: only the machine itself knows whether it is forwarded.
pub(crate) fn of(address: IpAddr) -> Known<Reach> {
    match vigie_scope::class_of(address) {
        AddressClass::Loopback => Known::unknown_because(Why::NotAsked, "reached over loopback by its address"),
        AddressClass::Private => Known::Known(Reach::Private),
        AddressClass::Public | AddressClass::Never => Known::Known(Reach::Public),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use vigie_host::{ListeningSocket, group_sockets};
    use vigie_scope::{OwnAddresses, Ports, Refusal, Scope, Targets, class_of, special_purpose, special_ranges};

    use super::*;

    fn next(address: IpAddr, step: i8) -> Option<IpAddr> {
        match address {
            IpAddr::V4(v4) => v4
                .to_bits()
                .checked_add_signed(step.into())
                .map(|bits| Ipv4Addr::from_bits(bits).into()),
            IpAddr::V6(v6) => v6
                .to_bits()
                .checked_add_signed(step.into())
                .map(|bits| Ipv6Addr::from_bits(bits).into()),
        }
    }

    /// The first, the last and the addresses just outside of each special range; IPv4 also as IPv6 carries it.
    fn edges() -> Vec<IpAddr> {
        let mut edges: Vec<IpAddr> = special_ranges()
            .flat_map(|(first, last, ..)| [next(first, -1), Some(first), Some(last), next(last, 1)])
            .flatten()
            .collect();
        let mapped: Vec<IpAddr> = edges
            .iter()
            .filter_map(|address| match address {
                IpAddr::V4(v4) => Some(v4.to_ipv6_mapped().into()),
                IpAddr::V6(_) => None,
            })
            .collect();
        edges.extend(mapped);
        edges.extend(
            ["8.8.8.8", "2a00::1", "64:ff9b::a00:1", "64:ff9b::6440:1", "2002:6440:1::1"]
                .map(|text| text.parse::<IpAddr>().expect("an address")),
        );
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    #[test]
    fn all_rooms_classify_an_address_alike() {
        let scope = Scope::without_file(&OwnAddresses::default());
        let now = vigie_model::Timestamp::UNIX_EPOCH;
        let edges = edges();
        assert!(edges.len() > 100, "{}", edges.len());
        for address in edges {
            let class = class_of(address);
            let permitted = scope.permits(address, 80, now);
            let mut targets = Targets::default();
            targets.push_addresses([address]);
            let clipped = scope.clip(&targets, &Ports::new([80]));
            assert_eq!(
                permitted.is_ok(),
                matches!(class, AddressClass::Loopback | AddressClass::Private),
                "{address}: {permitted:?}"
            );
            let needs_file = matches!(permitted, Err(Refusal::NeedsScopeFile { .. }));
            assert_eq!(needs_file, class == AddressClass::Public, "{address}: {permitted:?}");
            // An address inside an address is checked at the moment of sending.
            if !matches!(permitted, Err(Refusal::Carries { .. })) {
                assert_eq!(clipped.is_ok(), permitted.is_ok(), "{address}: {clipped:?}");
            }

            let expected = match class {
                AddressClass::Loopback => Reach::Loopback,
                AddressClass::Private => Reach::Private,
                AddressClass::Public | AddressClass::Never => Reach::Public,
            };
            let bound = ListeningSocket {
                address,
                port: 80,
                v6only: Known::Known(false),
                uid: None,
                owner: Known::unknown(Why::NotAsked),
            };
            // The unspecified address is what a socket is bound to, and cannot be reached.
            if !address.to_canonical().is_unspecified() {
                let listeners = group_sockets(&[bound], &[address]);
                assert_eq!(listeners[0].reach(), expected, "{address}");
            }
            match of(address) {
                Known::Known(reach) => assert_eq!(reach, expected, "{address}"),
                Known::Unknown(_) => assert_eq!(class, AddressClass::Loopback, "{address}"),
            }
            // Addresses that are not public, and ranges that strangers share, are in no database.
            if class != AddressClass::Public {
                assert!(special_purpose(address).is_some(), "{address}");
            }
            assert_eq!(vigie_scope::is_loopback(address), address.to_canonical().is_loopback(), "{address}");
        }
    }

    #[test]
    fn shared_space_is_nobodys_own() {
        for (text, reach) in [
            ("100.63.255.255", Reach::Public),
            ("100.64.0.0", Reach::Public),
            ("100.127.255.255", Reach::Public),
            ("100.128.0.0", Reach::Public),
            ("10.0.0.0", Reach::Private),
            ("fd00::1", Reach::Private),
        ] {
            assert_eq!(of(text.parse().expect("an address")), Known::Known(reach), "{text}");
        }
    }
}
