//! Conclusions from observations: verdicts of advisories, findings, and changes. No I/O.
//!
//! Findings are computed with the current catalogue and advisories, never stored as truth. Each rule is a function in `rules`; its texts
//! and its references to standards are in `catalog/findings/<id>.yaml`.

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
