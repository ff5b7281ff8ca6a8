//! The scan plan: a pure function from (seed, pairs, index) to (address, port).
//!
//! Nothing is remembered while a scan runs but one index: order, shards, resume, replay and dry runs all follow from
//! the function.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::span::address_of;
use crate::{Pairs, Ports, Targets};

/// The most pairs that a plan may have: at a thousand per second, 2^40 of them take 35 years.
pub const MAX_PAIRS: u64 = 1 << 40;

/// The schema of a [`Cursor`].
pub const CURSOR_SCHEMA: &str = "vigie.cursor/1";

/// A permutation of `0..=last`, for any `last` of 64 bits.
///
/// A Feistel network over the smallest power of two that holds the range, and cycle walking: what falls outside the
/// range goes through the network again until it falls inside (Black and Rogaway, "Ciphers with Arbitrary Finite
/// Domains", 2002). A network over `w` bits has halves of `w/2` and `w - w/2` bits that swap places each round, so
/// the domain is less than twice the range and the walk takes less than two steps on average. The number of rounds is
/// even, so that the halves end where they began.
///
/// It scatters; it does not hide: the seed is printed with the scan.
#[derive(Clone, Debug)]
pub struct Permutation {
    last: u64,
    right_bits: u32,
    left_mask: u64,
    right_mask: u64,
    keys: [u64; ROUNDS],
}

/// Four rounds make a Feistel network of good round functions look random (Luby and Rackoff, 1988); the two more make
/// up for halves of one or two bits in small plans.
const ROUNDS: usize = 6;

impl Permutation {
    /// A permutation of `0..=last`.
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

    /// Where `index` goes; an index beyond the range stays where it is.
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

/// 2^64 divided by the golden ratio, odd: the step of SplitMix64 (Steele, Lea and Flood, 2014).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64, whose constants are Stafford's thirteenth variant.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One part of a scan that several machines share, written `2/8`: the second of eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// From 1 to `count`.
    index: u32,
    /// How many shards there are.
    count: u32,
}

impl Shard {
    /// The shard `index` (from 1) of `count`; `None` if there is no such shard.
    #[must_use]
    pub fn new(index: u32, count: u32) -> Option<Self> {
        (1..=count).contains(&index).then_some(Self { index, count })
    }

    /// The whole scan.
    #[must_use]
    pub fn whole() -> Self {
        Self { index: 1, count: 1 }
    }

    /// Whether it holds this index of the plan.
    #[must_use]
    pub fn holds(self, index: u64) -> bool {
        index % u64::from(self.count) == u64::from(self.index - 1)
    }

    fn first_at_or_after(self, index: u64) -> Option<u64> {
        let (own, count) = (u64::from(self.index - 1), u64::from(self.count));
        index.checked_add((own + count - index % count) % count)
    }
}

impl std::str::FromStr for Shard {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        text.split_once('/')
            .and_then(|(index, count)| Self::new(index.parse().ok()?, count.parse().ok()?))
            .ok_or_else(|| PlanError::Shard { word: text.to_owned() })
    }
}

impl TryFrom<String> for Shard {
    type Error = PlanError;

    fn try_from(text: String) -> Result<Self, PlanError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Too many pairs.
    #[error(
        "{addresses} addresses make {pairs} address and port pairs, more than the {MAX_PAIRS} that one plan may have: \
         name smaller networks (an IPv6 network is searched through its known names and addresses, never whole) or fewer ports"
    )]
    TooLarge {
        /// How many addresses.
        addresses: u128,
        /// How many pairs.
        pairs: u128,
    },
    /// Not a shard.
    #[error("`{word}` is no shard: write 2/8 for the second of eight")]
    Shard {
        /// What was written.
        word: String,
    },
}

/// The order in which pairs are looked at.
#[derive(Clone, Debug)]
pub struct Plan {
    pairs: Pairs,
    /// The index, before the permutation, at which each segment starts.
    starts: Vec<u64>,
    /// For each stretch of `1 << stretch` places the number of segments that start before it, so that a plan of a
    /// million scattered addresses is not searched through from both ends at each step.
    stretches: Vec<u32>,
    stretch: u32,
    len: u64,
    seed: u64,
    shard: Shard,
    permutation: Permutation,
}

