//! The limits of a scan, and the counters that enforce them.

pub(crate) mod budget;
pub(crate) mod limits;
pub(crate) mod pace;
