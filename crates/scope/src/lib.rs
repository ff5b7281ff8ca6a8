//! What may be scanned, in which order and how fast: targets, scope files, opt-out lists, the scan plan and its budgets.
//!
//! Pure: nothing here opens a socket, reads a clock or a file, or resolves a name. A scan uses it like this:
//!
//! ```
//! use vigie_scope::{OwnAddresses, Plan, Ports, Scope, Shard, Targets};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = vigie_model::Timestamp::UNIX_EPOCH;
//! let scope = Scope::without_file(&OwnAddresses::default());
//! let targets = Targets::parse_words(["127.0.0.1", "10.1.2.0/24"])?;
//! let ports: Ports = "11434,8000-8010".parse()?;
//! let clipped = scope.clip(&targets, &ports)?;
//! let plan = Plan::over(42, clipped.pairs, Shard::whole())?;
//! for index in plan.shard_indices() {
//!     let (address, port) = plan.at(index);
//!     scope.permits(address, port, now)?;
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod comment;
mod coverage;
mod file;
#[cfg(test)]
mod fixtures;
mod layout;
pub mod notice;
mod order;
mod permit;
mod ports;
mod rate;
mod targets;
mod window;

pub use address::own::OwnAddresses;
pub use address::special::{AddressClass, class_of, is_loopback, is_private, special_purpose, special_ranges};
pub use coverage::{Coverage, CoverageError};
pub use file::opt_out::{OptOut, OptOutErrors, OptOutList};
pub use file::reader::SCHEMA;
pub use file::scope_file::{Exclude, GRANTABLE, RangeEntry, ScopeErrors, ScopeFile, ScopeProblem};
pub use order::cursor::{CURSOR_SCHEMA, Cursor, CursorError};
pub use order::permutation::Permutation;
pub use order::plan::{MAX_PAIRS, Plan, PlanError};
pub use order::shard::{Shard, ShardError};
pub use permit::clip::{Clipped, Skipped};
pub use permit::refusal::{ExclusionSource, Refusal, Refusals};
pub use permit::scope::{MissingOptOut, Permit, Scope};
pub use ports::{Ports, PortsError};
pub use rate::budget::{Budget, EndpointBudget};
pub use rate::limits::{RateDecision, ScanLimits};
pub use rate::pace::Pace;
pub use targets::endpoint_index::{EndpointIndex, PairEndpoints};
pub use targets::list::{TargetError, TargetErrors, TargetNote, Targets};
pub use targets::pairs::{Pairs, Segment};
pub use targets::word::{Scheme, Target};
// Targets and scope files consist of them.
pub use vigie_model::address::{AddressRange, Hosts};
pub use window::Window;
