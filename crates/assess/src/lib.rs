//! What follows from what was seen: advisories held against the version, findings, and what changed since. No I/O.
//!
//! Findings are computed with the catalogue and the advisories of the day, never stored as truth. One rule, one function, in
//! `rules`; its words and its places in the standards stand in `catalog/findings/<id>.yaml`.

mod change;
mod knowledge;
mod look;
mod presence;
mod routes;
mod rules;
mod sure;
mod texts;

pub use change::{Change, ChangeId, changes};
pub use knowledge::Knowledge;
pub use presence::{Case, EndedScan, Looks, Presence, Proof};
pub use sure::{HIGH_FROM, MEDIUM_FROM};
pub use texts::{FindingText, Texts};
