//! What one flaw would touch, and how few components reach half of the hosts.

use std::collections::{BTreeMap, HashMap, HashSet};

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::{Given, Longs, Texts};
use crate::Error;
use crate::rows::Rows;

/// Components told for each kind; the cover goes on until half is reached, however many that takes.
const TOLD: usize = 25;

/// The hosts of each component, and where they stand.
#[derive(Default)]
struct Component {
    hosts: Vec<u32>,
    networks: HashSet<i64>,
    countries: HashSet<u32>,
}

pub(super) fn systemic(batches: &[RecordBatch], given: &Given<'_>) -> Result<Rows, Error> {
    let mut kinds: BTreeMap<String, BTreeMap<String, Component>> = BTreeMap::new();
    let mut countries: HashMap<String, u32> = HashMap::new();
    let (mut all_networks, mut all_countries) = (HashSet::new(), HashSet::new());
    for batch in batches {
        let (kind, component) = (Texts::of(batch, "kind")?, Texts::of(batch, "component")?);
        let (host, asn, country) = (Longs::of(batch, "host")?, Longs::of(batch, "asn")?, Texts::of(batch, "country")?);
        for row in 0..batch.num_rows() {
            let (Some(kind), Some(component), Some(host)) = (kind.get(row), component.get(row), host.get(row)) else {
                continue;
            };
            // Looked up before they are copied: both are almost always there already.
            if !kinds.contains_key(kind) {
                kinds.insert(kind.to_owned(), BTreeMap::new());
            }
            let Some(components) = kinds.get_mut(kind) else { continue };
            if !components.contains_key(component) {
                components.insert(component.to_owned(), Component::default());
            }
            let Some(entry) = components.get_mut(component) else { continue };
            // Hosts are numbered from 1, in 32 bits.
            entry.hosts.push(host as u32);
            if let Some(asn) = asn.get(row) {
                entry.networks.insert(asn);
                all_networks.insert(asn);
            }
            if let Some(country) = country.get(row) {
                let next = countries.len() as u32;
                let id = *countries.entry(country.to_owned()).or_insert(next);
                entry.countries.insert(id);
                all_countries.insert(id);
            }
        }
    }
    let mut rows = Rows::with(&[
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
    for (kind, components) in kinds {
        let whole: HashSet<u32> = components.values().flat_map(|component| component.hosts.iter().copied()).collect();
        let cover = cover(&components, whole.len());
        let mut sorted: Vec<(&String, &Component)> = components.iter().collect();
        sorted.sort_by_key(|(name, component)| (std::cmp::Reverse(component.hosts.len()), *name));
        for (at, (name, component)) in sorted.iter().enumerate() {
            let step = cover.steps.iter().position(|(covers, _)| covers == *name);
            if at >= TOLD && step.is_none() {
                continue;
            }
            let share = |part: usize, whole: usize| {
                if whole == 0 {
                    Value::Null
                } else {
                    json!(part as f64 / whole as f64)
                }
            };
            rows.rows.push(vec![
                json!(kind),
                json!(name),
                json!(component.hosts.len()),
                json!(whole.len()),
                json!(given.denominator - whole.len() as i64),
                json!(component.networks.len()),
                share(component.networks.len(), all_networks.len()),
                json!(component.countries.len()),
                share(component.countries.len(), all_countries.len()),
                step.map_or(Value::Null, |step| json!(step + 1)),
                step.and_then(|step| cover.steps.get(step))
                    .map_or(Value::Null, |(_, reached)| share(*reached, whole.len())),
                step.map_or(Value::Null, |_| json!(cover.proved)),
            ]);
        }
    }
    Ok(rows)
}

struct Cover {
    /// The components in their order, and how many hosts are reached with each.
    steps: Vec<(String, usize)>,
    /// Fewer cannot do it.
    proved: bool,
}

/// Takes the component that reaches most new hosts, until half are reached. The smallest set is hard to find in general; that the
/// largest components together, were they disjoint, fall short with one fewer proves that this one is.
fn cover(components: &BTreeMap<String, Component>, whole: usize) -> Cover {
    let half = whole.div_ceil(2);
    let mut left: Vec<(&String, &Component)> = components.iter().collect();
    let mut reached: HashSet<u32> = HashSet::new();
    let mut steps = Vec::new();
    while reached.len() < half {
        let gain = |component: &Component| component.hosts.iter().filter(|host| !reached.contains(host)).count();
        let Some((at, best)) = left
            .iter()
            .enumerate()
            .map(|(at, (_, component))| (at, gain(component)))
            // The first of equals, by name.
            .max_by_key(|(at, gain)| (*gain, std::cmp::Reverse(*at)))
        else {
            break;
        };
        if best == 0 {
            break;
        }
        let (name, component) = left.remove(at);
        reached.extend(component.hosts.iter().copied());
        steps.push((name.clone(), reached.len()));
    }
    let mut sizes: Vec<usize> = components.values().map(|component| component.hosts.len()).collect();
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

    fn components(of: &[(&str, &[u32])]) -> BTreeMap<String, Component> {
        of.iter()
            .map(|(name, hosts)| {
                let component = Component {
                    hosts: hosts.to_vec(),
                    ..Component::default()
                };
                ((*name).to_owned(), component)
            })
            .collect()
    }

    #[test]
    fn half_is_reached_with_as_few_as_greed_finds() {
        let all = components(&[("a", &[1, 2, 3]), ("b", &[3, 4, 5]), ("c", &[6]), ("d", &[7, 8])]);
        let found = cover(&all, 8);
        assert_eq!(found.steps, [("a".to_owned(), 3), ("b".to_owned(), 5)]);
        assert!(found.proved, "no one component has four");
        let one = cover(&all, 5);
        assert_eq!(one.steps.len(), 1);
    }

    #[test]
    fn what_is_not_proved_is_not_said_to_be() {
        // Greed takes the middle one first and needs three; two would do.
        let all = components(&[
            ("left", &[1, 2, 3, 4, 5]),
            ("middle", &[3, 4, 5, 6, 7, 8]),
            ("right", &[6, 7, 8, 9, 10]),
        ]);
        let found = cover(&all, 20);
        assert_eq!(found.steps.len(), 3);
        assert!(!found.proved);
    }
}
