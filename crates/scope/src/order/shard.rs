//! Shards: a scan divided among several machines.

use serde::{Deserialize, Serialize};

/// One part of a scan that is divided among several machines; `2/8` is the second of eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// The number of this shard, from 1 to `count`.
    pub(super) index: u32,
    /// The number of shards.
    pub(super) count: u32,
}

/// Why a text is not a shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a shard: write 2/8 for the second of eight")]
pub struct ShardError {
    /// The text.
    pub word: String,
}

impl Shard {
    /// Shard `index` (from 1) of `count`. Returns `None` if there is no such shard.
    #[must_use]
    pub fn new(index: u32, count: u32) -> Option<Self> {
        (1..=count).contains(&index).then_some(Self { index, count })
    }

    /// The whole scan.
    #[must_use]
    pub fn whole() -> Self {
        Self { index: 1, count: 1 }
    }

    /// The number of this shard, from 1, and how many there are.
    #[must_use]
    pub fn numbers(self) -> (u32, u32) {
        (self.index, self.count)
    }

    /// Whether an index of the plan belongs to this shard.
    #[must_use]
    pub fn holds(self, index: u64) -> bool {
        index % u64::from(self.count) == u64::from(self.index - 1)
    }

    /// The first index of this shard at or after `index`.
    pub(super) fn first_at_or_after(self, index: u64) -> Option<u64> {
        let (own, count) = (u64::from(self.index - 1), u64::from(self.count));
        index.checked_add((own + count - index % count) % count)
    }
}

impl std::str::FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        text.split_once('/')
            .and_then(|(index, count)| Self::new(index.parse().ok()?, count.parse().ok()?))
            .ok_or_else(|| ShardError { word: text.to_owned() })
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Self, ShardError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_written_from_one() {
        for word in ["0/8", "9/8", "1/0", "1", "a/b", "-1/8", ""] {
            assert!(word.parse::<Shard>().is_err(), "{word}");
        }
        assert_eq!("2/8".parse::<Shard>().expect("a shard").to_string(), "2/8");
    }
}
