//! The hosts, networks and countries that a flaw in one component would touch, and the fewest components that reach half of the hosts.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::{Inputs, Integers, Strings};
use crate::Error;
use crate::rows::AnswerRows;

/// Rows per kind; components of the cover beyond it have rows too.
const MAX_ROWS: usize = 25;

/// The hosts of each component, by number.
type Components = BTreeMap<String, Vec<u32>>;

/// A set of numbers below a bound.
struct NumberSet(Vec<bool>);

impl NumberSet {
    fn empty(below: usize) -> Self {
        Self(vec![false; below])
    }

    /// Adds a number; returns whether it is new.
    fn add(&mut self, number: u32) -> bool {
        match self.0.get_mut(number as usize) {
            Some(there) if !*there => {
                *there = true;
                true
            }
            _ => false,
        }
    }

    fn lacks(&self, number: u32) -> bool {
        self.0.get(number as usize).is_some_and(|there| !there)
    }
}

/// The network and country of each host, as numbers, by the host's number.
#[derive(Default)]
struct Locations {
    of_host: Vec<Option<(Option<u32>, Option<u32>)>>,
    networks: HashMap<i64, u32>,
    countries: HashMap<String, u32>,
}

impl Locations {
    fn add(&mut self, host: u32, network: Option<i64>, country: Option<&str>) {
        let at = host as usize;
        if self.of_host.len() <= at {
            self.of_host.resize(at + 1, None);
        }
        if self.of_host[at].is_some() {
            return;
        }
        let networks = self.networks.len() as u32;
        let countries = self.countries.len() as u32;
        self.of_host[at] = Some((
            network.map(|network| *self.networks.entry(network).or_insert(networks)),
            country.map(|country| *self.countries.entry(country.to_owned()).or_insert(countries)),
        ));
    }

    /// The number of networks and countries of some hosts.
    fn count(&self, hosts: &[u32]) -> (usize, usize) {
        let (mut networks, mut countries) = (NumberSet::empty(self.networks.len()), NumberSet::empty(self.countries.len()));
        let mut counts = (0, 0);
        for (network, country) in hosts.iter().filter_map(|host| *self.of_host.get(*host as usize)?) {
            counts.0 += usize::from(network.is_some_and(|network| networks.add(network)));
            counts.1 += usize::from(country.is_some_and(|country| countries.add(country)));
        }
        counts
    }
}

/// The hosts of one kind of component.
#[derive(Default)]
struct KindHosts {
    components: Components,
    /// Hosts whose components of this kind are all known: they have no others.
    complete: Vec<u32>,
}

pub(super) fn systemic(batches: &[RecordBatch], given: &Inputs<'_>) -> Result<AnswerRows, Error> {
    let mut kinds: BTreeMap<String, KindHosts> = BTreeMap::new();
    let mut locations = Locations::default();
    for batch in batches {
        let (kind, component) = (Strings::of(batch, "kind")?, Strings::of(batch, "component")?);
        let (host, asn, country) = (
            Integers::of(batch, "host")?,
            Integers::of(batch, "asn")?,
            Strings::of(batch, "country")?,
        );
        for row in 0..batch.num_rows() {
            let (Some(kind), Some(host)) = (kind.get(row), host.get(row)) else {
                continue;
            };
            // Hosts are numbered from 1, in 32 bits.
            let host = host as u32;
            locations.add(host, asn.get(row), country.get(row));
            // The lookup avoids copying the key, which is almost always present.
            if !kinds.contains_key(kind) {
                kinds.insert(kind.to_owned(), KindHosts::default());
            }
            let Some(of_kind) = kinds.get_mut(kind) else { continue };
            let Some(component) = component.get(row) else {
                of_kind.complete.push(host);
                continue;
            };
            match of_kind.components.get_mut(component) {
                Some(hosts) => hosts.push(host),
                None => {
                    of_kind.components.insert(component.to_owned(), vec![host]);
                }
            }
        }
    }
    let below = locations.of_host.len();
    let mut rows = AnswerRows::with(&[
        "kind",
        "component",
        "hosts",
        "known",
        "unknown",
        "networks",
        "networks_share",
        "countries",
        "countries_share",
        "cover",
        "cover_share",
        "cover_proved",
    ]);
    for (kind, KindHosts { components, complete }) in kinds {
        let mut reached_set = NumberSet::empty(below);
        let mut any: Vec<u32> = components
            .values()
            .flatten()
            .copied()
            .filter(|host| reached_set.add(*host))
            .collect();
        let whole = any.len();
        let mut all_complete = NumberSet::empty(below);
        let fully = complete.iter().filter(|host| all_complete.add(**host)).count();
        any.extend(complete.iter().filter(|host| reached_set.add(**host)));
        let (all_networks, all_countries) = locations.count(&any);
        let cover = cover(&components, whole, below);
        let mut sorted: Vec<(&String, &Vec<u32>)> = components.iter().collect();
        sorted.sort_by_key(|(name, hosts)| (std::cmp::Reverse(hosts.len()), *name));
        for (at, (name, hosts)) in sorted.iter().enumerate() {
            let step = cover.steps.iter().position(|(covers, _)| covers == *name);
            if at >= MAX_ROWS && step.is_none() {
                continue;
            }
            let share = |part: usize, whole: usize| {
                if whole == 0 {
                    Value::Null
                } else {
                    json!(part as f64 / whole as f64)
                }
            };
            let (networks, countries) = locations.count(hosts);
            let known = fully + hosts.iter().filter(|host| all_complete.lacks(**host)).count();
            rows.rows.push(vec![
                json!(kind),
                json!(name),
                json!(hosts.len()),
                json!(known),
                json!(given.denominator - known as i64),
                json!(networks),
                share(networks, all_networks),
                json!(countries),
                share(countries, all_countries),
                step.map_or(Value::Null, |step| json!(step + 1)),
                step.and_then(|step| cover.steps.get(step))
                    .map_or(Value::Null, |(_, reached)| share(*reached, whole)),
                step.map_or(Value::Null, |_| json!(cover.proved)),
            ]);
        }
    }
    Ok(rows)
}

