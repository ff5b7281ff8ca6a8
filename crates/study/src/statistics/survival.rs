//! Kaplan-Meier estimate (1958) with Greenwood's variance; intervals on the log(-log S) scale (Kalbfleisch and Prentice).

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::{Booleans, Integers};
use crate::Error;
use crate::rows::AnswerRows;

/// The days at which the curve is evaluated.
const DAYS: [i64; 12] = [1, 2, 3, 7, 14, 30, 60, 90, 120, 180, 240, 300];

pub(super) fn survival(batches: &[RecordBatch]) -> Result<AnswerRows, Error> {
    // By lifetime in days: the number of hosts gone, and of those last seen then that may still be there (censored).
    let mut lives: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for batch in batches {
        let (lived, gone, hosts) = (
            Integers::of(batch, "lived")?,
            Booleans::of(batch, "gone")?,
            Integers::of(batch, "hosts")?,
        );
        for row in 0..batch.num_rows() {
            if let (Some(lived), Some(gone), Some(hosts)) = (lived.get(row), gone.get(row), hosts.get(row)) {
                let entry = lives.entry(lived).or_default();
                if gone {
                    entry.0 += hosts as f64;
                } else {
                    entry.1 += hosts as f64;
                }
            }
        }
    }
    let mut rows = AnswerRows::with(&["days", "share", "share_low", "share_high", "at_risk", "gone"]);
    let longest = lives.keys().next_back().copied().unwrap_or(-1);
    for days in DAYS.into_iter().filter(|days| *days <= longest + 1) {
        let mut at_risk: f64 = lives.values().map(|(gone, censored)| gone + censored).sum();
        let (mut share, mut greenwood, mut all_gone) = (1.0, 0.0, 0.0);
        for (gone, censored) in lives.range(..days).map(|(_, ends)| *ends) {
            if at_risk > 0.0 {
                share *= 1.0 - gone / at_risk;
            }
            if at_risk > gone {
                greenwood += gone / (at_risk * (at_risk - gone));
            }
            at_risk -= gone + censored;
            all_gone += gone;
        }
        let (low, high) = interval(share, greenwood);
        rows.rows.push(vec![
            json!(days),
            json!(share),
            low,
            high,
            json!(at_risk as i64),
            json!(all_gone as i64),
        ]);
    }
    Ok(rows)
}

fn interval(share: f64, greenwood: f64) -> (Value, Value) {
    if share <= 0.0 || share >= 1.0 {
        return (Value::Null, Value::Null);
    }
    let error = greenwood.sqrt() / share.ln().abs();
    let bound = |z: f64| json!(share.powf((z * error).exp()));
    (bound(1.959_963_984_540_054), bound(-1.959_963_984_540_054))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{BooleanArray, Int64Array};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn it_matches_the_textbook_estimate() {
        // Ten hosts: one is gone on day 1, one is last seen on day 2, two are gone on day 6, the rest are last seen on day 9.
        let schema = Schema::new(vec![
            Field::new("lived", DataType::Int64, false),
            Field::new("gone", DataType::Boolean, false),
            Field::new("hosts", DataType::Int64, false),
        ]);
        let batch = RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(Int64Array::from(vec![1, 2, 6, 9])),
                Arc::new(BooleanArray::from(vec![true, false, true, false])),
                Arc::new(Int64Array::from(vec![1, 1, 2, 6])),
            ],
        )
        .expect("a batch");
        let rows = survival(&[batch]).expect("rows");
        let at = |days: i64| rows.rows.iter().find(|row| row[0] == days).expect("a row").clone();
        assert_eq!(at(1)[1], 1.0);
        assert_eq!(at(2)[1], 0.9);
        // 0.9 times (1 - 2/8).
        assert!((at(7)[1].as_f64().expect("a share") - 0.675).abs() < 1e-12);
        assert_eq!(at(7)[4], 6, "at risk");
        // S^exp(±1.96 · sqrt(1/90 + 2/48) / |ln S|): the standard error of ln(-ln S) is 0.22973 / 0.39304 = 0.58450,
        // so the exponents are exp(±1.14559), 3.1443 and 0.31803.
        assert!((at(7)[2].as_f64().expect("low") - 0.290_585).abs() < 1e-5, "{:?}", at(7));
        assert!((at(7)[3].as_f64().expect("high") - 0.882_497).abs() < 1e-5, "{:?}", at(7));
    }
}
