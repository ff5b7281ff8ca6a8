//! The order in which pairs are scanned: permutation, shards, plan and cursor.

pub(crate) mod cursor;
pub(crate) mod permutation;
pub(crate) mod plan;
pub(crate) mod shard;
