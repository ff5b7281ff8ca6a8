//! Coverage of the confidence intervals: samples are drawn from a lake, and their intervals compared with the figures of the whole lake.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::interval::{Interval, Sums, wilson};
use crate::{Error, Question, QuestionAnswer, Study};

/// Coverage of one share: how often the interval of a sample contains the share of all hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Covered {
    /// The question's id.
    pub question: &'static str,
    /// The labels of the row.
    pub row: String,
    /// The column of the share.
    pub share: String,
    /// The share of all hosts.
    pub truth: f64,
    /// The expected number of hosts in the numerator of a sample.
    pub expected: f64,
    /// Number of samples with an interval.
    pub samples: u32,
    /// Number of these whose interval contains the truth.
    pub held: u32,
}

impl Covered {
    /// The share of samples whose interval contains the truth.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        f64::from(self.held) / f64::from(self.samples.max(1))
    }
}

/// The probability that a correct 95 % interval has a measured coverage outside `bounds` in this number of samples, by the binomial
/// distribution: the rate of false alarms.
#[must_use]
pub fn false_alarm_probability(samples: u32, bounds: &RangeInclusive<f64>) -> f64 {
    const HOLDS: f64 = 0.95;
    let all = f64::from(samples);
    // The logarithm of the probability that `held` intervals contain the truth, from `samples` down; the probability itself underflows.
    let mut ln = all * HOLDS.ln();
    let mut outside = 0.0;
    for held in (0..=samples).rev().map(f64::from) {
        if !bounds.contains(&(held / all)) {
            outside += ln.exp();
        }
        ln += (held / (all - held + 1.0) * (1.0 - HOLDS) / HOLDS).ln();
    }
    outside
}

/// The key of a share: question, labels of the row, column.
type ShareKey = (&'static str, String, String);

/// Draws samples of hosts without replacement and compares each interval with the figure of all hosts. Shares for which fewer than `least`
/// hosts are expected in the numerator of a sample are left out. `progress` gets the number of each sample.
///
/// # Errors
///
/// A question that fails.
pub async fn coverage(
    study: &Study<'_>,
    questions: &[&'static Question],
    samples: u32,
    share: f64,
    least: f64,
    progress: &mut dyn FnMut(u32),
) -> Result<Vec<Covered>, Error> {
    let mut followed: BTreeMap<ShareKey, Covered> = BTreeMap::new();
    let mut of_zero: BTreeMap<ShareKey, Option<Interval>> = BTreeMap::new();
    for question in questions {
        let answer = study.answer_with_sums(question).await?;
        for (row, name, value) in shares(question, &answer) {
            // A share of observations also counts by its hosts, since hosts are drawn.
            let part = answer
                .rows
                .number(row, "hosts")
                .or_else(|| answer.rows.number(row, numerator(question, &name)));
            let expected = part.unwrap_or(0.0) * share;
            if expected >= least {
                let place = (question.id.as_str(), labels(&answer, row), name.clone());
                of_zero.insert(place.clone(), interval_of_zero(question, &answer, row, &name, share));
                followed.insert(
                    place.clone(),
                    Covered {
                        question: place.0,
                        row: place.1,
                        share: name,
                        truth: value,
                        expected,
                        samples: 0,
                        held: 0,
                    },
                );
            }
        }
    }
    let (hosts, _) = study.hosts().await?;
    let drawn_each = ((hosts as f64 * share).round() as usize).max(1);
    for sample in 0..samples {
        progress(sample);
        let some = study.sample(&draw(hosts, drawn_each, u64::from(sample) + 1)).await?;
        for question in questions {
            let answer = some.answer(question).await?.all;
            let found: BTreeMap<(String, String), (f64, f64)> = shares(question, &answer)
                .filter_map(|(row, name, _)| {
                    let bound = |end: &str| answer.rows.number(row, &format!("{name}_{end}"));
                    let interval = (bound("low")?, bound("high")?);
                    Some(((labels(&answer, row), name), interval))
                })
                .collect();
            for covered in followed.values_mut().filter(|covered| covered.question == question.id) {
                let interval = match found.get(&(covered.row.clone(), covered.share.clone())) {
                    Some(interval) => Some(*interval),
                    // A missing row is a share of 0 in the expected denominator.
                    None => of_zero
                        .get(&(covered.question, covered.row.clone(), covered.share.clone()))
                        .copied()
                        .flatten(),
                };
                if let Some((low, high)) = interval {
                    covered.samples += 1;
                    covered.held += u32::from(low <= covered.truth && covered.truth <= high);
                }
            }
        }
    }
    Ok(followed.into_values().collect())
}

/// The shares of an answer: row, column, value.
fn shares<'a>(question: &'a Question, answer: &'a QuestionAnswer) -> impl Iterator<Item = (&'a Vec<Value>, String, f64)> {
    let mut names: Vec<String> = question.shares.iter().map(|share| share.name.clone()).collect();
    if names.is_empty() && question.statistic.is_some() {
        names.push("share".to_owned());
    }
    answer.rows.rows.iter().flat_map(move |row| {
        names
            .clone()
            .into_iter()
            .filter_map(|name| Some((row, name.clone(), answer.rows.number(row, &name)?)))
            .collect::<Vec<_>>()
    })
}

/// The interval of a share whose row is missing from a sample: 0 of the row's expected denominator, which may be much smaller than the
/// question's, as for the rows of a tier.
fn interval_of_zero(question: &Question, answer: &QuestionAnswer, row: &[Value], name: &str, sample: f64) -> Option<Interval> {
    let expected = |column: &str| answer.rows.number(row, column).map(|all| all * sample);
    let Some(share) = question.shares.iter().find(|share| share.name == name) else {
        return wilson(0.0, answer.denominator as f64 * sample);
    };
    let whole = expected(&share.whole)?;
    match &share.sums {
        None => wilson(0.0, whole),
        Some([_, _, xx, n]) => Sums {
            x: whole,
            xx: expected(xx)?,
            n: expected(n)?,
            ..Sums::default()
        }
        .interval(),
    }
}

fn numerator<'a>(question: &'a Question, name: &str) -> &'a str {
    question
        .shares
        .iter()
        .find(|share| share.name == name)
        .map_or("gaps", |share| &share.part)
}

