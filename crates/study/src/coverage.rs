//! How often an interval holds what it says: samples are drawn from a lake, and their intervals held against the whole lake's figures.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::interval::{Interval, Sums, wilson};
use crate::{Answered, Error, Question, Study};

/// How often the interval of one share held the share of all hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Covered {
    /// The question's id.
    pub question: &'static str,
    /// The row's words.
    pub row: String,
    /// The share's column.
    pub share: String,
    /// The share of all hosts.
    pub truth: f64,
    /// How many of the hosts that count are expected in a sample's numerator.
    pub expected: f64,
    /// Samples that had an interval.
    pub samples: u32,
    /// Those whose interval held the truth.
    pub held: u32,
}

impl Covered {
    /// The share of samples whose interval held the truth.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        f64::from(self.held) / f64::from(self.samples.max(1))
    }
}

/// The chance that an interval which holds in 95 % of all samples holds in a share of so many of them that is not within `bounds`: what
/// `samples` cannot tell from an interval that is wrong. By the binomial distribution.
#[must_use]
pub fn outside_by_chance(samples: u32, bounds: &RangeInclusive<f64>) -> f64 {
    const HOLDS: f64 = 0.95;
    let all = f64::from(samples);
    // The logarithm of the chance that it holds in `held` of them, from all of them down: the chance itself is too small a number at first.
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

/// A share's place: the question, the row's words, the column.
type Place = (&'static str, String, String);

/// Draws samples of hosts without replacement and holds each interval against the figure of all of them. Only shares of which at least
/// `least` hosts are expected in a sample are followed. `told` hears the number of each sample.
///
/// # Errors
///
/// If a question cannot be answered.
pub async fn coverage(
    study: &Study<'_>,
    questions: &[&'static Question],
    samples: u32,
    share: f64,
    least: f64,
    told: &mut dyn FnMut(u32),
) -> Result<Vec<Covered>, Error> {
    let mut followed: BTreeMap<Place, Covered> = BTreeMap::new();
    let mut of_none: BTreeMap<Place, Option<Interval>> = BTreeMap::new();
    for question in questions {
        let answer = study.answer_with_sums(question).await?;
        for (row, name, value) in shares(question, &answer) {
            // Of a ratio over observations it is the hosts that are drawn.
            let part = answer
                .rows
                .number(row, "hosts")
                .or_else(|| answer.rows.number(row, numerator(question, &name)));
            let expected = part.unwrap_or(0.0) * share;
            if expected >= least {
                let place = (question.id.as_str(), words(&answer, row), name.clone());
                of_none.insert(place.clone(), interval_of_none(question, &answer, row, &name, share));
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
        told(sample);
        let some = study.among(&draw(hosts, drawn_each, u64::from(sample) + 1)).await?;
        for question in questions {
            let answer = some.answer(question).await?.all;
            let found: BTreeMap<(String, String), (f64, f64)> = shares(question, &answer)
                .filter_map(|(row, name, _)| {
                    let bound = |end: &str| answer.rows.number(row, &format!("{name}_{end}"));
                    let interval = (bound("low")?, bound("high")?);
                    Some(((words(&answer, row), name), interval))
                })
                .collect();
            for covered in followed.values_mut().filter(|covered| covered.question == question.id) {
                let interval = match found.get(&(covered.row.clone(), covered.share.clone())) {
                    Some(interval) => Some(*interval),
                    // No such row: none of those that are expected to be known.
                    None => of_none
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

/// The rows that have a share with an interval.
fn shares<'a>(question: &'a Question, answer: &'a Answered) -> impl Iterator<Item = (&'a Vec<Value>, String, f64)> {
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

/// The interval that a sample would give a share whose row it has not: of none, of as many as the sample is expected to know. The whole
/// of a row may be a small part of its question's, as that of a tier is.
fn interval_of_none(question: &Question, answer: &Answered, row: &[Value], name: &str, sample: f64) -> Option<Interval> {
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

/// What a row is about: its words, and the numbers that are labels.
fn words(answer: &Answered, row: &[Value]) -> String {
    let labels = ["days", "week", "score", "threshold"];
    let parts: Vec<String> = answer
        .rows
        .columns
        .iter()
        .zip(row)
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if labels.contains(&name.as_str()) => Some(number.to_string()),
            _ => None,
        })
        .collect();
    parts.join(" / ")
}

/// Different numbers from 1 to `hosts` (Floyd's method), by a seed.
fn draw(hosts: i64, count: usize, seed: u64) -> Vec<i64> {
    // SplitMix64. A seed is mixed before it is a state: states that differ by a step give the same numbers, one later.
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
    fn the_fewer_samples_the_more_falls_outside_by_chance() {
        // Of two samples it holds in none, one or both, and each of these is outside.
        assert!((outside_by_chance(2, &(0.92..=0.98)) - 1.0).abs() < 1e-12);
        // Of three: outside unless within is all three of them.
        assert!((outside_by_chance(3, &(0.92..=1.0)) - (1.0 - 0.95_f64.powi(3))).abs() < 1e-12);
        let (few, many) = (outside_by_chance(200, &(0.92..=0.98)), outside_by_chance(100_000, &(0.92..=0.98)));
        // 183 or fewer of 200, or 197 or more, summed from the gamma function elsewhere.
        assert!((few - 0.032_847_836).abs() < 1e-8, "{few}");
        assert!(many < 1e-9, "{many}");
    }

    #[test]
    fn samples_have_no_more_in_common_than_chance_gives() {
        // 100 of 1,000: two samples share 10 on the mean, with a standard deviation of 2.8.
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
    fn a_sample_has_different_hosts_and_all_have_their_turn() {
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
