//! The coverage of a scan: the endpoints that it set out to scan. Only an endpoint that was covered and did not answer is gone.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use vigie_model::address::{AddressRange, Hosts, parse_range};
use vigie_model::{EndpointKey, PathPrefix};

use crate::ports::Ports;
use crate::targets::list::Targets;
use crate::targets::pairs::Pairs;
use crate::targets::word::Target;

/// The endpoints that a scan set out to scan.
///
/// Its text has one group per list of ports: `80,8000-8010 at 10.0.0.0/24 host.example@10.0.1.5; 443 at 10.0.2.1 /ollama@10.0.2.2`.
/// An address, the same address by a name, and the same address with a path are different endpoints: covering one does not cover
/// another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    direct: Pairs,
    /// By name, path or both (`host.example/ollama`).
    named: BTreeMap<String, Pairs>,
}

/// The name and path of an endpoint as one text; empty if it has neither.
fn way(name: Option<&str>, prefix: Option<&PathPrefix>) -> String {
    format!("{}{}", name.unwrap_or_default(), prefix.map_or("", PathPrefix::as_str))
}

/// Why a text is not a coverage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not part of a coverage: write groups such as `80,443 at 10.0.0.0/24`")]
pub struct CoverageError {
    /// The part that is wrong.
    pub word: String,
}

impl Coverage {
    /// The coverage of a plan over `pairs`, which is what the scope allows of these targets on these ports.
    #[must_use]
    pub fn new(pairs: &Pairs, targets: &Targets, ports: &Ports) -> Self {
        if targets.entries().iter().all(|target| way_of(target).is_empty()) {
            return Self {
                direct: pairs.clone(),
                named: BTreeMap::new(),
            };
        }
        let default = Arc::new(ports.clone());
        let mut named: BTreeMap<String, Vec<(AddressRange, Arc<Ports>)>> = BTreeMap::new();
        for target in targets.entries() {
            let way = way_of(target);
            if way.is_empty() {
                continue;
            }
            let ports = target
                .port
                .map_or_else(|| Arc::clone(&default), |port| Arc::new(Ports::new([port])));
            let places = named.entry(way).or_default();
            match &target.hosts {
                Hosts::Addresses(range) => places.push((*range, ports)),
                Hosts::Name(name) => places.extend(
                    targets
                        .resolved(name)
                        .iter()
                        .map(|a| (AddressRange::single(*a), Arc::clone(&ports))),
                ),
            }
        }
        Self {
            direct: targets.direct(ports).and(pairs),
            named: named
                .into_iter()
                .map(|(name, wanted)| (name, Pairs::union(wanted).and(pairs)))
                .collect(),
        }
    }

    /// The coverage of these ports on each of these address ranges.
    #[must_use]
    pub fn of(ranges: impl IntoIterator<Item = AddressRange>, ports: &Ports) -> Self {
        let ports = Arc::new(ports.clone());
        Self {
            direct: Pairs::union(ranges.into_iter().map(|range| (range, Arc::clone(&ports)))),
            named: BTreeMap::new(),
        }
    }

    /// Whether the endpoint without a path is covered, by that name or, if it is `None`, by its address.
    #[must_use]
    pub fn holds(&self, address: IpAddr, port: u16, name: Option<&str>) -> bool {
        self.holds_way(address, port, name.unwrap_or_default())
    }

    /// Whether the endpoint is covered.
    #[must_use]
    pub fn holds_key(&self, key: &EndpointKey) -> bool {
        self.holds_way(key.address, key.port, &way(key.name.as_deref(), key.prefix.as_ref()))
    }

    fn holds_way(&self, address: IpAddr, port: u16, way: &str) -> bool {
        match way {
            "" => self.direct.contains(address, port),
            way => self.named.get(way).is_some_and(|pairs| pairs.contains(address, port)),
        }
    }
}

fn way_of(target: &Target) -> String {
    let name = match &target.hosts {
        Hosts::Name(name) => Some(name.as_str()),
        Hosts::Addresses(_) => None,
    };
    way(name, target.prefix.as_ref())
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<&Ports, Vec<String>> = BTreeMap::new();
        for segment in self.direct.segments() {
            groups.entry(&segment.ports).or_default().push(segment.range.to_string());
        }
        for (name, pairs) in &self.named {
            for segment in pairs.segments() {
                groups.entry(&segment.ports).or_default().push(format!("{name}@{}", segment.range));
            }
        }
        let mut between = "";
        for (ports, places) in groups {
            write!(f, "{between}{ports} at {}", places.join(" "))?;
            between = "; ";
        }
        Ok(())
    }
}

impl std::str::FromStr for Coverage {
    type Err = CoverageError;

