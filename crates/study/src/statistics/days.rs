//! Churn and gaps, from the days on which each host was seen.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::Integers;
use crate::Error;
use crate::base_tables::MAX_WINDOW_DAYS;
use crate::interval::{Sums, wilson};
use crate::rows::AnswerRows;

/// Days per block, as in the base tables: one bit per day of a 64-bit integer.
pub(crate) const BLOCK: i64 = 62;

/// Calls `visit` with the days of each host, ascending.
fn each_host(batches: &[RecordBatch], mut visit: impl FnMut(&[i64])) -> Result<(), Error> {
    let mut blocks = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let (host, block, bits) = (
            Integers::of(batch, "host")?,
            Integers::of(batch, "block")?,
            Integers::of(batch, "days")?,
        );
        blocks.extend((0..batch.num_rows()).filter_map(|row| Some((host.get(row)?, block.get(row)?, bits.get(row)?))));
    }
    blocks.sort_unstable();
    let mut days = Vec::new();
    for of_host in blocks.chunk_by(|(a, ..), (b, ..)| a == b) {
        days.clear();
        for (_, block, bits) in of_host {
            let mut left = *bits;
            while left != 0 {
                days.push(block * BLOCK + i64::from(left.trailing_zeros()));
                left &= left - 1;
            }
        }
        visit(&days);
    }
    Ok(())
}

/// The gaps in days between two appearances of a host, by length.
pub(super) fn gaps(batches: &[RecordBatch]) -> Result<AnswerRows, Error> {
    const NAMES: [&str; 5] = ["1", "2-3", "4-7", "8-30", ">30"];
    let mut sums = [Sums::default(); 5];
    let (mut all, mut squares, mut hosts, mut lengths) = (0.0, 0.0, 0.0, BTreeMap::<i64, u64>::new());
    each_host(batches, |days| {
        let mut counts = [0.0; 5];
        for pair in days.windows(2) {
            let gap = pair[1] - pair[0];
            *lengths.entry(gap).or_default() += 1;
            let at = match gap {
                ..=1 => 0,
                2..=3 => 1,
                4..=7 => 2,
                8..=30 => 3,
                _ => 4,
            };
            counts[at] += 1.0;
        }
        let x: f64 = counts.iter().sum();
        if x > 0.0 {
            all += x;
            squares += x * x;
            hosts += 1.0;
            for (sums, y) in sums.iter_mut().zip(counts) {
                sums.y += y;
                sums.yy += y * y;
                sums.xy += x * y;
            }
        }
    })?;
    let median = median_of(&lengths);
    let mut rows = AnswerRows::with(&["days", "gaps", "share", "share_low", "share_high", "median_of_all"]);
    for (name, sums) in NAMES.into_iter().zip(sums) {
        if all <= 0.0 || sums.y <= 0.0 {
            continue;
        }
        let sums = Sums {
            x: all,
            xx: squares,
            n: hosts,
            ..sums
        };
        let (low, high) = sums
            .interval()
            .map_or((Value::Null, Value::Null), |(low, high)| (json!(low), json!(high)));
        rows.rows.push(vec![
            json!(name),
            json!(sums.y as i64),
            json!(sums.y / all),
            low,
            high,
            json!(median),
        ]);
    }
    Ok(rows)
}

/// The median of the values, given their counts.
fn median_of(counts: &BTreeMap<i64, u64>) -> Option<i64> {
    let half = counts.values().sum::<u64>().div_ceil(2);
    let mut met = 0;
    counts.iter().find_map(|(value, count)| {
        met += count;
        (met >= half && half > 0).then_some(*value)
    })
}

/// Hosts that are new, returned, stayed or left, by week of the window.
pub(super) fn churn(batches: &[RecordBatch], (first, last): (i64, i64)) -> Result<AnswerRows, Error> {
    #[derive(Clone, Copy, Default)]
    struct Week {
        hosts: i64,
        new: i64,
        returned: i64,
        stayed: i64,
        left: i64,
    }
    let count = usize::try_from((last - first).clamp(0, MAX_WINDOW_DAYS) / 7 + 1).unwrap_or(1);
    let mut weeks = vec![Week::default(); count];
    each_host(batches, |days| {
        let mut before: Option<usize> = None;
        for day in days {
            let Ok(week) = usize::try_from((day - first).max(0) / 7) else {
                continue;
            };
            if before == Some(week) || week >= count {
                continue;
            }
            weeks[week].hosts += 1;
            match before {
                None => weeks[week].new += 1,
                Some(last) if last + 1 == week => weeks[week].stayed += 1,
                Some(_) => weeks[week].returned += 1,
            }
            if let Some(last) = before
                && last + 1 < week
            {
                weeks[last + 1].left += 1;
            }
            before = Some(week);
        }
        if let Some(last) = before
            && last + 1 < count
        {
            weeks[last + 1].left += 1;
        }
    })?;
    let mut rows = AnswerRows::with(&[
        "week",
        "hosts",
        "new",
        "returned",
        "stayed",
        "left",
        "known",
        "share",
        "share_low",
        "share_high",
    ]);
    for (at, week) in weeks.iter().enumerate() {
        let known = week.stayed + week.left;
        let (share, low, high) = match (at, wilson(week.stayed as f64, known as f64)) {
            (1.., Some((low, high))) => (json!(week.stayed as f64 / known as f64), json!(low), json!(high)),
            _ => (Value::Null, Value::Null, Value::Null),
        };
        // Which hosts were there before the first week is unknown.
        let known_after_first = |count: i64| if at == 0 { Value::Null } else { json!(count) };
        rows.rows.push(vec![
            json!(at),
            json!(week.hosts),
            json!(week.new),
            known_after_first(week.returned),
            known_after_first(week.stayed),
            known_after_first(week.left),
            known_after_first(known),
            share,
            low,
            high,
        ]);
    }
    Ok(rows)
}
