//! The endpoints of an address and port pair: by the address, by host names, and by paths.

use std::collections::HashMap;
use std::net::IpAddr;

use vigie_model::PathPrefix;
use vigie_model::address::{Hosts, key_of};

use super::list::Targets;
use super::pairs::Pairs;
use super::word::Scheme;
use crate::ports::Ports;

/// The endpoints of every pair of a scan.
#[derive(Clone, Debug)]
pub struct EndpointIndex {
    direct: Pairs,
    names: HashMap<u128, Vec<(String, Option<u16>)>>,
    paths: HashMap<(u128, u16), Vec<NamedPath>>,
    schemes: HashMap<(u128, u16), Scheme>,
    ports: Ports,
}

/// The endpoints of one pair: one for the address, one for each name, and one for each path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairEndpoints {
    /// Whether the address itself is a target.
    pub by_address: bool,
    /// The host names among the targets that resolved to the address.
    pub names: Vec<String>,
    /// The paths among the targets, each with the host name, or `None` for the address.
    pub paths: Vec<NamedPath>,
    /// The scheme of a URL among the targets.
    pub scheme: Option<Scheme>,
}

/// A path, with the host name, or `None` for the address.
type NamedPath = (Option<String>, PathPrefix);

impl Targets {
    /// Finds out for each pair whether it is scanned by its address, by which names and paths, and with which scheme.
    #[must_use]
    pub fn endpoint_index(&self, ports: &Ports) -> EndpointIndex {
        let direct = self.direct(ports);
        let mut names: HashMap<u128, Vec<(String, Option<u16>)>> = HashMap::new();
        let mut paths: HashMap<(u128, u16), Vec<NamedPath>> = HashMap::new();
        let mut schemes = HashMap::new();
        for target in self.entries() {
            let keys: Vec<u128> = match &target.hosts {
                Hosts::Addresses(range) => vec![range.first_key()],
                Hosts::Name(name) => {
                    let keys: Vec<u128> = self.resolved(name).iter().map(|a| key_of(*a)).collect();
                    for key in keys.iter().filter(|_| target.prefix.is_none()) {
                        let list = names.entry(*key).or_default();
                        if !list.contains(&(name.clone(), target.port)) {
                            list.push((name.clone(), target.port));
                        }
                    }
                    keys
                }
            };
            if let (Some(prefix), Some(port)) = (&target.prefix, target.port) {
                let name = match &target.hosts {
                    Hosts::Name(name) => Some(name.clone()),
                    Hosts::Addresses(_) => None,
                };
                for key in &keys {
                    let list = paths.entry((*key, port)).or_default();
                    if !list.iter().any(|(of, path)| *of == name && path == prefix) {
                        list.push((name.clone(), prefix.clone()));
                    }
                }
            }
            if let (Some(scheme), Some(port)) = (target.scheme, target.port) {
                schemes.extend(keys.into_iter().map(|key| ((key, port), scheme)));
            }
        }
        EndpointIndex {
            direct,
            names,
            paths,
            schemes,
            ports: ports.clone(),
        }
    }
}

impl EndpointIndex {
    /// The endpoints of a pair.
    #[must_use]
    pub fn at(&self, address: IpAddr, port: u16) -> PairEndpoints {
        let key = key_of(address);
        let names = self.names.get(&key).into_iter().flatten();
        let mut names: Vec<String> = names
            .filter(|(_, named)| named.map_or_else(|| self.ports.contains(port), |named| named == port))
            .map(|(name, _)| name.clone())
            .collect();
        names.dedup();
        PairEndpoints {
            by_address: self.direct.contains(address, port),
            names,
            paths: self.paths.get(&(key, port)).cloned().unwrap_or_default(),
            scheme: self.schemes.get(&(key, port)).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_endpoints_of_their_own() {
        let mut targets = Targets::parse_words(["https://a.example", "b.example", "10.0.0.1:80", "c.example:81"]).expect("targets");
        assert_eq!(targets.names().collect::<Vec<_>>(), ["a.example", "b.example", "c.example"]);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for name in ["a.example", "b.example", "c.example"] {
            targets.resolve(name, [ip("10.0.0.1"), ip("::ffff:10.0.0.1")]);
        }
        let ports = Ports::new([80]);
        let visits = targets.endpoint_index(&ports);
        let visit = |port| visits.at(ip("10.0.0.1"), port);
        assert_eq!(
            visit(80),
            PairEndpoints {
                by_address: true,
                names: vec!["b.example".into()],
                paths: vec![],
                scheme: None
            }
        );
        assert_eq!(
            visit(81),
            PairEndpoints {
                by_address: false,
                names: vec!["c.example".into()],
                paths: vec![],
                scheme: None
            }
        );
        let tls = PairEndpoints {
            by_address: false,
            names: vec!["a.example".into()],
            paths: vec![],
            scheme: Some(Scheme::Https),
        };
        assert_eq!(visit(443), tls);
        assert_eq!(targets.pairs(&ports).len(), 3);
    }

    #[test]
    fn paths_are_endpoints_of_their_own() {
        let words = [
            "http://10.0.0.1:80/ollama/",
            "http://10.0.0.1/ollama",
            "http://10.0.0.1//team//b",
            "https://a.example:80/x",
            "10.0.0.2",
            "http://10.0.0.2/x",
        ];
        let mut targets = Targets::parse_words(words).unwrap_or_else(|errors| panic!("{errors}"));
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        targets.resolve("a.example", [ip("10.0.0.1")]);
        assert_eq!(
            targets.notes().iter().map(|note| note.text.as_str()).collect::<Vec<_>>(),
            ["the path of `http://10.0.0.1//team//b` is taken as /team/b"]
        );
        let ports = Ports::new([80, 81]);
        let visits = targets.endpoint_index(&ports);
        let shown = |address: &str, port| {
            let visit = visits.at(ip(address), port);
            let paths: Vec<String> = visit
                .paths
                .iter()
                .map(|(name, prefix)| format!("{}{prefix}", name.as_deref().unwrap_or_default()))
                .collect();
            (visit.by_address, visit.names, paths)
        };
        let under = ["/ollama", "/team/b", "a.example/x"].map(str::to_owned).to_vec();
        assert_eq!(shown("10.0.0.1", 80), (false, vec![], under));
        assert_eq!(shown("10.0.0.2", 80), (true, vec![], vec!["/x".to_owned()]));
        assert_eq!(shown("10.0.0.2", 81), (true, vec![], vec![]));
        // 10.0.0.1 on 80 alone, 10.0.0.2 on both.
        assert_eq!(targets.pairs(&ports).len(), 3);
        for wrong in [
            "http://h/../x",
            "http://h/%2e%2e/x",
            "http://h/a%2fb",
            "http://h/a%5cb",
            "http://h/a%252e",
            "http://h/a;b",
            "http://h\\x",
        ] {
            let error = Targets::parse_words([wrong]).expect_err(wrong);
            assert!(error.to_string().contains("path"), "{error}");
        }
    }
}
