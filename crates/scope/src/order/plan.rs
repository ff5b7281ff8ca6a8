//! The scan plan: a pure function from (seed, pairs, index) to (address, port).
//!
//! A running scan keeps no state but one index. Order, shards, resume, replay and dry runs all follow from the function.

use std::net::IpAddr;

use vigie_model::address::address_of;

use super::permutation::Permutation;
use super::shard::Shard;
use crate::ports::Ports;
use crate::targets::list::Targets;
use crate::targets::pairs::Pairs;

/// The most pairs that a plan may have. At a thousand per second, 2^40 pairs take 35 years.
pub const MAX_PAIRS: u64 = 1 << 40;

/// The order in which pairs are scanned.
#[derive(Clone, Debug)]
pub struct Plan {
    pairs: Pairs,
    /// The index, before the permutation, at which each segment starts.
    starts: Vec<u64>,
    /// For each stretch of `1 << stretch` indices, the number of segments that start before it. It keeps the binary search short in a
    /// plan of a million scattered addresses.
    stretches: Vec<u32>,
    stretch: u32,
    len: u64,
    seed: u64,
    shard: Shard,
    permutation: Permutation,
}

/// Why a plan cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Too many pairs.
    #[error(
        "{addresses} addresses make {pairs} address and port pairs, more than the {MAX_PAIRS} that one plan may have: \
         name smaller networks (of an IPv6 network, name known hosts) or fewer ports"
    )]
    TooLarge {
        /// The number of addresses.
        addresses: u128,
        /// The number of pairs.
        pairs: u128,
    },
}

impl Plan {
    /// The plan over all pairs of the targets.
    ///
    /// # Errors
    ///
    /// [`PlanError::TooLarge`] beyond [`MAX_PAIRS`].
    pub fn new(seed: u64, targets: &Targets, ports: &Ports, shard: Shard) -> Result<Self, PlanError> {
        Self::over(seed, targets.pairs(ports), shard)
    }

    /// The plan over a set of pairs, such as those of the targets that a scope allows.
    ///
    /// # Errors
    ///
    /// [`PlanError::TooLarge`] beyond [`MAX_PAIRS`].
    pub fn over(seed: u64, pairs: Pairs, shard: Shard) -> Result<Self, PlanError> {
        let too_large = || PlanError::TooLarge {
            addresses: pairs.addresses(),
            pairs: pairs.len(),
        };
        let len = u64::try_from(pairs.len())
            .ok()
            .filter(|len| *len <= MAX_PAIRS)
            .ok_or_else(too_large)?;
        let mut starts = Vec::with_capacity(pairs.segments().len());
        let mut at = 0u64;
        for segment in pairs.segments() {
            starts.push(at);
            // The sum cannot exceed `len`, which fits.
            at += segment.range.size() as u64 * segment.ports.len() as u64;
        }
        let permutation = Permutation::up_to(len.saturating_sub(1), seed);
        let (stretches, stretch) = stretches(&starts, len);
        Ok(Self {
            pairs,
            starts,
            stretches,
            stretch,
            len,
            seed,
            shard,
            permutation,
        })
    }

