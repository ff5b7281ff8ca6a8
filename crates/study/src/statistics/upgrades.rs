//! Upgrades in place: the order of versions is the product's own, which SQL does not know.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};
use vigie_advisory::Version;

use super::{Given, Longs, Texts};
use crate::Error;
use crate::interval::wilson;
use crate::rows::Rows;

/// The versions of an endpoint, in the order in which they were first told.
type Told = Vec<(String, String)>;

pub(super) fn upgrades(batches: &[RecordBatch], given: &Given<'_>) -> Result<Rows, Error> {
    let mut endpoints: BTreeMap<i64, Told> = BTreeMap::new();
    for batch in batches {
        let (endpoint, product, version) = (
            Longs::of(batch, "endpoint")?,
            Texts::of(batch, "product")?,
            Texts::of(batch, "version")?,
        );
        for row in 0..batch.num_rows() {
            if let (Some(endpoint), Some(product), Some(version)) = (endpoint.get(row), product.get(row), version.get(row)) {
                endpoints
                    .entry(endpoint)
                    .or_default()
                    .push((product.to_owned(), version.to_owned()));
            }
        }
    }
    let mut counts: BTreeMap<&str, i64> = ["upgraded", "downgraded", "cannot be ordered", "another product"]
        .into_iter()
        .map(|change| (change, 0))
        .collect();
    for told in endpoints.values() {
        *counts.entry(change(told, given)).or_default() += 1;
    }
    let mut rows = Rows::with(&["change", "endpoints", "known", "share", "share_low", "share_high"]);
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

/// What the first and the last that was told come to.
fn change(told: &Told, given: &Given<'_>) -> &'static str {
    let (Some((product, first)), Some((last_product, last))) = (told.first(), told.last()) else {
        return "cannot be ordered";
    };
    if product != last_product {
        return "another product";
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
