//! Restricts targets to what the scope allows.

use std::collections::HashMap;
use std::sync::Arc;

use vigie_model::address::{AddressRange, Hosts};

use super::refusal::{Refusal, Refusals, excluded_by, port_refused};
use super::scope::{Grant, Scope};
use crate::address::special::SPECIAL;
use crate::ports::Ports;
use crate::targets::list::Targets;
use crate::targets::pairs::Pairs;

/// The part of the targets that the scope allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clipped {
    /// The pairs that may be scanned.
    pub pairs: Pairs,
    /// The parts that were removed, and why.
    pub skipped: Vec<Skipped>,
}

/// A part of the targets that is not scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The number of addresses; 0 for a name that is not resolved.
    pub addresses: u128,
    /// The reason.
    pub why: Refusal,
}

impl Scope {
    /// Restricts targets to what the scope allows. A target outside the scope is an error. What is excluded, opted out or never
    /// scanned, and ports that an entry does not allow, are removed and listed. The window ([`Self::in_time`]) is checked when a
    /// request is sent, and so are the IPv4 addresses that some IPv6 addresses carry.
    ///
    /// # Errors
    ///
    /// Everything that is out of scope; or, if nothing is left, why.
    pub fn clip(&self, targets: &Targets, ports: &Ports) -> Result<Clipped, Refusals> {
        let mut clip = Clip::default();
        let direct = Targets::of(targets.entries().iter().filter(|t| matches!(t.hosts, Hosts::Addresses(_))).cloned());
        for segment in direct.pairs(ports).segments() {
            self.clip_range(segment.range, &segment.ports, None, &mut clip);
        }
        let default = Arc::new(ports.clone());
        for target in targets.entries() {
            let Hosts::Name(name) = &target.hosts else { continue };
            if let Err(refusal) = self.permits_lookup(name) {
                clip.skipped.push(Skipped {
                    addresses: 0,
                    why: refusal,
                });
                continue;
            }
            let ports = target.port.map_or_else(|| Arc::clone(&default), |p| Arc::new(Ports::new([p])));
            for address in targets.resolved(name) {
                self.clip_range(AddressRange::single(*address), &ports, Some(name), &mut clip);
            }
        }
        let pairs = Pairs::union(clip.wanted);
        if !clip.refused.is_empty() {
            return Err(Refusals(clip.refused));
        }
        if pairs.is_empty() && !clip.skipped.is_empty() {
            return Err(Refusals(clip.skipped.into_iter().map(|s| s.why).collect()));
        }
        Ok(Clipped {
            pairs,
            skipped: clip.skipped,
        })
    }

    fn clip_range(&self, range: AddressRange, ports: &Arc<Ports>, name: Option<&str>, clip: &mut Clip) {
        for (range, by) in self.excluded.cut(range) {
            if let Some(by) = by {
                clip.skip(range, excluded_by(range.to_string(), by));
                continue;
            }
            for (range, by) in self.opted_out.cut(range) {
                if let Some(by) = by {
                    clip.skip(range, excluded_by(range.to_string(), by));
                    continue;
                }
                for (range, row) in SPECIAL.cut(range) {
                    for (range, own) in self.own.0.cut(range) {
                        for (range, entry) in self.ranges.cut(range) {
                            let decided = self.decide(range, row.copied(), own.is_some(), entry.copied(), name);
                            clip.take(range, ports, decided);
                        }
                    }
                }
            }
        }
    }
}

#[derive(Default)]
struct Clip {
    wanted: Vec<(AddressRange, Arc<Ports>)>,
    skipped: Vec<Skipped>,
    refused: Vec<Refusal>,
    /// By list of ports and entry, so that the ports of a million addresses under one entry are compared once.
    ports: HashMap<(*const Ports, usize), AllowedPorts>,
}

/// The ports of a list that an entry allows.
struct AllowedPorts {
    /// Keeps the list alive, so that its address is not reused while it is a key.
    _asked: Arc<Ports>,
    left: Arc<Ports>,
    /// The index in `skipped` of the ports that the entry does not allow.
    refused: Option<usize>,
}

impl Clip {
    fn skip(&mut self, range: AddressRange, why: Refusal) {
        self.skipped.push(Skipped {
            addresses: range.size(),
            why,
        });
    }

