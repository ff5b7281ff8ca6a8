//! Rates: the limits of a scan, and the counters that keep to them.

pub(crate) mod budget;
pub(crate) mod limits;
pub(crate) mod pace;
