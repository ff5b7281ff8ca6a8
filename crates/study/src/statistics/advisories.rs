//! The advisories that affect each host, by the last known version of each endpoint and today's catalogue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};
use vigie_model::{AdvisoryCoverage, AdvisoryVerdict, Known, Verdict, Why};

use super::{Inputs, Integers, Strings};
use crate::Error;
use crate::rows::AnswerRows;

/// The hosts of an advisory by verdict. A host with several endpoints is affected if any endpoint is; else unknown if any is.
#[derive(Default)]
struct VerdictCounts {
    affected: i64,
    not_affected: i64,
    unknown: i64,
    example: Option<AdvisoryVerdict>,
}

impl VerdictCounts {
    fn add(&mut self, verdict: Verdict, hosts: i64) {
        match verdict {
            Verdict::Affected => self.affected += hosts,
            Verdict::NotAffected => self.not_affected += hosts,
            Verdict::Unknown => self.unknown += hosts,
        }
    }
}

fn worst(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (Verdict::Affected, _) | (_, Verdict::Affected) => Verdict::Affected,
        (Verdict::Unknown, _) | (_, Verdict::Unknown) => Verdict::Unknown,
        _ => Verdict::NotAffected,
    }
}

/// A product and its version, if known.
type ProductVersion = (String, Option<String>);

pub(super) fn advisories(batches: &[RecordBatch], given: &Inputs<'_>) -> Result<AnswerRows, Error> {
    let mut counts: BTreeMap<(String, String), VerdictCounts> = BTreeMap::new();
    let mut any = VerdictCounts::default();
    // Hosts of a product without advisories in the catalogue: whether any applies is unknown, which is not zero.
    let mut not_covered: BTreeMap<String, i64> = BTreeMap::new();
    for (runs, hosts) in combinations(batches)? {
        let mut of_host: BTreeMap<(String, String), Verdict> = BTreeMap::new();
        let mut without: BTreeSet<String> = BTreeSet::new();
        for (product, version) in runs {
            if given.knowledge.coverage(&product) == AdvisoryCoverage::NotCovered {
                without.insert(product);
                continue;
            }
            let version = version.map_or_else(|| Known::unknown(Why::NotCarried), Known::Known);
            for verdict in given.knowledge.verdicts(&product, &version).iter() {
                let key = (product.clone(), verdict.id.clone());
                counts
                    .entry(key.clone())
                    .or_default()
                    .example
                    .get_or_insert_with(|| verdict.clone());
                let entry = of_host.entry(key).or_insert(verdict.verdict);
                *entry = worst(*entry, verdict.verdict);
            }
        }
        let unknown = (!without.is_empty()).then_some(Verdict::Unknown);
        if let Some(all) = of_host.values().copied().chain(unknown).reduce(worst) {
            any.add(all, hosts);
        }
        for product in without {
            *not_covered.entry(product).or_default() += hosts;
        }
        for (key, verdict) in of_host {
            counts.entry(key).or_default().add(verdict, hosts);
        }
    }

    let mut rows = AnswerRows::with(&[
        "product",
        "advisory",
        "severity",
        "exploited",
        "fixed",
        "hosts",
        "known",
        "unknown",
        "not_affected",
    ]);
    let put = |rows: &mut AnswerRows, product: Value, id: &str, counts: &VerdictCounts| {
        let example = counts.example.as_ref();
        rows.rows.push(vec![
            product,
            json!(id),
            example.map_or(Value::Null, |one| json!(one.severity)),
            example.map_or(Value::Null, |one| json!(one.exploited)),
            example.and_then(|one| one.fixed.clone()).map_or(Value::Null, Value::from),
            json!(counts.affected),
            json!(counts.affected + counts.not_affected),
            json!(counts.unknown),
            json!(counts.not_affected),
        ]);
    };
    put(&mut rows, Value::Null, "any", &any);
    let mut sorted: Vec<(&(String, String), &VerdictCounts)> = counts.iter().collect();
    sorted.sort_by_key(|(key, counts)| (std::cmp::Reverse(counts.affected), *key));
    for ((product, id), counts) in sorted {
        put(&mut rows, json!(product), id, counts);
    }
    for (product, hosts) in not_covered {
        let mut row = vec![Value::Null; rows.columns.len()];
        for (column, value) in [
            ("product", json!(product)),
            ("advisory", json!("not covered")),
            ("known", json!(0)),
            ("unknown", json!(hosts)),
        ] {
            if let Some(cell) = rows.column(column).and_then(|at| row.get_mut(at)) {
                *cell = value;
            }
        }
        rows.rows.push(row);
    }
    Ok(rows)
}

/// Number of hosts per combination of products and versions. There are few combinations, and all hosts of one have the same verdicts.
fn combinations(batches: &[RecordBatch]) -> Result<Vec<(Vec<ProductVersion>, i64)>, Error> {
    // Each product and version gets a number, so that strings are compared only here.
    let mut numbers: HashMap<ProductVersion, u32> = HashMap::new();
    let mut of_hosts: Vec<(i64, u32)> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let (host, product, version) = (
            Integers::of(batch, "host")?,
            Strings::of(batch, "product")?,
            Strings::of(batch, "version")?,
        );
        for row in 0..batch.num_rows() {
            let (Some(host), Some(product)) = (host.get(row), product.get(row)) else {
                continue;
            };
            let run = (product.to_owned(), version.get(row).map(str::to_owned));
            let next = numbers.len() as u32;
            of_hosts.push((host, *numbers.entry(run).or_insert(next)));
        }
    }
    of_hosts.sort_unstable();
    let mut combinations: HashMap<Vec<u32>, i64> = HashMap::new();
    let mut combination = Vec::new();
    for host in of_hosts.chunk_by(|(a, _), (b, _)| a == b) {
        combination.clear();
        combination.extend(host.iter().map(|(_, run)| *run));
        match combinations.get_mut(&combination) {
            Some(hosts) => *hosts += 1,
            None => {
                combinations.insert(combination.clone(), 1);
            }
        }
    }
    let runs: HashMap<u32, ProductVersion> = numbers.into_iter().map(|(run, number)| (number, run)).collect();
    Ok(combinations
        .into_iter()
        .map(|(numbers, hosts)| (numbers.iter().filter_map(|number| runs.get(number).cloned()).collect(), hosts))
        .collect())
}
