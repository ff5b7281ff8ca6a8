//! Random numbers that are the same everywhere for the same seed.

use std::net::IpAddr;

/// Mixes a number into a seed (the finaliser of SplitMix64).
pub(super) fn stir(seed: u64, more: u64) -> u64 {
    let mut z = seed.wrapping_add(more).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(stir(seed, 1))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        stir(self.0, 0)
    }

    /// From 0 to 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below a number.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.share() * end as f64) as usize
    }

    pub(super) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + self.share() * (to - from)
    }

    /// A wait whose mean is that, as of independent events.
    pub(super) fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    /// A number about that, with a long tail upwards, as sizes of texts have it.
    pub(super) fn about(&mut self, middle: f64) -> f64 {
        let normal = (0..6).map(|_| self.share()).sum::<f64>() - 3.0;
        middle * (normal * 0.8).exp()
    }

    pub(super) fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// An address of the internet.
    pub(super) fn address(&mut self) -> IpAddr {
        let part = |number: usize| u8::try_from(number).unwrap_or(0);
        IpAddr::from([
            part(20 + self.below(60)),
            part(self.below(250)),
            part(self.below(250)),
            part(1 + self.below(250)),
        ])
    }
}
