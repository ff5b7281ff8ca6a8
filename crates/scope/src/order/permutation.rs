//! A seeded permutation of a range of numbers.

/// A permutation of `0..=last`, for any 64-bit `last`.
///
/// It is a Feistel network over the smallest power of two that holds the range, with cycle walking: a value outside the range goes
/// through the network again until it falls inside (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). A network
/// over `w` bits has halves of `w/2` and `w - w/2` bits that swap places each round, so the domain is less than twice the range and
/// the walk takes less than two steps on average. The number of rounds is even, so that the halves end in their original places.
///
/// The permutation scatters addresses; it keeps nothing secret, and the seed is printed with the scan.
#[derive(Clone, Debug)]
pub struct Permutation {
    last: u64,
    right_bits: u32,
    left_mask: u64,
    right_mask: u64,
    keys: [u64; ROUNDS],
}

/// Four rounds make a Feistel network with good round functions look random (Luby and Rackoff, 1988). Two more compensate for halves of
/// one or two bits in small plans.
const ROUNDS: usize = 6;

impl Permutation {
    /// The permutation of `0..=last` that a seed gives.
    #[must_use]
    pub fn up_to(last: u64, seed: u64) -> Self {
        let bits = (u64::BITS - last.leading_zeros()).max(2);
        let left_bits = bits / 2;
        let right_bits = bits - left_bits;
        let mask = |bits: u32| (1u64 << bits) - 1;
        let mut state = seed;
        let keys = std::array::from_fn(|_| {
            state = state.wrapping_add(GOLDEN);
            mix(state)
        });
        Self {
            last,
            right_bits,
            left_mask: mask(left_bits),
            right_mask: mask(right_bits),
            keys,
        }
    }

    /// The image of `index`. An index beyond the range is returned unchanged.
    #[must_use]
    pub fn apply(&self, index: u64) -> u64 {
        if index > self.last {
            return index;
        }
        let mut at = self.network(index);
        while at > self.last {
            at = self.network(at);
        }
        at
    }

    fn network(&self, value: u64) -> u64 {
        let mut left = value >> self.right_bits;
        let mut right = value & self.right_mask;
        let mut masks = (self.left_mask, self.right_mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & masks.0));
            masks = (masks.1, masks.0);
        }
        (left << self.right_bits) | right
    }
}

/// 2^64 divided by the golden ratio, made odd: the step of SplitMix64 (Steele, Lea and Flood, 2014).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64, with the constants of Stafford's variant 13.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn permutations_of_every_small_size() {
        for last in 0..300 {
            let permutation = Permutation::up_to(last, 7);
            let seen: HashSet<u64> = (0..=last).map(|i| permutation.apply(i)).collect();
            assert_eq!(seen.len() as u64, last + 1);
            assert!(seen.iter().all(|v| *v <= last));
        }
    }

    #[test]
    fn the_order_depends_on_the_seed() {
        let order: Vec<u64> = (0..8).map(|i| Permutation::up_to(999, 1).apply(i)).collect();
        let other: Vec<u64> = (0..8).map(|i| Permutation::up_to(999, 2).apply(i)).collect();
        assert_ne!(order, other);
        assert_ne!(order, (0..8).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn large_permutations_stay_in_range_and_do_not_collide(
            last in any::<u64>(), seed in any::<u64>(), picks in prop::collection::hash_set(any::<u64>(), 1..50),
        ) {
            let permutation = Permutation::up_to(last, seed);
            let picks: HashSet<u64> = picks.into_iter().map(|p| if last == u64::MAX { p } else { p % (last + 1) }).collect();
            let seen: HashSet<u64> = picks.iter().map(|p| permutation.apply(*p)).collect();
            prop_assert_eq!(seen.len(), picks.len());
            prop_assert!(seen.iter().all(|v| *v <= last));
        }

        #[test]
        fn the_largest_permutations_too(seed in any::<u64>(), near in 0u64..4, picks in prop::collection::hash_set(any::<u64>(), 1..50)) {
            let permutation = Permutation::up_to(u64::MAX - near, seed);
            let picks: HashSet<u64> = picks.into_iter().filter(|p| *p <= u64::MAX - near).collect();
            let seen: HashSet<u64> = picks.iter().map(|p| permutation.apply(*p)).collect();
            prop_assert_eq!(seen.len(), picks.len());
        }
    }
}
