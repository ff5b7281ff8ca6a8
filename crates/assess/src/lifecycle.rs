//! Lifecycle of endpoints: whether an endpoint appeared, stayed or went, according to the recorded scans.
//!
//! An endpoint that was not seen again is gone only if a complete scan from the same vantage, which started after the endpoint was last
//! seen, covered it. Otherwise it was not looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use vigie_model::{EndpointKey, SourceKind, Timestamp};
use vigie_scope::Coverage;

/// The lifecycle of an endpoint between two instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    /// A scan did not find it before; now it is there.
    Appeared,
    /// It is there, and no scan looked for it before.
    FirstSeen,
    /// A scan did not find it after it was last seen.
    Gone,
    /// It was not there before, was seen in between, and a later scan did not find it.
    CameAndWent,
    /// It was seen before and in between.
    Stayed,
    /// It was there before, and no scan has looked for it since.
    NotLookedAt,
    /// It was in an earlier import and is not in a later one. Imports do not record what was looked for.
    NotInImport,
}

impl Lifecycle {
    /// Every value, in order.
    pub const ALL: [Self; 7] = [
        Self::Appeared,
        Self::FirstSeen,
        Self::Gone,
        Self::CameAndWent,
        Self::Stayed,
        Self::NotLookedAt,
        Self::NotInImport,
    ];

    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Appeared => "appeared",
            Self::FirstSeen => "first-seen",
            Self::Gone => "gone",
            Self::CameAndWent => "came-and-went",
            Self::Stayed => "stayed",
            Self::NotLookedAt => "not-looked-at",
            Self::NotInImport => "not-in-import",
        }
    }

    /// Whether it is a known change.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(self, Self::Appeared | Self::Gone | Self::CameAndWent)
    }
}

/// A completed scan, or a completed shard of one.
#[derive(Clone, Debug)]
pub struct EndedScan {
    /// The scan's id.
    pub scan: String,
    /// The vantage.
    pub vantage: String,
    /// The targets of all shards together, in the text form of [`Coverage`].
    pub covers: String,
    /// For a shard: the seed, the shard's number and the number of shards.
    pub shard: Option<(u64, u32, u32)>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Targets that it could not scan.
    pub missed: Vec<SocketAddr>,
}

/// The completed scans of a lake, grouped by their targets.
#[derive(Debug, Default)]
pub struct ScanHistory(Vec<Group>);

#[derive(Debug)]
struct Group {
    vantage: String,
    coverage: Coverage,
    /// In descending order of their start.
    scans: Vec<CompleteScan>,
}

/// A complete scan of a coverage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteScan {
    /// The id of the scan; for shards, of the one that ended last.
    pub scan: String,
    /// When the first part started.
    pub started: Timestamp,
    /// When the last part ended.
    pub finished: Timestamp,
    missed: BTreeSet<SocketAddr>,
}

/// A shard's number and its scan.
type Part = (u32, CompleteScan);

/// What the lifecycle of an endpoint depends on, besides the scans.
#[derive(Clone, Copy, Debug)]
pub struct LifecycleQuery<'q> {
    /// The endpoint.
    pub key: &'q EndpointKey,
    /// The kind of the source.
    pub kind: SourceKind,
    /// The vantage.
    pub vantage: &'q str,
    /// When it was last seen at or before `since`.
    pub before: Option<Timestamp>,
    /// When it was last seen after that, at or before `until`.
    pub after: Option<Timestamp>,
    /// The first instant.
    pub since: Timestamp,
    /// The second.
    pub until: Timestamp,
    /// Whether the same source saw anything between the two instants from the same vantage.
    pub later_import: bool,
}