    /// The number of pairs, over all shards.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the plan has no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of pairs of this shard.
    #[must_use]
    pub fn shard_len(&self) -> u64 {
        let (own, count) = (u64::from(self.shard.index - 1), u64::from(self.shard.count));
        self.len.saturating_sub(own).div_ceil(count)
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The shard.
    #[must_use]
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// The pairs, in the order of their addresses.
    #[must_use]
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// The pair at an index, in permuted order.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`Self::len`].
    #[must_use]
    pub fn at(&self, index: u64) -> (IpAddr, u16) {
        assert!(index < self.len, "index {index} of a plan of {}", self.len);
        let place = self.permutation.apply(index);
        // The first segment starts at 0, so one starts at or before every place. There is one more entry than there are stretches.
        let stretch = (place >> self.stretch) as usize;
        let (low, high) = (self.stretches[stretch] as usize, self.stretches[stretch + 1] as usize);
        let which = low + self.starts[low..high].partition_point(|start| *start <= place) - 1;
        let segment = &self.pairs.segments()[which];
        let ports = segment.ports.as_slice();
        let within = place - self.starts[which];
        let (address, port) = (within / ports.len() as u64, within % ports.len() as u64);
        // The remainder is below the number of ports.
        (address_of(segment.range.first_key() + u128::from(address)), ports[port as usize])
    }

    /// The indices of this shard, in order. All shards together have each index once.
    pub fn shard_indices(&self) -> impl Iterator<Item = u64> + use<> {
        self.indices_from(0)
    }

    pub(super) fn indices_from(&self, index: u64) -> impl Iterator<Item = u64> + use<> {
        let first = self.shard.first_at_or_after(index).unwrap_or(self.len).min(self.len);
        // A step of up to 2^32 fits in a 64-bit usize; on smaller platforms a larger step ends the iteration.
        (first..self.len).step_by(usize::try_from(self.shard.count).unwrap_or(usize::MAX))
    }

    /// The hash of the pairs, `sha256:<hex>`. It does not depend on the seed or the shard.
    #[must_use]
    pub fn hash(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::from("vigie.plan/1\n");
        for segment in self.pairs.segments() {
            let _ = writeln!(text, "{}-{} {}", segment.range.first(), segment.range.last(), segment.ports);
        }
        vigie_model::sha256(text.as_bytes())
    }
}

/// Divides `0..len` into stretches whose length is a power of two, at most four per segment, and counts the segments that start before
/// each stretch and before the end. Returns the counts and the exponent.
fn stretches(starts: &[u64], len: u64) -> (Vec<u32>, u32) {
    let mut stretch = 0;
    while len >> stretch > 2 * starts.len() as u64 {
        stretch += 1;
    }
    let count = (len >> stretch) + 1;
    // 2^32 segments would not fit into memory.
    let before = |place: u64| starts.partition_point(|start| *start < place) as u32;
    let stretches = (0..=count).map(|at| before(at << stretch)).collect();
    (stretches, stretch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64, words: &[&str], ports: &str, shard: &str) -> Result<Plan, PlanError> {
        let targets = Targets::parse_words(words.iter().copied()).expect("targets");
        Plan::new(seed, &targets, &ports.parse().expect("ports"), shard.parse().expect("a shard"))
    }

    /// The order is fixed, because a resume file outlives the version that wrote it.
    #[test]
    fn the_order_of_a_seed_is_fixed() {
        let plan = plan(42, &["10.0.0.0/24", "fd00::1"], "80,443", "1/1").expect("a plan");
        let shown: Vec<String> = (0..6).map(|i| plan.at(i)).map(|(a, p)| format!("{a} {p}")).collect();
        insta::assert_snapshot!("order", format!("{}\n{}", shown.join("\n"), plan.hash()));
    }

    #[test]
    fn neighbours_do_not_follow_each_other() {
        let plan = plan(3, &["10.0.0.0/16"], "11434", "1/1").expect("a plan");
        let order: Vec<u32> = plan
            .shard_indices()
            .map(|i| match plan.at(i).0 {
                IpAddr::V4(v4) => v4.to_bits(),
                IpAddr::V6(_) => panic!("no IPv6 was named"),
            })
            .collect();
        let pairs = order.windows(2);
        let same = pairs.clone().filter(|two| two[0] >> 8 == two[1] >> 8).count();
        let adjacent = pairs.filter(|two| two[0].abs_diff(two[1]) == 1).count();
        // Expected by chance: 65,535 / 256 = 256 successors in the same /24, standard deviation 16, and 2 adjacent ones.
        assert!((150..=360).contains(&same), "{same} successors in one /24");
        assert!(adjacent <= 12, "{adjacent} adjacent successors");
        // No /24 occurs more than a few times within 256 steps.
        for chunk in order.chunks(256) {
            let mut counts = [0u32; 256];
            for address in chunk {
                counts[(address >> 8 & 255) as usize] += 1;
            }
            assert!(counts.iter().all(|c| *c <= 12), "{counts:?}");
        }
    }

    #[test]
    fn a_64_is_rejected_as_too_large() {
        let error = plan(1, &["fd00::/64"], "80", "1/1")
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        insta::assert_snapshot!("too_large", error);
        assert!(plan(1, &["fd00::/88"], "80", "1/1").is_ok());
        assert!(plan(1, &["fd00::/88"], "80,81", "1/1").is_err());
        assert!(plan(1, &["0.0.0.0/0"], "1-256", "1/1").is_ok());
    }

    #[test]
    fn an_empty_plan_has_no_index() {
        let plan = Plan::over(1, Pairs::default(), Shard::whole()).expect("a plan");
        assert!(plan.is_empty());
        assert_eq!((plan.shard_len(), plan.shard_indices().count()), (0, 0));
    }
}
