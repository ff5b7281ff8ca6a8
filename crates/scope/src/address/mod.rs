//! Addresses: ranges, maps over ranges, how both are written, and the registry of special ranges.

pub(crate) mod hosts;
pub(crate) mod notation;
pub(crate) mod own;
pub(crate) mod range;
pub(crate) mod range_map;
pub(crate) mod special;
