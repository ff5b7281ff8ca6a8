//! Measures of how unevenly hosts are distributed over the categories of a dimension.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::{Integers, Strings};
use crate::Error;
use crate::rows::AnswerRows;

pub(super) fn concentration(batches: &[RecordBatch]) -> Result<AnswerRows, Error> {
    let mut dimensions: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for batch in batches {
        let (dimension, hosts) = (Strings::of(batch, "dimension")?, Integers::of(batch, "hosts")?);
        for row in 0..batch.num_rows() {
            if let (Some(dimension), Some(hosts)) = (dimension.get(row), hosts.get(row)) {
                dimensions.entry(dimension.to_owned()).or_default().push(hosts as f64);
            }
        }
    }
    let mut rows = AnswerRows::with(&[
        "dimension",
        "categories",
        "known",
        "hhi",
        "hhi_unbiased",
        "hhi_unbiased_low",
        "hhi_unbiased_high",
        "gini",
        "entropy",
        "effective",
        "top_1",
        "top_3",
        "top_10",
    ]);
    for (dimension, mut counts) in dimensions {
        counts.sort_by(|a, b| b.total_cmp(a));
        let measured = Concentration::of(&counts);
        rows.rows.push(vec![
            json!(dimension),
            json!(counts.len()),
            json!(measured.total as i64),
            json!(measured.hhi),
            measured.unbiased.map_or(Value::Null, |(value, _)| json!(value)),
            measured
                .unbiased
                .map_or(Value::Null, |(value, error)| json!((value - error).max(0.0))),
            measured
                .unbiased
                .map_or(Value::Null, |(value, error)| json!((value + error).min(1.0))),
            json!(measured.gini),
            json!(measured.entropy),
            json!(measured.entropy.exp2()),
            json!(measured.top(&counts, 1)),
            json!(measured.top(&counts, 3)),
            json!(measured.top(&counts, 10)),
        ]);
    }
    Ok(rows)
}

struct Concentration {
    total: f64,
    hhi: f64,
    /// The unbiased index for a finite number of hosts, and half the width of its interval.
    unbiased: Option<(f64, f64)>,
    gini: f64,
    entropy: f64,
}

impl Concentration {
    /// Computes the measures of counts in descending order.
    fn of(counts: &[f64]) -> Self {
        let total: f64 = counts.iter().sum();
        let shares = || counts.iter().map(|count| count / total);
        let hhi: f64 = shares().map(|share| share * share).sum();
        // Simpson's index: the probability that two different hosts have the same category.
        let unbiased = (total > 1.0).then(|| {
            let value = (hhi * total - 1.0) / (total - 1.0);
            let cubes: f64 = shares().map(|share| share.powi(3)).sum();
            // Variance of a sum of squared multinomial shares, by the delta method (Simpson 1949).
            let error = (4.0 * (cubes - hhi * hhi).max(0.0) / total).sqrt();
            (value, 1.959_963_984_540_054 * error)
        });
        let n = counts.len() as f64;
        // Counts descend, so the rank from below is n - at.
        let ranked: f64 = counts.iter().enumerate().map(|(at, count)| (n - at as f64) * count).sum();
        Self {
            total,
            hhi,
            unbiased,
            gini: if total > 0.0 {
                (2.0 * ranked / (n * total) - (n + 1.0) / n).max(0.0)
            } else {
                0.0
            },
            // Subtracted from 0, so that a single category gives 0 and not -0.
            entropy: 0.0 - shares().filter(|share| *share > 0.0).map(|share| share * share.log2()).sum::<f64>(),
        }
    }

    fn top(&self, counts: &[f64], k: usize) -> f64 {
        counts.iter().take(k).sum::<f64>() / self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measures_match_the_textbooks() {
        let even = Concentration::of(&[5.0, 5.0, 5.0, 5.0]);
        assert!((even.hhi - 0.25).abs() < 1e-12 && even.gini.abs() < 1e-12 && (even.entropy - 2.0).abs() < 1e-12);
        let one = Concentration::of(&[10.0]);
        assert!((one.hhi - 1.0).abs() < 1e-12 && one.gini.abs() < 1e-12);
        assert_eq!(json!(one.entropy).to_string(), "0.0", "not -0.0");
        // Gini of 1, 2, 3, 4: 2·(1+4+9+16)/(4·10) - 5/4 = 0.25.
        let steps = Concentration::of(&[4.0, 3.0, 2.0, 1.0]);
        assert!((steps.gini - 0.25).abs() < 1e-12, "{}", steps.gini);
        assert!((steps.top(&[4.0, 3.0, 2.0, 1.0], 3) - 0.9).abs() < 1e-12);
    }
}
