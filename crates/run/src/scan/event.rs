//! What a running scan reports.

use vigie_model::Observation;
use vigie_scan::Progress;

use crate::failure::Failure;

/// What happens, in order.
#[derive(Debug)]
pub enum Event<'e> {
    /// The scan starts; so many pairs of address and port are planned.
    Begun {
        /// How many.
        total: u64,
    },
    /// An endpoint was observed and judged. The lake gets the observation afterwards.
    Observed(&'e Observation),
    /// No observation is ready at the moment.
    Idle,
    /// The counts so far.
    Progress {
        /// The scanner's counts.
        counts: &'e Progress,
        /// The findings that no baseline accepts.
        findings: u64,
    },
    /// Nothing more comes.
    Ended,
}

/// Takes the events. An error ends the scan.
pub type Listener<'l> = dyn FnMut(Event<'_>) -> Result<(), Failure> + 'l;