    fn take(&mut self, range: AddressRange, ports: &Arc<Ports>, decided: Result<Grant<'_>, Refusal>) {
        let grant = match decided {
            Ok(grant) => grant,
            Err(refusal @ (Refusal::Never { .. } | Refusal::LeadsInside { .. })) => return self.skip(range, refusal),
            Err(refusal) => return self.refused.push(refusal),
        };
        let Some((entry, limit)) = grant.and_then(|entry| Some((entry, entry.ports.as_ref()?))) else {
            return self.wanted.push((range, Arc::clone(ports)));
        };
        let key = (Arc::as_ptr(ports), entry.line);
        if let Some(known) = self.ports.get(&key) {
            self.wanted.push((range, Arc::clone(&known.left)));
            if let Some(skipped) = known.refused.and_then(|index| self.skipped.get_mut(index)) {
                skipped.addresses = skipped.addresses.saturating_add(range.size());
                if let Refusal::Port { subject, .. } = &mut skipped.why {
                    *subject = format!("{} addresses", skipped.addresses);
                }
            }
            return;
        }
        let beyond = ports.without(limit);
        let refused = (!beyond.is_empty()).then(|| {
            self.skip(range, port_refused(range.to_string(), beyond.to_string(), entry, limit));
            self.skipped.len() - 1
        });
        let left = Arc::new(ports.and(limit));
        self.wanted.push((range, Arc::clone(&left)));
        self.ports.insert(
            key,
            AllowedPorts {
                _asked: Arc::clone(ports),
                left,
                refused,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{default_scope, ip, now, own, scope};

    #[test]
    fn clipping() {
        let scope = scope();
        let mut targets = Targets::parse_words(["198.18.113.0/24", "127.0.0.1:9", "gpu1.example.org", "www.left-alone.example.org"])
            .unwrap_or_else(|e| panic!("{e}"));
        targets.resolve("gpu1.example.org", ["1.1.1.1", "10.30.0.1"].map(ip));
        let ports = "22,11434".parse().unwrap_or_else(|e| panic!("{e}"));
        let clipped = scope.clip(&targets, &ports).unwrap_or_else(|e| panic!("{e}"));
        let mut shown: Vec<String> = clipped
            .pairs
            .segments()
            .iter()
            .map(|s| format!("{} {}", s.range, s.ports))
            .collect();
        shown.extend(clipped.skipped.iter().map(|s| format!("{} skipped: {}", s.addresses, s.why)));
        insta::assert_snapshot!("clipped", shown.join("\n"));

        let refused = |words: &[&str]| {
            let targets = Targets::parse_words(words.iter().copied()).unwrap_or_else(|e| panic!("{e}"));
            scope
                .clip(&targets, &ports)
                .err()
                .map_or_else(|| "accepted".to_owned(), |e| e.to_string())
        };
        let shown = [
            refused(&["198.18.112.0/23"]),
            refused(&["10.30.0.1", "8.0.0.0-8.0.0.9"]),
            refused(&["198.18.113.64/28"]),
            refused(&["198.18.113.9:22"]),
            refused(&["224.0.0.0/4"]),
        ];
        insta::assert_snapshot!("clip_refused", shown.join("\n--\n"));
        let without = Scope::without_file(&own());
        let targets = Targets::parse_words(["0.0.0.0/0"]).unwrap_or_else(|e| panic!("{e}"));
        assert!(without.clip(&targets, &ports).is_err());
    }

    proptest! {
        #[test]
        fn clip_keeps_exactly_what_is_permitted(
            words in prop::collection::vec((0u8..=255, 0u8..=255, 0u8..40, any::<bool>()), 1..6), with_file in any::<bool>(),
        ) {
            let scope = if with_file { scope() } else { default_scope() };
            let words: Vec<String> = words.iter().map(|(first, third, length, inside)| {
                let prefix = if with_file { "198.18.113" } else { "10.9" };
                let net = if with_file { prefix.to_owned() } else if *inside { format!("{prefix}.{third}") } else { format!("10.8.{third}") };
                format!("{net}.{first}-{}", first.saturating_add(*length))
            }).collect();
            let targets = Targets::parse_words(words.iter().map(String::as_str)).expect("targets");
            let ports = Ports::new([22, 11434]);
            let left = scope.clip(&targets, &ports).map(|c| c.pairs).unwrap_or_default();
            for segment in targets.pairs(&ports).segments() {
                let (first, last) = (segment.range.first_key(), segment.range.last_key());
                for key in first..=last {
                    for port in [22, 11434] {
                        let address = vigie_model::address::address_of(key);
                        prop_assert_eq!(
                            left.contains(address, port),
                            scope.permits(address, port, now()).is_ok(),
                            "{} {}", address, port
                        );
                    }
                }
            }
        }
    }
}
