//! Sets of address and port pairs.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use vigie_model::address::{AddressRange, key_of};

use crate::ports::Ports;

/// A set of (address, port) pairs as disjoint segments in order. Ranges are not expanded: a /64 is one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    segments: Vec<Segment>,
}

/// A range of addresses and the ports that are scanned on each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The addresses.
    pub range: AddressRange,
    /// The ports.
    pub ports: Arc<Ports>,
}

impl Pairs {
    /// The union of address ranges with their ports. A pair that is named several times occurs once.
    #[must_use]
    pub fn union(wanted: impl IntoIterator<Item = (AddressRange, Arc<Ports>)>) -> Self {
        // First the ranges with the same ports are merged; then the groups are overlaid.
        let mut groups: Vec<(Arc<Ports>, Vec<AddressRange>)> = Vec::new();
        let mut known: HashMap<Arc<Ports>, usize> = HashMap::new();
        let mut latest: Option<(Arc<Ports>, usize)> = None;
        for (range, ports) in wanted {
            if ports.is_empty() {
                continue;
            }
            // A million lines may share one long list of ports: it is not hashed again if it is the list of the line before.
            let group = match &latest {
                Some((last, group)) if Arc::ptr_eq(last, &ports) => *group,
                _ => *known.entry(Arc::clone(&ports)).or_insert_with(|| {
                    groups.push((Arc::clone(&ports), Vec::new()));
                    groups.len() - 1
                }),
            };
            groups[group].1.push(range);
            latest = Some((ports, group));
        }
        let mut events: Vec<(u128, bool, usize)> = Vec::new();
        for (group, (_, ranges)) in groups.iter_mut().enumerate() {
            for range in merge(std::mem::take(ranges)) {
                events.push((range.first_key(), true, group));
                events.push((range.last_key() + 1, false, group));
            }
        }
        // At one key, ends sort before starts, so that adjacent ranges of a group are joined.
        events.sort_unstable();
        let mut active: BTreeSet<usize> = BTreeSet::new();
        let mut unions: HashMap<Vec<usize>, Arc<Ports>> = HashMap::new();
        let mut segments: Vec<Segment> = Vec::new();
        let mut from = 0;
        for (at, starts, group) in events {
            if at > from && !active.is_empty() {
                let key: Vec<usize> = active.iter().copied().collect();
                let ports = unions.entry(key).or_insert_with_key(|key| match key.as_slice() {
                    [one] => Arc::clone(&groups[*one].0),
                    many => Arc::new(Ports::new(many.iter().flat_map(|g| groups[*g].0.as_slice()).copied())),
                });
                push(
                    &mut segments,
                    Segment {
                        range: AddressRange::from_keys(from, at - 1),
                        ports: Arc::clone(ports),
                    },
                );
            }
            if starts {
                active.insert(group);
            } else {
                active.remove(&group);
            }
            from = at;
        }
        Self { segments }
    }

    /// The segments, disjoint and in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The number of addresses.
    #[must_use]
    pub fn addresses(&self) -> u128 {
        self.segments.iter().map(|s| s.range.size()).fold(0, u128::saturating_add)
    }

    /// The number of pairs, at most `u128::MAX`.
    #[must_use]
    pub fn len(&self) -> u128 {
        self.segments.iter().fold(0, |sum, s| {
            u128::saturating_add(sum, s.range.size().saturating_mul(s.ports.len() as u128))
        })
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The pairs in both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut one, mut two) = (self.segments.iter().peekable(), other.segments.iter().peekable());
        while let (Some(a), Some(b)) = (one.peek(), two.peek()) {
            let (first, last) = (
                a.range.first_key().max(b.range.first_key()),
                a.range.last_key().min(b.range.last_key()),
            );
            if first <= last {
                let ports = if Arc::ptr_eq(&a.ports, &b.ports) {
                    Arc::clone(&a.ports)
                } else {
                    Arc::new(a.ports.and(&b.ports))
                };
                both.push((AddressRange::from_keys(first, last), ports));
            }
            // The segment that ends first overlaps nothing further.
            if a.range.last_key() <= b.range.last_key() {
                one.next();
            } else {
                two.next();
            }
        }
        Self::union(both)
    }

    /// Whether the set holds the pair.
    #[must_use]
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        let key = key_of(address);
        let at = self.segments.partition_point(|s| s.range.last_key() < key);
        self.segments
            .get(at)
            .is_some_and(|s| s.range.contains(address) && s.ports.contains(port))
    }
}

/// Sorts ranges and joins those that overlap or adjoin.
fn merge(mut ranges: Vec<AddressRange>) -> Vec<AddressRange> {
    ranges.sort_unstable();
    let mut merged: Vec<AddressRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.first_key() <= last.last_key() + 1 => {
                *last = AddressRange::from_keys(last.first_key(), last.last_key().max(range.last_key()));
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Appends a segment, joined to the last one if it continues it.
fn push(segments: &mut Vec<Segment>, next: Segment) {
    match segments.last_mut() {
        Some(last) if last.range.last_key() + 1 == next.range.first_key() && last.ports == next.ports => {
            last.range = AddressRange::from_keys(last.range.first_key(), next.range.last_key());
        }
        _ => segments.push(next),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    use crate::targets::list::Targets;

    proptest! {
        #[test]
        fn the_union_holds_exactly_the_named_pairs(
            named in prop::collection::vec((0u8..60, 0u8..12, prop::option::of(1u16..4)), 0..20),
        ) {
            let default = Ports::new([2, 3, 9]);
            let words: Vec<String> = named.iter().map(|(first, length, port)| match port {
                Some(port) => format!("10.0.0.{first}:{port}"),
                None => format!("10.0.0.{first}-{}", first + length),
            }).collect();
            let targets = Targets::parse_words(words.iter().map(String::as_str)).expect("targets");
            let pairs = targets.pairs(&default);
            let mut expected: BTreeMap<(u8, u16), ()> = BTreeMap::new();
            for (first, length, port) in named {
                match port {
                    Some(port) => { expected.insert((first, port), ()); }
                    None => for last in first..=first + length {
                        expected.extend([2, 3, 9].map(|p| ((last, p), ())));
                    },
                }
            }
            prop_assert_eq!(pairs.len(), expected.len() as u128);
            for last in 0..80 {
                for port in 1..10 {
                    let there = pairs.contains(IpAddr::from([10, 0, 0, last]), port);
                    prop_assert_eq!(there, expected.contains_key(&(last, port)));
                }
            }
            for two in pairs.segments().windows(2) {
                prop_assert!(two[0].range.last_key() < two[1].range.first_key());
            }
        }
    }
}
