//! What a watch reports.

use std::ops::ControlFlow;

use serde::Serialize;
use vigie_lake::Scan;
use vigie_model::Timestamp;

use crate::diff::Diff;
use crate::failure::Failure;
use crate::scan;

/// What happens, in order.
#[derive(Debug)]
pub enum WatchEvent<'e> {
    /// It waits for the next round until then.
    Waiting {
        /// When the round is due.
        until: Timestamp,
    },
    /// With [`super::Watch::once`]: no round is due before then, so it makes no round.
    NotDue {
        /// When the next one is due.
        until: Timestamp,
    },
    /// So many rounds were missed; one is made for all of them.
    Missed {
        /// How many.
        rounds: i64,
    },
    /// An event of the round's scan.
    Scan(scan::Event<'e>),
    /// A round was completed.
    Round(&'e Round<'e>),
    /// The hours or the expiry of the scope cut a round off. Its observations are kept, and not compared.
    CutOff {
        /// The notes of the scan, which say why.
        notes: &'e [String],
    },
    /// A round failed; the next one follows when it is due.
    Failed(&'e Failure),
    /// A round was completed and cannot be compared with the one before.
    NotCompared {
        /// The round's scan.
        scan: &'e Scan,
        /// Why not.
        why: &'e Failure,
    },
}

/// A completed round. Its JSON is a line of `vigie.watch/1`.
#[derive(Debug, Serialize)]
pub struct Round<'r> {
    schema: &'static str,
    /// The watch's id.
    pub watch: &'r str,
    /// The id of the round's scan.
    pub scan: &'r str,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// The pairs of address and port that were tried.
    pub swept: Option<u64>,
    /// The endpoints that answered.
    pub observed: Option<u64>,
    /// The id of the round that this one is compared with; `None`: it is the first.
    pub previous: Option<&'r str>,
    /// When that one ended.
    #[serde(skip)]
    pub previous_finished: Option<Timestamp>,
    /// What changed since; `None`: there was no earlier round, or the clock went back in between.
    pub diff: Option<Diff>,
    /// The notes of the scan.
    pub notes: Vec<String>,
}

impl<'r> Round<'r> {
    pub(super) fn new(watch: &'r str, scan: &'r Scan, previous: Option<&'r Scan>, diff: Option<Diff>, notes: Vec<String>) -> Self {
        Self {
            schema: "vigie.watch/1",
            watch,
            scan: &scan.id,
            started: scan.started,
            finished: scan.finished.unwrap_or(scan.started),
            swept: scan.swept,
            observed: scan.observed,
            previous: previous.map(|previous| previous.id.as_str()),
            previous_finished: previous.and_then(|previous| previous.finished),
            diff,
            notes,
        }
    }
}

/// Takes the events. An error ends the round; a break ends the watch, because its output has no reader any more.
pub type WatchListener<'l> = dyn FnMut(WatchEvent<'_>) -> Result<ControlFlow<()>, Failure> + 'l;