/// The labels of a row: its texts, and the numbers of label columns.
fn labels(answer: &QuestionAnswer, row: &[Value]) -> String {
    let numeric = ["days", "week", "score", "threshold"];
    let parts: Vec<String> = answer
        .rows
        .columns
        .iter()
        .zip(row)
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if numeric.contains(&name.as_str()) => Some(number.to_string()),
            _ => None,
        })
        .collect();
    parts.join(" / ")
}

/// `count` different numbers from 1 to `hosts` (Floyd's algorithm), determined by a seed.
fn draw(hosts: i64, count: usize, seed: u64) -> Vec<i64> {
    // SplitMix64. The seed is mixed first, because states that differ by one step give the same sequence, shifted by one.
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut state = mix(seed);
    let mut below = |limit: i64| -> i64 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        i64::try_from((u128::from(mix(state)) * limit.unsigned_abs() as u128) >> 64).unwrap_or(0)
    };
    let count = i64::try_from(count).unwrap_or(hosts).min(hosts);
    let mut chosen = std::collections::BTreeSet::new();
    for top in (hosts - count + 1)..=hosts {
        let one = below(top) + 1;
        if !chosen.insert(one) {
            chosen.insert(top);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fewer_samples_have_more_false_alarms() {
        // With two samples, coverage is 0, 0.5 or 1, and each of these is outside.
        assert!((false_alarm_probability(2, &(0.92..=0.98)) - 1.0).abs() < 1e-12);
        // With three, only all three are within.
        assert!((false_alarm_probability(3, &(0.92..=1.0)) - (1.0 - 0.95_f64.powi(3))).abs() < 1e-12);
        let (few, many) = (
            false_alarm_probability(200, &(0.92..=0.98)),
            false_alarm_probability(100_000, &(0.92..=0.98)),
        );
        // 183 or fewer of 200, or 197 or more; summed independently with the gamma function.
        assert!((few - 0.032_847_836).abs() < 1e-8, "{few}");
        assert!(many < 1e-9, "{many}");
    }

    #[test]
    fn samples_overlap_no_more_than_by_chance() {
        // 100 of 1,000: two samples share 10 hosts on average, with a standard deviation of 2.8.
        let samples: Vec<BTreeSet<i64>> = (1..=40).map(|seed| draw(1_000, 100, seed).into_iter().collect()).collect();
        let mut shared = Vec::new();
        for (at, one) in samples.iter().enumerate() {
            shared.extend(samples[..at].iter().map(|other| one.intersection(other).count()));
        }
        let mean = shared.iter().sum::<usize>() as f64 / shared.len() as f64;
        assert!((9.5..10.5).contains(&mean), "{mean}");
        assert!(shared.iter().all(|shared| *shared < 25), "{shared:?}");
    }

    #[test]
    fn a_sample_has_distinct_hosts_and_every_host_is_drawn() {
        let mut times = [0; 21];
        for seed in 0..2000 {
            let drawn = draw(20, 5, seed);
            assert_eq!(drawn.len(), 5);
            for host in drawn {
                times[usize::try_from(host).expect("a number")] += 1;
            }
        }
        assert_eq!(times[0], 0);
        assert!(times[1..].iter().all(|times| (400..600).contains(times)), "{times:?}");
    }
}