impl Plan {
    /// The plan for what the user named.
    ///
    /// # Errors
    ///
    /// [`PlanError::TooLarge`] beyond [`MAX_PAIRS`].
    pub fn new(seed: u64, targets: &Targets, ports: &Ports, shard: Shard) -> Result<Self, PlanError> {
        Self::over(seed, targets.pairs(ports), shard)
    }

    /// The plan over a set of pairs, for instance what a scope left of the targets.
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
            // Cannot exceed `len`, which fits.
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

    /// How many pairs, over all shards.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many pairs this shard has.
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
        // The first segment starts at 0, so there is one at or before every place.
        // A stretch's number is below their count, and the next one's entry is there.
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

    /// This shard's indices, in order. All shards together have each index once.
    pub fn shard_indices(&self) -> impl Iterator<Item = u64> + use<> {
        self.indices_from(0)
    }

    fn indices_from(&self, index: u64) -> impl Iterator<Item = u64> + use<> {
        let first = self.shard.first_at_or_after(index).unwrap_or(self.len).min(self.len);
        // A step of up to 2^32 fits in a usize wherever this builds for 64 bits; elsewhere a larger one ends the walk.
        (first..self.len).step_by(usize::try_from(self.shard.count).unwrap_or(usize::MAX))
    }

    /// The hash of what is looked at, `sha256:<hex>`: the same for the same pairs, whatever the seed and the shard.
    #[must_use]
    pub fn hash(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::from("vigie.plan/1\n");
        for segment in self.pairs.segments() {
            let _ = writeln!(text, "{}-{} {}", segment.range.first(), segment.range.last(), segment.ports);
        }
        vigie_model::sha256(text.as_bytes())
    }

    /// Where the scan stands: `next` is the first index not yet begun, `in_flight` those begun and not finished.
    #[must_use]
    pub fn cursor(&self, next: u64, in_flight: impl IntoIterator<Item = u64>) -> Cursor {
        let mut in_flight: Vec<u64> = in_flight.into_iter().collect();
        in_flight.sort_unstable();
        in_flight.dedup();
        Cursor {
            schema: CURSOR_SCHEMA.to_owned(),
            plan_hash: self.hash(),
            seed: self.seed,
            shard: self.shard,
            next_index: next,
            in_flight,
        }
    }

    /// The indices that are left after an interrupt: those in flight, then the rest of the shard.
    ///
    /// # Errors
    ///
    /// If the cursor belongs to another plan, seed or shard, or holds indices that are not this plan's.
    pub fn resume(&self, cursor: &Cursor) -> Result<impl Iterator<Item = u64> + use<>, CursorError> {
        let differs = |what, saved: String, now: String| CursorError::Differs { what, saved, now };
        if cursor.schema != CURSOR_SCHEMA {
            return Err(CursorError::Schema {
                found: cursor.schema.clone(),
            });
        }
        if cursor.seed != self.seed {
            return Err(differs("seed", cursor.seed.to_string(), self.seed.to_string()));
        }
        if cursor.shard != self.shard {
            return Err(differs("shard", cursor.shard.to_string(), self.shard.to_string()));
        }
        let hash = self.hash();
        if cursor.plan_hash != hash {
            return Err(differs("plan", cursor.plan_hash.clone(), hash));
        }
        let begun = |index: &u64| *index < self.len && *index < cursor.next_index && self.shard.holds(*index);
        let ordered = cursor.in_flight.windows(2).all(|two| two[0] < two[1]);
        if !ordered || !cursor.in_flight.iter().all(begun) {
            return Err(CursorError::Index);
        }
        Ok(cursor.in_flight.clone().into_iter().chain(self.indices_from(cursor.next_index)))
    }
}

