//! Addresses: ranges, maps over ranges, their notation, and the special-purpose ranges.

pub(crate) mod hosts;
pub(crate) mod notation;
pub(crate) mod own;
pub(crate) mod range;
pub(crate) mod range_map;
pub(crate) mod special;
