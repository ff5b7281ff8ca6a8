//! Assignment by quota: shares are exact, and the seed only decides the order.

/// A pseudo-random number generator (`SplitMix64`, Steele, Lea and Flood 2014). It is implemented here so that a seed gives the same
/// population in every version.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// A stream per seed and purpose, so that a change of one attribute does not affect others.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(seed ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03));
        dice.next();
        dice
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 if `limit` is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u128;
        // The high half of the product has a bias below 2^-40 for the limits used here.
        usize::try_from((u128::from(self.next()) * limit) >> 64).unwrap_or(0)
    }

    /// A number from 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// Apportions `of` by weights with the largest remainder method; the sum of the result is exactly `of`.
pub(super) fn apportion(of: usize, weights: &[f64]) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return vec![0; weights.len()];
    }
    let exact: Vec<f64> = weights.iter().map(|weight| weight / total * of as f64).collect();
    let mut counts: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()).then(a.cmp(b)));
    let left = of.saturating_sub(counts.iter().sum());
    for at in order.into_iter().take(left) {
        counts[at] += 1;
    }
    counts
}

/// Each value repeated by its count, shuffled.
pub(super) fn deal<T: Copy>(dice: &mut Dice, counts: &[(T, usize)]) -> Vec<T> {
    let mut cards: Vec<T> = counts
        .iter()
        .flat_map(|(value, count)| std::iter::repeat_n(*value, *count))
        .collect();
    dice.shuffle(&mut cards);
    cards
}

/// Like [`deal`], with `of` values apportioned by weights.
pub(super) fn deal_shares<T: Copy>(dice: &mut Dice, of: usize, shares: &[(T, f64)]) -> Vec<T> {
    let weights: Vec<f64> = shares.iter().map(|(_, weight)| *weight).collect();
    let counts = apportion(of, &weights);
    let pairs: Vec<(T, usize)> = shares.iter().map(|(value, _)| *value).zip(counts).collect();
    deal(dice, &pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_to_the_whole() {
        assert_eq!(apportion(10, &[1.0, 1.0, 1.0]).iter().sum::<usize>(), 10);
        assert_eq!(apportion(7, &[0.5, 0.25, 0.25]), [3, 2, 2]);
        assert_eq!(apportion(3, &[]), Vec::<usize>::new());
        let mut dice = Dice::new(1, 2);
        let cards = deal_shares(&mut dice, 1000, &[('a', 0.36), ('b', 0.64)]);
        assert_eq!(cards.iter().filter(|card| **card == 'a').count(), 360);
        assert!(cards.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
