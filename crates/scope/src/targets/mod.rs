//! Targets: what the user names, and the address and port pairs that follow from it.

pub(crate) mod endpoint_index;
pub(crate) mod list;
pub(crate) mod pairs;
pub(crate) mod word;
