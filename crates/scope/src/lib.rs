//! What may be looked at, in which order and how fast: targets, scope files, opt-outs, the scan plan and its budgets.
//!
//! Values in, values out: nothing here opens a socket, reads a clock or a file, or resolves a name. The path of a scan:
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

mod budget;
mod coverage;
mod file;
pub mod notice;
mod opt_out;
mod permit;
mod plan;
mod ports;
mod span;
mod special;
mod target;
mod window;

pub use budget::{Budget, EndpointBudget, Pace, RateDecision, ScanLimits};
pub use coverage::{Coverage, CoverageError};
pub use file::{Exclude, Hosts, RangeEntry, SCHEMA, ScopeErrors, ScopeFile, ScopeProblem};
pub use opt_out::{OptOut, OptOutErrors, OptOutList};
pub use permit::{Clipped, ExclusionSource, MissingOptOut, OwnAddresses, Permit, Refusal, Refusals, Scope, Skipped};
pub use plan::{CURSOR_SCHEMA, Cursor, CursorError, MAX_PAIRS, Permutation, Plan, PlanError, Shard};
pub use ports::{Ports, PortsError};
pub use span::AddressRange;
pub use special::{AddressClass, class_of, is_loopback, is_private, special_purpose, special_ranges};
pub use target::{EndpointIndex, PairEndpoints, Pairs, Scheme, Segment, Target, TargetError, TargetErrors, TargetNote, Targets};
pub use window::Window;
