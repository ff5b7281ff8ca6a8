//! What follows from what was seen: advisories held against the version, and findings. No I/O.
//!
//! Findings are computed with the catalogue and the advisories of the day, never stored as truth. One rule, one function, in
//! [`rules`]; its words and its places in the standards stand in `catalog/findings/<id>.yaml`.

mod knowledge;
mod look;
mod rules;
mod texts;

pub use knowledge::Knowledge;
pub use texts::{FindingText, Texts};