/// Cuts `0..len` into stretches of a power of two, at most four for each segment, and counts the segments that start
/// before each of them and at the end of them.
fn stretches(starts: &[u64], len: u64) -> (Vec<u32>, u32) {
    let mut stretch = 0;
    while len >> stretch > 2 * starts.len() as u64 {
        stretch += 1;
    }
    let count = (len >> stretch) + 1;
    // A segment takes far more memory than a count of 32 bits could number.
    let before = |place: u64| starts.partition_point(|start| *start < place) as u32;
    let stretches = (0..=count).map(|at| before(at << stretch)).collect();
    (stretches, stretch)
}

/// Where a scan stands, for a resume file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// [`CURSOR_SCHEMA`].
    pub schema: String,
    /// [`Plan::hash`].
    pub plan_hash: String,
    /// The seed.
    pub seed: u64,
    /// The shard.
    pub shard: Shard,
    /// The first index not yet begun.
    pub next_index: u64,
    /// The indices begun and not finished, in order.
    pub in_flight: Vec<u64>,
}

/// Why a scan cannot be resumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// A file of another kind or version.
    #[error("the resume file says schema `{found}`, this vigie reads `{CURSOR_SCHEMA}`: start the scan anew")]
    Schema {
        /// What it says.
        found: String,
    },
    /// A cursor of another scan.
    #[error(
        "the resume file belongs to another scan: its {what} is {saved}, this one's is {now}; resume with the same \
         targets, ports, scope, seed and shard, or start anew"
    )]
    Differs {
        /// What differs.
        what: &'static str,
        /// As saved.
        saved: String,
        /// As asked for.
        now: String,
    },
    /// Indices that are not this plan's.
    #[error("the resume file names indices that this scan cannot have begun: it is damaged; start the scan anew")]
    Index,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn plan(seed: u64, words: &[&str], ports: &str, shard: &str) -> Result<Plan, PlanError> {
        let targets = Targets::parse_words(words.iter().copied()).expect("targets");
        Plan::new(seed, &targets, &ports.parse().expect("ports"), shard.parse().expect("a shard"))
    }

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
    fn it_does_reorder() {
        let order: Vec<u64> = (0..8).map(|i| Permutation::up_to(999, 1).apply(i)).collect();
        let other: Vec<u64> = (0..8).map(|i| Permutation::up_to(999, 2).apply(i)).collect();
        assert_ne!(order, other);
        assert_ne!(order, (0..8).collect::<Vec<_>>());
    }

    /// Frozen, because a resume file outlives the version that wrote it.
    #[test]
    fn the_order_of_a_seed_stays() {
        let plan = plan(42, &["10.0.0.0/24", "fd00::1"], "80,443", "1/1").expect("a plan");
        let shown: Vec<String> = (0..6).map(|i| plan.at(i)).map(|(a, p)| format!("{a} {p}")).collect();
        insta::assert_snapshot!("order", format!("{}\n{}", shown.join("\n"), plan.hash()));
    }

    #[test]
    fn neighbours_do_not_come_in_a_row() {
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
        // By chance 65,535 / 256 = 256 follow within one /24, standard deviation 16; and 2 are adjacent.
        assert!((150..=360).contains(&same), "{same} followers in one /24");
        assert!(adjacent <= 12, "{adjacent} adjacent followers");
        // No /24 is met more than a few times within any 256 steps.
        for chunk in order.chunks(256) {
            let mut counts = [0u32; 256];
            for address in chunk {
                counts[(address >> 8 & 255) as usize] += 1;
            }
            assert!(counts.iter().all(|c| *c <= 12), "{counts:?}");
        }
    }

    #[test]
    fn a_64_is_refused_by_its_size() {
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
    fn resume_is_refused_for_another_scan() {
        let this = plan(1, &["10.0.0.0/28"], "80", "1/2").expect("a plan");
        let cursor = this.cursor(8, [6, 2]);
        let rest: Vec<u64> = this.resume(&cursor).expect("resumes").collect();
        assert_eq!(rest, [2, 6, 8, 10, 12, 14]);
        let text = serde_json::to_string(&cursor).expect("json");
        assert_eq!(serde_json::from_str::<Cursor>(&text).expect("json"), cursor);

        let mut errors = Vec::new();
        let mut refused = |plan: &Plan, cursor: &Cursor| {
            errors.push(plan.resume(cursor).err().map_or_else(|| "resumed".to_owned(), |e| e.to_string()));
        };
        refused(&plan(1, &["10.0.0.0/27"], "80", "1/2").expect("a plan"), &cursor);
        refused(&plan(1, &["10.0.0.0/28"], "81", "1/2").expect("a plan"), &cursor);
        refused(&plan(2, &["10.0.0.0/28"], "80", "1/2").expect("a plan"), &cursor);
        refused(&plan(1, &["10.0.0.0/28"], "80", "2/2").expect("a plan"), &cursor);
        refused(
            &this,
            &Cursor {
                schema: "vigie.cursor/9".into(),
                ..cursor.clone()
            },
        );
        refused(
            &this,
            &Cursor {
                in_flight: vec![3],
                ..cursor.clone()
            },
        );
        refused(
            &this,
            &Cursor {
                in_flight: vec![10],
                ..cursor.clone()
            },
        );
        insta::assert_snapshot!("resume_refused", errors.join("\n"));
    }

    #[test]
    fn shards_are_written_from_one() {
        for word in ["0/8", "9/8", "1/0", "1", "a/b", "-1/8", ""] {
            assert!(word.parse::<Shard>().is_err(), "{word}");
        }
        assert_eq!("2/8".parse::<Shard>().expect("a shard").to_string(), "2/8");
    }

    #[test]
    fn an_empty_plan_has_no_index() {
        let plan = Plan::over(1, Pairs::default(), Shard::whole()).expect("a plan");
        assert!(plan.is_empty());
        assert_eq!((plan.shard_len(), plan.shard_indices().count()), (0, 0));
    }

    proptest! {
        #[test]
        fn large_permutations_stay_inside_and_do_not_collide(
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

        #[test]
        fn every_pair_comes_exactly_once(
            seed in any::<u64>(),
            ranges in prop::collection::vec((0u8..200, 0u8..30, prop::option::of(1u16..5)), 1..8),
            v6 in prop::collection::vec(0u16..300, 0..4),
            ports in prop::collection::vec(1u16..6, 1..5),
            count in 1u32..7, stop in 0usize..100,
        ) {
            let mut words: Vec<String> = ranges.iter().map(|(first, length, port)| match port {
                Some(port) => format!("10.0.0.{first}:{port}"),
                None => format!("10.0.0.{first}-{}", first + length),
            }).collect();
            words.extend(v6.iter().map(|last| format!("fd00::{last:x}")));
            let targets = Targets::parse_words(words.iter().map(String::as_str)).expect("targets");
            let ports = Ports::new(ports);
            let pairs = targets.pairs(&ports);
            let mut seen = HashSet::new();
            let mut total = 0;
            for index in 1..=count {
                let plan = Plan::new(seed, &targets, &ports, Shard::new(index, count).expect("a shard")).expect("a plan");
                let all: Vec<u64> = plan.shard_indices().collect();
                prop_assert_eq!(all.len() as u64, plan.shard_len());
                // Stopped anywhere and resumed, the shard is the same.
                let stop = stop.min(all.len());
                let next = all.get(stop).copied().unwrap_or(plan.len());
                let cursor = plan.cursor(next, all[..stop].last().copied());
                let redone: Vec<u64> = plan.resume(&cursor).expect("resumes").collect();
                prop_assert_eq!(&redone[..], &all[stop.saturating_sub(1)..]);
                for at in all {
                    let (address, port) = plan.at(at);
                    prop_assert!(pairs.contains(address, port));
                    prop_assert!(seen.insert((address, port)), "{} {} came twice", address, port);
                    total += 1;
                }
            }
            prop_assert_eq!(total, pairs.len());
        }
    }
}
