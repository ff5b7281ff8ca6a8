//! What changed in a lake between two instants: its state as of the later one compared with its state as of the earlier one.

mod entry;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use vigie_assess::{Change, EndedScan, Lifecycle, LifecycleQuery, ScanHistory};
use vigie_catalog::Catalog;
use vigie_lake::{Lake, LastObservations, Lineage, ObservedState, Scan};
use vigie_model::{SourceKind, Timestamp};
use vigie_scope::Coverage;

use crate::failure::Failure;

pub use entry::{CompletedScan, Counts, Diff, Entry, Origin, Seen};

/// The schema of the document.
const SCHEMA: &str = "vigie.diff/1";

/// Endpoints whose observations are held in memory at a time.
const AT_ONCE: usize = 4_000;

/// Limits a diff to what vigie's own scans from one vantage cover.
#[derive(Debug)]
pub struct Within<'w> {
    /// The vantage of the scans.
    pub vantage: &'w str,
    /// What they scanned.
    pub coverage: &'w Coverage,
}

impl Within<'_> {
    fn holds(&self, lineage: &Lineage) -> bool {
        let key = &lineage.key;
        lineage.kind == SourceKind::Scan && *lineage.vantage == *self.vantage && self.coverage.holds_key(key)
    }
}

/// Compares the state of a lake at two instants.
///
/// # Errors
///
/// The lake cannot be read.
pub fn between(
    (runtime, lake): (&tokio::runtime::Runtime, &Lake),
    (since, until): (Timestamp, Timestamp),
    within: Option<&Within<'_>>,
    catalog: &Catalog,
) -> Result<Diff, Failure> {
    let read = |error: vigie_lake::Error| Failure::output(format!("cannot read the lake: {error}"));
    let history = ScanHistory::new(runtime.block_on(lake.scans()).map_err(read)?.into_iter().filter_map(ended));
    let mut all = runtime.block_on(lake.last_observations(since, until)).map_err(read)?;
    if let Some(within) = within {
        all.retain(|last| within.holds(&last.lineage));
    }
    // Where a server was found under the path to which the root redirects, the root answered too.
    let answered: HashSet<(IpAddr, u16, Option<String>, Arc<str>)> = all
        .iter()
        .filter(|last| last.after.is_some() && last.lineage.key.prefix.is_some() && last.lineage.kind == SourceKind::Scan)
        .map(|last| root(&last.lineage))
        .collect();
    let later: HashSet<(SourceKind, Arc<str>, Arc<str>)> = all
        .iter()
        .filter(|last| last.after.is_some())
        .map(|last| origin(&last.lineage))
        .collect();

    let mut diff = Diff {
        schema: SCHEMA,
        since,
        until,
        counts: Counts::default(),
        endpoints: Vec::new(),
    };
    let mut stayed: Vec<LastObservations> = Vec::new();
    for last in all {
        let query = LifecycleQuery {
            key: &last.lineage.key,
            kind: last.lineage.kind,
            vantage: &last.lineage.vantage,
            before: last.before.as_ref().map(|look| look.seen),
            after: last.after.as_ref().map(|look| look.seen),
            since,
            until,
            later_import: later.contains(&origin(&last.lineage)),
        };
        match history.lifecycle(&query) {
            None => {}
            Some((Lifecycle::Stayed, _)) => {
                let state = |look: &Option<ObservedState>| look.as_ref().map(|look| look.state);
                if state(&last.before) == state(&last.after) {
                    diff.counts.unchanged += 1;
                } else {
                    stayed.push(last);
                }
            }
            Some((Lifecycle::Gone | Lifecycle::CameAndWent, _))
                if last.lineage.key.prefix.is_none()
                    && last.lineage.kind == SourceKind::Scan
                    && answered.contains(&root(&last.lineage)) =>
            {
                diff.counts.count(Lifecycle::NotLookedAt);
                diff.endpoints.push(Entry::new(&last, Lifecycle::NotLookedAt, None, Vec::new()));
            }
            Some((presence, scan)) => {
                diff.counts.count(presence);
                diff.endpoints.push(Entry::new(&last, presence, scan, Vec::new()));
            }
        }
    }
    for some in stayed.chunks(AT_ONCE) {
        let states = some
            .iter()
            .flat_map(|last| [&last.before, &last.after])
            .flatten()
            .map(|look| look.state);
        let stored = runtime.block_on(lake.state_contents(states)).map_err(read)?;
        for last in some {
            let (Some(before), Some(after)) = (&last.before, &last.after) else {
                continue;
            };
            let then = stored.observation(&last.lineage, before).map_err(read)?;
            let now = stored.observation(&last.lineage, after).map_err(read)?;
            let changes = vigie_assess::changes(&then, &now, catalog);
            if changes.is_empty() {
                diff.counts.unchanged += 1;
                continue;
            }
            if changes.iter().any(Change::is_change) {
                diff.counts.changed += 1;
            } else {
                diff.counts.told_otherwise += 1;
            }
            diff.endpoints.push(Entry::new(last, Lifecycle::Stayed, None, changes));
        }
    }
    diff.endpoints.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(diff)
}

fn root(lineage: &Lineage) -> (IpAddr, u16, Option<String>, Arc<str>) {
    let key = &lineage.key;
    (key.address, key.port, key.name.clone(), Arc::clone(&lineage.vantage))
}

fn origin(lineage: &Lineage) -> (SourceKind, Arc<str>, Arc<str>) {
    (lineage.kind, Arc::clone(&lineage.source), Arc::clone(&lineage.vantage))
}

/// A scan that can prove the absence of an endpoint: it ended, and its coverage is known.
fn ended(scan: Scan) -> Option<EndedScan> {
    let went_through = scan.planned.zip(scan.swept).is_none_or(|(planned, swept)| swept >= planned);
    Some(EndedScan {
        covers: scan.covers.into_known()?,
        missed: scan.missed.into_known()?,
        finished: scan.finished.filter(|_| went_through)?,
        shard: scan.shard.map(|(index, of)| (scan.seed, index, of)),
        started: scan.started,
        vantage: scan.vantage,
        scan: scan.id,
    })
}
