//! Histograms with fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};

/// The upper bounds of a histogram's buckets; one more takes what is above the last.
pub(super) type Bounds = &'static [f64];

/// Of tokens: the bounds that OpenTelemetry's conventions advise for `gen_ai.client.token.usage`.
pub(super) const TOKENS: Bounds = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Of seconds: those for `gen_ai.server.request.duration`.
pub(super) const DURATION: Bounds = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/// Those for `gen_ai.server.time_to_first_token`.
pub(super) const FIRST_TOKEN: Bounds = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Those for `gen_ai.server.time_per_output_token`.
pub(super) const PER_TOKEN: Bounds = &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

/// A sum is kept in millionths: of tokens and of seconds that is exact enough, and a whole number can be added without a lock.
const PARTS: f64 = 1e6;

/// A histogram that one thread fills and any thread reads.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: Bounds,
    /// How many in each bucket alone.
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        // A float that is too large or negative becomes the nearest number that fits.
        self.sum.fetch_add((value * PARTS) as u64, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counted {
        Counted {
            bounds: self.bounds,
            buckets: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// What a histogram held when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    bounds: Bounds,
    buckets: Vec<u64>,
    sum: u64,
}

impl Counted {
    /// Adds another of the same bounds.
    pub(super) fn merge(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// The upper bounds of the buckets.
    pub(crate) fn bounds(&self) -> &[f64] {
        self.bounds
    }

    /// How many values are in each bucket alone; the last one has what is above the last bound.
    pub(crate) fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// How many values there were.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum.
    pub(crate) fn sum(&self) -> f64 {
        self.sum as f64 / PARTS
    }

    /// The bounds, each with the number of values up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds.iter().zip(&self.buckets).scan(0, |count, (bound, more)| {
            *count += more;
            Some((*bound, *count))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_their_buckets() {
        let (one, other) = (Histogram::new(TOKENS), Histogram::new(TOKENS));
        for value in [1.0, 2.0, 4.0, 1e12] {
            one.add(value);
        }
        other.add(3.0);
        let mut counted = one.read();
        counted.merge(&other.read());
        let cumulative: Vec<(f64, u64)> = counted.cumulative().take(3).collect();
        assert_eq!(cumulative, [(1.0, 1), (4.0, 4), (16.0, 4)]);
        assert_eq!(counted.count(), 5, "what is above the last bound counts too");
        assert!((counted.sum() - (10.0 + 1e12)).abs() < 1e-3);
    }
}
