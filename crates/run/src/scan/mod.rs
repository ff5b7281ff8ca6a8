//! A scan: [`prepare`] reads the options and finds what there is to scan, [`Ready::run`] scans it, [`preview`] says what a scan would do.

mod coverage;
mod ended;
mod enrich;
mod event;
mod inputs;
mod job;
mod missed;
mod options;
mod pauses;
mod preview;
mod ready;
mod resume;
mod running;
mod summary;
mod transcripts;
mod work;

pub use ended::Ended;
pub use event::{Event, Listener};
pub use options::ScanOptions;
pub use preview::{Preview, PreviewedVisit, preview};
pub use ready::{NothingToScan, Prepared, Ready, prepare};

/// A random seed, from the keys that the standard library draws for its hash maps.
#[must_use]
pub fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

/// A new id of a scan or another run: its start and a random part.
pub(crate) fn fresh_id() -> String {
    format!("{}-{:08x}", chrono::Utc::now().format("%Y%m%dT%H%M%SZ"), fresh_seed() as u32)
}
