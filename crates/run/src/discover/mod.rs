//! Queries Shodan or Censys within a budget, and imports their records into the lake.
//!
//! [`prepare`] reads the options, [`Ready::run`] sends the queries. A state file holds what was requested and which pages are in the lake: a
//! run that ends early is resumed from it, and requests no page twice.

mod confirm;
mod event;
mod lock;
mod options;
mod queries;
mod ready;
mod replies;
mod report;
mod running;

use std::path::Path;

use vigie_discover::ServiceKind;

pub use event::{DiscoverEvent, DiscoverListener};
pub use options::{ConfirmOptions, DiscoverOptions};
pub use ready::{Ready, prepare};
pub use report::{Confirmation, Credits, DiscoverReport, QueryReport};
pub use running::Discovered;

/// The advice that names the command which resumes a run from its state file.
#[must_use]
pub fn how_to_resume(service: ServiceKind, state: &Path) -> String {
    let service = match service {
        ServiceKind::Shodan => "shodan",
        ServiceKind::Censys => "censys",
        ServiceKind::CensysLegacy => "censys --legacy",
    };
    format!("go on with: vigie discover {service} --resume {}", state.display())
}