struct Cover {
    /// The components in order, with the number of hosts reached so far.
    steps: Vec<(String, usize)>,
    /// Whether no smaller number of components can reach half.
    proved: bool,
}

/// Greedy cover: takes the component that reaches most new hosts, until half are reached. The smallest set is hard to find in general. If
/// the largest components, one fewer in number, do not reach half even if they were disjoint, this cover is the smallest.
fn cover(components: &Components, whole: usize, below: usize) -> Cover {
    let half = whole.div_ceil(2);
    let mut left: Vec<(&String, &Vec<u32>)> = components.iter().collect();
    let (mut reached_set, mut reached) = (NumberSet::empty(below), 0);
    let mut steps = Vec::new();
    while reached < half {
        let gain = |hosts: &[u32]| hosts.iter().filter(|host| reached_set.lacks(**host)).count();
        let Some((at, best)) = left
            .iter()
            .enumerate()
            .map(|(at, (_, hosts))| (at, gain(hosts)))
            // Of equals, the first by name.
            .max_by_key(|(at, gain)| (*gain, std::cmp::Reverse(*at)))
        else {
            break;
        };
        if best == 0 {
            break;
        }
        let (name, hosts) = left.remove(at);
        reached += hosts.iter().filter(|host| reached_set.add(**host)).count();
        steps.push((name.clone(), reached));
    }
    let mut sizes: Vec<usize> = components.values().map(Vec::len).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let fewer: usize = sizes.iter().take(steps.len().saturating_sub(1)).sum();
    Cover {
        proved: fewer < half,
        steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(of: &[(&str, &[u32])]) -> Components {
        of.iter().map(|(name, hosts)| ((*name).to_owned(), hosts.to_vec())).collect()
    }

    #[test]
    fn networks_and_countries_are_counted_once() {
        let mut locations = Locations::default();
        for (host, network, country) in [
            (1, Some(7), Some("FR")),
            (2, Some(7), None),
            (3, None, Some("DE")),
            (1, Some(9), Some("IT")),
        ] {
            locations.add(host, network, country);
        }
        assert_eq!(locations.count(&[1, 2]), (1, 1));
        assert_eq!(locations.count(&[1, 2, 3]), (1, 2));
        // An unknown host has no location; a second location of the same host does not count.
        assert_eq!(locations.count(&[4, 0]), (0, 0));
        assert_eq!((locations.networks.len(), locations.countries.len()), (1, 2));
    }

    #[test]
    fn the_greedy_cover_reaches_half() {
        let all = components(&[("a", &[1, 2, 3]), ("b", &[3, 4, 5]), ("c", &[6]), ("d", &[7, 8])]);
        let found = cover(&all, 8, 21);
        assert_eq!(found.steps, [("a".to_owned(), 3), ("b".to_owned(), 5)]);
        assert!(found.proved, "no single component has four");
        let one = cover(&all, 5, 21);
        assert_eq!(one.steps.len(), 1);
    }

    #[test]
    fn a_cover_that_may_not_be_the_smallest_is_not_proved() {
        // The greedy cover takes the middle one first and needs three; two are enough.
        let all = components(&[
            ("left", &[1, 2, 3, 4, 5]),
            ("middle", &[3, 4, 5, 6, 7, 8]),
            ("right", &[6, 7, 8, 9, 10]),
        ]);
        let found = cover(&all, 20, 21);
        assert_eq!(found.steps.len(), 3);
        assert!(!found.proved);
    }
}
