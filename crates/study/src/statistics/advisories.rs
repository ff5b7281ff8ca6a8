//! Advisories held against what was last told, with the catalogue of the day.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};
use vigie_model::{AdvisoryVerdict, Known, Verdict, Why};

use super::{Given, Longs, Texts};
use crate::Error;
use crate::rows::Rows;

/// The hosts of an advisory by its verdict. A host with several endpoints is affected if any is, and unknown if none is and any is.
#[derive(Default)]
struct Counts {
    affected: i64,
    not_affected: i64,
    unknown: i64,
    example: Option<AdvisoryVerdict>,
}

impl Counts {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Affected => self.affected += 1,
            Verdict::NotAffected => self.not_affected += 1,
            Verdict::Unknown => self.unknown += 1,
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

pub(super) fn advisories(batches: &[RecordBatch], given: &Given<'_>) -> Result<Rows, Error> {
    let mut verdicts: HashMap<(String, Option<String>), Arc<[AdvisoryVerdict]>> = HashMap::new();
    let mut counts: BTreeMap<(String, String), Counts> = BTreeMap::new();
    let mut any = Counts::default();
    let (mut host_now, mut of_host): (Option<i64>, BTreeMap<(String, String), Verdict>) = (None, BTreeMap::new());
    let mut close = |of_host: &mut BTreeMap<(String, String), Verdict>, counts: &mut BTreeMap<(String, String), Counts>| {
        if let Some(all) = of_host.values().copied().reduce(worst) {
            any.add(all);
        }
        for (key, verdict) in std::mem::take(of_host) {
            counts.entry(key).or_default().add(verdict);
        }
    };
    let mut products: BTreeSet<String> = BTreeSet::new();
    for batch in batches {
        let (host, product, version) = (
            Longs::of(batch, "host")?,
            Texts::of(batch, "product")?,
            Texts::of(batch, "version")?,
        );
        for row in 0..batch.num_rows() {
            let (Some(host), Some(product)) = (host.get(row), product.get(row)) else {
                continue;
            };
            if host_now != Some(host) {
                close(&mut of_host, &mut counts);
                host_now = Some(host);
            }
            let version = version.get(row);
            let held = verdicts
                .entry((product.to_owned(), version.map(str::to_owned)))
                .or_insert_with(|| {
                    let version = version.map_or_else(|| Known::unknown(Why::NotCarried), |text| Known::Known(text.to_owned()));
                    given.knowledge.verdicts(product, &version)
                })
                .clone();
            if !held.is_empty() {
                products.insert(product.to_owned());
            }
            for verdict in held.iter() {
                let key = (product.to_owned(), verdict.id.clone());
                let counts = counts.entry(key.clone()).or_default();
                counts.example.get_or_insert_with(|| verdict.clone());
                let entry = of_host.entry(key).or_insert(verdict.verdict);
                *entry = worst(*entry, verdict.verdict);
            }
        }
    }
    close(&mut of_host, &mut counts);

    let mut rows = Rows::with(&[
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
    let put = |rows: &mut Rows, product: Value, id: &str, counts: &Counts| {
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
    let mut sorted: Vec<(&(String, String), &Counts)> = counts.iter().collect();
    sorted.sort_by_key(|(key, counts)| (std::cmp::Reverse(counts.affected), *key));
    for ((product, id), counts) in sorted {
        put(&mut rows, json!(product), id, counts);
    }
    Ok(rows)
}
