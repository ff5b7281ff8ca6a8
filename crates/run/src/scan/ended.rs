//! How a scan ended.

use std::path::PathBuf;

use vigie_export::Summary;
use vigie_lake::Scan;
use vigie_model::Severity;
use vigie_scope::Coverage;

use crate::failure::Failure;

/// A scan that was completed, interrupted or cut off.
#[derive(Debug)]
pub struct Ended {
    /// The scan as the lake keeps it.
    pub scan: Scan,
    /// What it set out to scan.
    pub coverage: Coverage,
    /// The summary for reports, without a next command.
    pub summary: Summary,
    /// The worst finding that no baseline accepts.
    pub worst: Option<Severity>,
    /// Whether something is left to do.
    pub interrupted: bool,
    /// Why the scope cut it off: its hours ended, or its file expired.
    pub cut: Option<String>,
    /// Whether the user asked it to stop.
    pub stopped: bool,
    /// The file to resume it with.
    pub resume: Option<PathBuf>,
    /// Why nothing at all could be tried.
    pub failure: Option<Failure>,
    /// Whether it scanned this machine and nothing was listening there.
    pub is_local_and_empty: bool,
}
