//! The coverage of a scan, as the lake keeps it: an endpoint within it that did not answer is gone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vigie_model::{Known, Why};
use vigie_scope::{AddressRange, Coverage, Ports};

/// A coverage of more characters than this is not kept: some fifty thousand separate addresses.
const MAX_TEXT: usize = 1 << 20;

/// The coverage of this machine: these ports on its own addresses. A server that does not listen there any more is gone.
pub(crate) fn this_machine(own: &[IpAddr], only: Option<&Ports>, others: &[u16]) -> Coverage {
    let ports = match only {
        Some(ports) => ports.clone(),
        None => Ports::all().without(&Ports::new(others.iter().copied())),
    };
    let loopback = AddressRange::new(
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255)),
    );
    let six = AddressRange::single(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let own = own.iter().map(|address| AddressRange::single(*address));
    Coverage::of(loopback.into_iter().chain([six]).chain(own), &ports)
}

/// The coverage as text. Unknown for a resumed scan, and where the text is too long.
pub(crate) fn kept(coverage: &Coverage, resumed: bool) -> Known<String> {
    if resumed {
        return Known::unknown_because(Why::NotCarried, "it resumed another scan");
    }
    let text = coverage.to_string();
    if text.len() > MAX_TEXT {
        return Known::unknown_because(Why::NotCarried, "too many separate addresses");
    }
    Known::Known(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_all_its_ports_but_those_of_other_protocols() {
        let own: IpAddr = "192.168.1.5".parse().expect("an address");
        let coverage = this_machine(&[own], None, &[22]);
        for (address, port, held) in [
            ("127.0.0.1", 11434, true),
            ("127.0.0.53", 8080, true),
            ("127.0.0.1", 22, false),
            ("::1", 11434, true),
            ("192.168.1.5", 65535, true),
            ("192.168.1.6", 11434, false),
        ] {
            assert_eq!(
                coverage.holds(address.parse().expect("an address"), port, None),
                held,
                "{address} {port}"
            );
        }
        let narrow = this_machine(&[own], Some(&Ports::new([22])), &[22]);
        assert!(narrow.holds(own, 22, None) && !narrow.holds(own, 80, None));
        let text = kept(&coverage, false);
        assert_eq!(text.known().map(|text| text.parse()), Some(Ok(coverage.clone())));
        assert!(!kept(&coverage, true).is_known());
    }
}
