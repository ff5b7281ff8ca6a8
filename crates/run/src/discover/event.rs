//! The events of a running discovery.

use std::path::Path;

use vigie_discover::DiscoveryState;

use crate::failure::Failure;

/// An event of a discovery.
#[derive(Clone, Copy, Debug)]
pub enum DiscoverEvent<'e> {
    /// A remark for the user.
    Note(&'e str),
    /// The options are checked, and everything that is written to later can be written to. Requests follow.
    Begun {
        /// The state file.
        state: &'e Path,
    },
    /// The progress so far. It comes before each request for records or counts.
    Progress {
        /// The queries, and how much of each has been read.
        state: &'e DiscoveryState,
        /// Credits counted in this run.
        spent: u64,
        /// The credits that it may spend.
        budget: u64,
    },
    /// No request follows.
    Ended,
}

/// Takes the events, on the thread that runs the discovery. An error ends it.
pub type DiscoverListener<'l> = dyn FnMut(DiscoverEvent<'_>) -> Result<(), Failure> + 'l;
