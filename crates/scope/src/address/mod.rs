//! Maps over address ranges, the addresses of this machine, and the special-purpose ranges.

pub(crate) mod own;
pub(crate) mod range_map;
pub(crate) mod special;
