//! Upgrades in place, by the product's own version order, which SQL cannot express.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};
use vigie_advisory::Version;

use super::{Inputs, Integers, Strings};
use crate::Error;
use crate::interval::wilson;
use crate::rows::AnswerRows;

/// A version of a product, and when it was first and last seen, in microseconds.
struct SeenVersion {
    product: String,
    version: String,
    first_seen: i64,
    last_seen: i64,
}

pub(super) fn upgrades(batches: &[RecordBatch], given: &Inputs<'_>) -> Result<AnswerRows, Error> {
    let mut endpoints: BTreeMap<i64, Vec<SeenVersion>> = BTreeMap::new();
    for batch in batches {
        let (endpoint, product, version) = (
            Integers::of(batch, "endpoint")?,
            Strings::of(batch, "product")?,
            Strings::of(batch, "version")?,
        );
        let (first, last) = (Integers::of(batch, "first_seen")?, Integers::of(batch, "last_seen")?);
        for row in 0..batch.num_rows() {
            let (Some(endpoint), Some(product), Some(version)) = (endpoint.get(row), product.get(row), version.get(row)) else {
                continue;
            };
            endpoints.entry(endpoint).or_default().push(SeenVersion {
                product: product.to_owned(),
                version: version.to_owned(),
                first_seen: first.get(row).unwrap_or(i64::MIN),
                last_seen: last.get(row).unwrap_or(i64::MAX),
            });
        }
    }
    let mut counts: BTreeMap<&str, i64> = ["upgraded", "downgraded", "cannot be ordered", "another product", "there and back"]
        .into_iter()
        .map(|change| (change, 0))
        .collect();
    for versions in endpoints.values() {
        *counts.entry(change(versions, given)).or_default() += 1;
    }
    let mut rows = AnswerRows::with(&["change", "endpoints", "known", "share", "share_low", "share_high"]);
    for (change, count) in counts {
        let share = wilson(count as f64, given.denominator as f64);
        rows.rows.push(vec![
            json!(change),
            json!(count),
            json!(given.denominator),
            share.map_or(Value::Null, |_| json!(count as f64 / given.denominator as f64)),
            share.map_or(Value::Null, |(low, _)| json!(low)),
            share.map_or(Value::Null, |(_, high)| json!(high)),
        ]);
    }
    Ok(rows)
}

/// The change from the first to the last version.
fn change(versions: &[SeenVersion], given: &Inputs<'_>) -> &'static str {
    let begun = versions.iter().min_by_key(|seen| (seen.first_seen, seen.last_seen));
    let ended = versions.iter().max_by_key(|seen| (seen.last_seen, seen.first_seen));
    let (
        Some(SeenVersion {
            product, version: first, ..
        }),
        Some(last),
    ) = (begun, ended)
    else {
        return "cannot be ordered";
    };
    if *product != last.product {
        return "another product";
    }
    let last = &last.version;
    if first == last {
        return "there and back";
    }
    let Some(order) = given.knowledge.catalog.product(product).map(|product| product.versions) else {
        return "cannot be ordered";
    };
    match (Version::parse(order, first), Version::parse(order, last)) {
        (Ok(first), Ok(last)) => match last.cmp(&first) {
            Ordering::Greater => "upgraded",
            Ordering::Less => "downgraded",
            // The same version in another spelling.
            Ordering::Equal => "cannot be ordered",
        },
        _ => "cannot be ordered",
    }
}
