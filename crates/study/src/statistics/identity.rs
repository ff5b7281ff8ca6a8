//! Estimate of the number of machines behind the addresses.
//!
//! Hosts with the same certificate, the same instance id, or the same models with the same digests and dates of change, may be one machine
//! whose address changed, or copies of one image. Copies are present at the same time, a machine that moves is not. So a group of hosts
//! that share such a mark has as many machines as the largest number of them that were present at the same time.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::{Inputs, Integers, Strings};
use crate::Error;
use crate::rows::AnswerRows;

/// The first and the last day on which a host was seen.
type Stay = (i64, i64);

pub(super) fn identity(batches: &[RecordBatch], given: &Inputs<'_>) -> Result<AnswerRows, Error> {
    let mut stays: BTreeMap<i64, Stay> = BTreeMap::new();
    let mut groups = Groups::default();
    let mut marks: HashMap<(String, String), i64> = HashMap::new();
    let mut sharing: BTreeMap<String, HashSet<i64>> = BTreeMap::new();
    for batch in batches {
        let (host, first, last) = (
            Integers::of(batch, "host")?,
            Integers::of(batch, "first_day")?,
            Integers::of(batch, "last_day")?,
        );
        let (kind, mark) = (Strings::of(batch, "kind")?, Strings::of(batch, "mark")?);
        for row in 0..batch.num_rows() {
            let (Some(host), Some(first), Some(last)) = (host.get(row), first.get(row), last.get(row)) else {
                continue;
            };
            let (Some(kind), Some(mark)) = (kind.get(row), mark.get(row)) else {
                continue;
            };
            stays.insert(host, (first, last));
            match marks.entry((kind.to_owned(), mark.to_owned())) {
                // The same host with the same mark again.
                Entry::Occupied(first) if *first.get() == host => {}
                Entry::Occupied(first) => {
                    sharing.entry(kind.to_owned()).or_default().extend([*first.get(), host]);
                    groups.join(*first.get(), host);
                }
                Entry::Vacant(place) => {
                    place.insert(host);
                }
            }
        }
    }
    let mut together: HashMap<i64, Vec<Stay>> = HashMap::new();
    for (host, stay) in &stays {
        together.entry(groups.root(*host)).or_default().push(*stay);
    }
    let marked = stays.len() as i64;
    let machines: i64 = together.values().map(|stays| at_once(stays)).sum();
    let addresses = given.denominator + given.unknown;
    let mut rows = AnswerRows::with(&["counted", "count", "note"]);
    let mut put = |counted: &str, count: i64, note: Value| rows.rows.push(vec![json!(counted), json!(count), note]);
    put("addresses", addresses, Value::Null);
    put(
        "identities",
        addresses - marked + machines,
        json!("an estimate, and where nothing marks a host each address counts"),
    );
    put("addresses with a mark", marked, Value::Null);
    put("addresses that are an earlier machine again", marked - machines, Value::Null);
    for (kind, hosts) in sharing {
        put(&format!("addresses that share a mark: {kind}"), hosts.len() as i64, Value::Null);
    }
    Ok(rows)
}

/// The largest number of hosts present at the same time. Stays that touch on a day overlap.
fn at_once(stays: &[Stay]) -> i64 {
    let mut events: Vec<(i64, i64)> = stays.iter().flat_map(|(first, last)| [(*first, 1), (last + 1, -1)]).collect();
    // Departures sort before arrivals on the same day.
    events.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, change) in events {
        now += change;
        most = most.max(now);
    }
    most
}

/// Disjoint sets of hosts (union-find with path halving).
#[derive(Default)]
struct Groups(HashMap<i64, i64>);

impl Groups {
    fn root(&mut self, mut host: i64) -> i64 {
        loop {
            let up = *self.0.get(&host).unwrap_or(&host);
            if up == host {
                return host;
            }
            let above = *self.0.get(&up).unwrap_or(&up);
            self.0.insert(host, above);
            host = above;
        }
    }

    fn join(&mut self, a: i64, b: i64) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.0.insert(a.max(b), a.min(b));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
    use vigie_assess::Knowledge;

    use super::*;

    /// The counts of hosts that are each present on a different day.
    fn counted(marks: &[(i64, &str, &str)]) -> BTreeMap<String, i64> {
        let hosts: Int64Array = marks.iter().map(|(host, _, _)| Some(*host)).collect();
        let kinds: StringArray = marks.iter().map(|(_, kind, _)| Some(*kind)).collect();
        let texts: StringArray = marks.iter().map(|(_, _, mark)| Some(*mark)).collect();
        let hosts: ArrayRef = Arc::new(hosts);
        let batch = RecordBatch::try_from_iter([
            ("host", Arc::clone(&hosts)),
            ("first_day", Arc::clone(&hosts)),
            ("last_day", hosts),
            ("kind", Arc::new(kinds) as ArrayRef),
            ("mark", Arc::new(texts) as ArrayRef),
        ])
        .expect("a batch");
        let given = Inputs {
            knowledge: &Knowledge::embedded(),
            denominator: 0,
            unknown: 0,
            window: (0, 0),
        };
        let rows = identity(&[batch], &given).expect("rows").rows;
        rows.iter()
            .map(|row| (row[0].as_str().expect("a text").to_owned(), row[1].as_i64().expect("a count")))
            .collect()
    }

    #[test]
    fn hosts_that_share_a_mark_are_counted_once() {
        let counts = counted(&[
            // Three hosts share one mark, and two of them another.
            (1, "certificate", "aa"),
            (2, "certificate", "aa"),
            (3, "certificate", "aa"),
            (2, "certificate", "bb"),
            (3, "certificate", "bb"),
            // Two hosts share a mark of another kind.
            (4, "models", "cc"),
            (5, "models", "cc"),
            // A mark of a single host, seen twice.
            (6, "instance", "dd"),
            (6, "instance", "dd"),
        ]);
        assert_eq!(counts["addresses that share a mark: certificate"], 3);
        assert_eq!(counts["addresses that share a mark: models"], 2);
        assert_eq!(counts.get("addresses that share a mark: instance"), None);
        assert_eq!(counts["addresses with a mark"], 6);
        assert_eq!(counts["addresses that are an earlier machine again"], 3);
    }

    #[test]
    fn hosts_present_at_the_same_time_are_different_machines() {
        assert_eq!(at_once(&[(0, 10), (11, 20), (21, 30)]), 1, "one machine, three addresses");
        assert_eq!(at_once(&[(0, 10), (0, 10), (0, 10)]), 3, "three copies of an image");
        assert_eq!(at_once(&[(0, 10), (10, 20)]), 2, "seen on the same day");
        assert_eq!(at_once(&[]), 0);
    }

    #[test]
    fn marks_join_over_several_hosts() {
        let mut groups = Groups::default();
        groups.join(1, 2);
        groups.join(3, 4);
        groups.join(2, 4);
        assert_eq!(groups.root(3), 1);
        assert_eq!(groups.root(5), 5);
    }
}
