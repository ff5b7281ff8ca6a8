//! Conclusions from observations: verdicts of advisories, findings, changes, and the lifecycle of endpoints. No I/O.
//!
//! Findings are computed with the current catalogue and advisories, never stored as truth. Each rule is a file in `rules`; its texts and its
//! references to standards are in `catalog/findings/<id>.yaml`.

mod cache;
mod change;
mod comparison;
mod fixes;
mod identity_confidence;
mod input;
mod knowledge;
mod lifecycle;
mod open_routes;
mod product_version;
mod rules;
mod texts;

pub use change::{Change, ChangeId};
pub use comparison::changes;
pub use identity_confidence::{HIGH_FROM, MEDIUM_FROM};
pub use knowledge::Knowledge;
pub use lifecycle::{CompleteScan, EndedScan, Lifecycle, LifecycleQuery, ScanHistory};
pub use rules::{RULES, Rule};
pub use texts::{FindingText, Texts};