    fn from_str(text: &str) -> Result<Self, CoverageError> {
        let wrong = |word: &str| CoverageError {
            word: word.chars().take(80).collect(),
        };
        let mut direct = Vec::new();
        let mut named: BTreeMap<String, Vec<(AddressRange, Arc<Ports>)>> = BTreeMap::new();
        for group in text.split("; ").filter(|group| !group.is_empty()) {
            let (ports, places) = group.split_once(" at ").ok_or_else(|| wrong(group))?;
            let ports: Arc<Ports> = Arc::new(ports.parse().map_err(|_| wrong(ports))?);
            for place in places.split(' ') {
                // A path may contain an @; an address cannot.
                let (name, address) = match place.rsplit_once('@') {
                    Some((name, address)) => (Some(name), address),
                    None => (None, place),
                };
                let range = parse_range(address).map_err(|_| wrong(place))?.range;
                let wanted = match name {
                    None => &mut direct,
                    Some(name) => named.entry(name.to_owned()).or_default(),
                };
                wanted.push((range, Arc::clone(&ports)));
            }
        }
        Ok(Self {
            direct: Pairs::union(direct),
            named: named.into_iter().map(|(name, wanted)| (name, Pairs::union(wanted))).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn it_parses_back_to_the_same_text() {
        for text in [
            "",
            "80 at 10.0.0.0/24",
            "80,443 at 10.0.0.0/24 10.0.1.5; 8000-8010 at 10.0.2.1-10.0.2.7 2001:db8::/64 host.example@10.0.3.1",
            "80 at /a@b@10.0.0.1 host.example/ollama@10.0.3.1",
        ] {
            let coverage: Coverage = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(coverage.to_string(), text);
        }
        for wrong in ["80", "80 at", "80 at nowhere", "http at 10.0.0.1", "80 at 10.0.0.1 ", "80 at @"] {
            assert!(wrong.parse::<Coverage>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_and_its_address_are_two_endpoints() {
        let mut targets = Targets::parse_words(["10.0.0.0/30", "host.example", "other.example:8443"]).expect("they read");
        targets.resolve("host.example", [address("10.0.0.9")]);
        targets.resolve("other.example", [address("10.0.0.1")]);
        let ports: Ports = "80,443".parse().expect("ports");
        let coverage = Coverage::new(&targets.pairs(&ports), &targets, &ports);
        for (place, port, name, held) in [
            ("10.0.0.3", 80, None, true),
            ("10.0.0.3", 81, None, false),
            ("10.0.0.4", 80, None, false),
            ("10.0.0.9", 80, None, false),
            ("10.0.0.9", 80, Some("host.example"), true),
            ("10.0.0.9", 8443, Some("host.example"), false),
            ("10.0.0.1", 8443, Some("other.example"), true),
            ("10.0.0.1", 8443, None, false),
            ("10.0.0.1", 80, Some("other.example"), false),
            ("10.0.0.1", 80, Some("no.example"), false),
        ] {
            assert_eq!(
                coverage.holds(address(place), port, name),
                held,
                "{place}:{port} {name:?} of {coverage}"
            );
        }
        assert_eq!(coverage.to_string().parse(), Ok(coverage));
    }

    #[test]
    fn a_path_covers_that_path_alone() {
        let mut targets = Targets::parse_words(["http://10.0.0.1/ollama", "http://h.example/x", "10.0.0.2"]).expect("they read");
        targets.resolve("h.example", [address("10.0.0.1")]);
        let ports: Ports = "80".parse().expect("a port");
        let coverage = Coverage::new(&targets.pairs(&ports), &targets, &ports);
        let key = |place: &str, name: Option<&str>, prefix: Option<&str>| EndpointKey {
            address: address(place),
            port: 80,
            transport: vigie_model::Transport::Tcp,
            name: name.map(str::to_owned),
            prefix: prefix.map(|prefix| prefix.to_owned().try_into().expect("a prefix")),
        };
        for (place, name, prefix, held) in [
            ("10.0.0.1", None, Some("/ollama"), true),
            ("10.0.0.1", None, None, false),
            ("10.0.0.1", None, Some("/x"), false),
            ("10.0.0.1", Some("h.example"), Some("/x"), true),
            ("10.0.0.1", Some("h.example"), None, false),
            ("10.0.0.2", None, None, true),
            ("10.0.0.2", None, Some("/ollama"), false),
        ] {
            assert_eq!(coverage.holds_key(&key(place, name, prefix)), held, "{place} {name:?} {prefix:?}");
        }
        assert_eq!(coverage.to_string(), "80 at 10.0.0.2 /ollama@10.0.0.1 h.example/x@10.0.0.1");
        assert_eq!(coverage.to_string().parse(), Ok(coverage));
    }

    #[test]
    fn what_the_scope_excludes_is_not_covered() {
        let targets = Targets::parse_words(["10.0.0.0/30", "host.example"]).expect("they read");
        let ports: Ports = "80,443".parse().expect("ports");
        let left = Pairs::union([(AddressRange::single(address("10.0.0.1")), Arc::new("80".parse().expect("a port")))]);
        let coverage = Coverage::new(&left, &targets, &ports);
        assert_eq!(coverage.to_string(), "80 at 10.0.0.1");
    }

    proptest! {
        #[test]
        fn the_intersection_contains_the_common_addresses(
            one in prop::collection::vec((0u8..40, 0u8..8, prop::collection::vec(1u16..6, 1..4)), 0..6),
            other in prop::collection::vec((0u8..40, 0u8..8, prop::collection::vec(1u16..6, 1..4)), 0..6),
        ) {
            let pairs = |list: Vec<(u8, u8, Vec<u16>)>| Pairs::union(list.into_iter().filter_map(|(first, more, ports)| {
                let range = AddressRange::new(IpAddr::from([10, 0, 0, first]), IpAddr::from([10, 0, 0, first + more]))?;
                Some((range, Arc::new(Ports::new(ports))))
            }));
            let (one, other) = (pairs(one), pairs(other));
            let both = one.and(&other);
            for last in 0..50 {
                for port in 1..6 {
                    let place = IpAddr::from([10, 0, 0, last]);
                    prop_assert_eq!(both.contains(place, port), one.contains(place, port) && other.contains(place, port));
                }
            }
            prop_assert_eq!(&both, &other.and(&one));
            let coverage = Coverage { direct: both, named: BTreeMap::new() };
            prop_assert_eq!(coverage.to_string().parse::<Coverage>(), Ok(coverage));
        }
    }
}