impl ScanHistory {
    /// Groups the scans by their targets. The shards of a scan count as one scan once all have ended. A coverage that cannot be parsed,
    /// because a later version wrote it, is ignored.
    #[must_use]
    pub fn new(scans: impl IntoIterator<Item = EndedScan>) -> Self {
        let mut groups: BTreeMap<(String, String), Vec<CompleteScan>> = BTreeMap::new();
        // By vantage, coverage, seed and number of shards.
        let mut parts: BTreeMap<(String, String, u64, u32), Vec<Part>> = BTreeMap::new();
        for scan in scans {
            let complete = CompleteScan {
                scan: scan.scan,
                started: scan.started,
                finished: scan.finished,
                missed: scan.missed.into_iter().collect(),
            };
            match scan.shard {
                None => groups.entry((scan.vantage, scan.covers)).or_default().push(complete),
                Some((seed, index, of)) => parts
                    .entry((scan.vantage, scan.covers, seed, of))
                    .or_default()
                    .push((index, complete)),
            }
        }
        for ((vantage, covers, _, of), parts) in parts {
            let whole = combine_shards(parts, of);
            groups.entry((vantage, covers)).or_default().extend(whole);
        }
        let groups = groups.into_iter().filter_map(|((vantage, covers), mut scans)| {
            scans.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.scan.cmp(&b.scan)));
            Some(Group {
                vantage,
                coverage: covers.parse().ok()?,
                scans,
            })
        });
        Self(groups.collect())
    }

    /// Of the scans from this vantage that covered the endpoint and ended at or before `by`, the one that started last.
    #[must_use]
    pub fn last_covering(&self, key: &EndpointKey, vantage: &str, by: Timestamp) -> Option<&CompleteScan> {
        let socket = SocketAddr::new(key.address, key.port);
        self.0
            .iter()
            .filter(|group| group.vantage == vantage && group.coverage.holds_key(key))
            .filter_map(|group| {
                let is_proof = |scan: &&CompleteScan| scan.finished <= by && !scan.missed.contains(&socket);
                group.scans.iter().find(is_proof)
            })
            .max_by_key(|scan| scan.started)
    }

    /// The lifecycle of an endpoint, with the scan that did not find it; `None`: it was not there before or in between.
    #[must_use]
    pub fn lifecycle(&self, query: &LifecycleQuery<'_>) -> Option<(Lifecycle, Option<&CompleteScan>)> {
        if query.kind != SourceKind::Scan {
            let lifecycle = match (query.before, query.after) {
                (None, None) => return None,
                (None, Some(_)) => Lifecycle::FirstSeen,
                (Some(_), Some(_)) => Lifecycle::Stayed,
                (Some(_), None) if query.later_import => Lifecycle::NotInImport,
                (Some(_), None) => Lifecycle::NotLookedAt,
            };
            return Some((lifecycle, None));
        }
        let latest = query.after.or(query.before)?;
        let not_found_by =
            |seen: Timestamp, by: Timestamp| self.last_covering(query.key, query.vantage, by).filter(|scan| scan.started > seen);
        let was_there = query.before.is_some_and(|seen| not_found_by(seen, query.since).is_none());
        let not_found = not_found_by(latest, query.until);
        match (was_there, not_found) {
            (true, Some(scan)) => Some((Lifecycle::Gone, Some(scan))),
            (false, Some(scan)) => query.after.map(|_| (Lifecycle::CameAndWent, Some(scan))),
            (true, None) if query.after.is_some() => Some((Lifecycle::Stayed, None)),
            (true, None) => Some((Lifecycle::NotLookedAt, None)),
            // Not seen until `since`, or not found by a scan until then; in both cases it was seen afterwards.
            (false, None) => match self.last_covering(query.key, query.vantage, query.since) {
                Some(scan) => Some((Lifecycle::Appeared, Some(scan))),
                None => Some((Lifecycle::FirstSeen, None)),
            },
        }
    }
}

/// Combines shards into complete scans: whenever a shard ends and all others have ended, from the latest of each.
fn combine_shards(mut parts: Vec<Part>, of: u32) -> Vec<CompleteScan> {
    parts.sort_by_key(|(_, part)| part.finished);
    let mut latest: BTreeMap<u32, CompleteScan> = BTreeMap::new();
    let mut whole = Vec::new();
    for (index, part) in parts {
        let (scan, finished) = (part.scan.clone(), part.finished);
        if (1..=of).contains(&index) {
            latest.insert(index, part);
        }
        if latest.len() == of as usize {
            whole.push(CompleteScan {
                scan,
                started: latest.values().map(|part| part.started).min().unwrap_or(finished),
                finished,
                missed: latest.values().flat_map(|part| part.missed.iter().copied()).collect(),
            });
        }
    }
    whole
}

#[cfg(test)]
mod tests;
