//! Lifecycle of endpoints: whether an endpoint appeared, stayed or went, according to the recorded scans.
//!
//! An endpoint that was not seen again is gone only if a complete scan from the same vantage, which started after the endpoint was last
//! seen, covered it. Otherwise nobody looked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use vigie_model::{EndpointKey, SourceKind, Timestamp};
use vigie_scope::Coverage;

/// The lifecycle of an endpoint between two instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// A scan did not find it before; now it is there.
    Appeared,
    /// It is there; nobody had looked before.
    FirstSeen,
    /// A scan did not find it after it was last seen.
    Gone,
    /// It was not there before, was seen in between, and a later scan did not find it.
    CameAndWent,
    /// It was seen before and in between.
    Stayed,
    /// It was there before, and nobody has looked since.
    NotLookedAt,
    /// It was in an earlier import and is not in a later one. Imports do not record what was looked for.
    NotInImport,
}

impl Presence {
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

/// The scans, grouped by their targets.
#[derive(Debug, Default)]
pub struct Looks(Vec<Group>);

#[derive(Debug)]
struct Group {
    vantage: String,
    coverage: Coverage,
    /// In descending order of their start.
    looks: Vec<Proof>,
}

/// A complete scan of a coverage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The id of the scan; for shards, of the one that ended last.
    pub scan: String,
    /// When the first part started.
    pub started: Timestamp,
    /// When the last part ended.
    pub finished: Timestamp,
    missed: BTreeSet<SocketAddr>,
}

/// A shard's number and its scan.
type Part = (u32, Proof);

/// An endpoint with the times at which it was seen, and the context to decide on its lifecycle.
#[derive(Clone, Copy, Debug)]
pub struct Case<'c> {
    /// The endpoint.
    pub key: &'c EndpointKey,
    /// The kind of the source.
    pub kind: SourceKind,
    /// The vantage.
    pub vantage: &'c str,
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

impl Looks {
    /// Groups the scans by their targets. The shards of a scan count as one scan once all have ended. A coverage that cannot be parsed,
    /// because a later version wrote it, is ignored.
    #[must_use]
    pub fn new(looks: impl IntoIterator<Item = EndedScan>) -> Self {
        let mut groups: BTreeMap<(String, String), Vec<Proof>> = BTreeMap::new();
        // By vantage, coverage, seed and how many there are.
        let mut parts: BTreeMap<(String, String, u64, u32), Vec<Part>> = BTreeMap::new();
        for look in looks {
            let proof = Proof {
                scan: look.scan,
                started: look.started,
                finished: look.finished,
                missed: look.missed.into_iter().collect(),
            };
            match look.shard {
                None => groups.entry((look.vantage, look.covers)).or_default().push(proof),
                Some((seed, index, of)) => parts.entry((look.vantage, look.covers, seed, of)).or_default().push((index, proof)),
            }
        }
        for ((vantage, covers, _, of), parts) in parts {
            let whole = together(parts, of);
            groups.entry((vantage, covers)).or_default().extend(whole);
        }
        let groups = groups.into_iter().filter_map(|((vantage, covers), mut looks)| {
            looks.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.scan.cmp(&b.scan)));
            Some(Group {
                vantage,
                coverage: covers.parse().ok()?,
                looks,
            })
        });
        Self(groups.collect())
    }

    /// Of the scans from this vantage that covered the endpoint and ended at or before `by`, the one that started last.
    #[must_use]
    pub fn last(&self, key: &EndpointKey, vantage: &str, by: Timestamp) -> Option<&Proof> {
        let socket = SocketAddr::new(key.address, key.port);
        self.0
            .iter()
            .filter(|group| group.vantage == vantage && group.coverage.holds_key(key))
            .filter_map(|group| {
                let held = |look: &&Proof| look.finished <= by && !look.missed.contains(&socket);
                group.looks.iter().find(held)
            })
            .max_by_key(|look| look.started)
    }

    /// The lifecycle of an endpoint, with the scan that did not find it; `None`: it was not there before or in between.
    #[must_use]
    pub fn judge(&self, case: &Case<'_>) -> Option<(Presence, Option<&Proof>)> {
        if case.kind != SourceKind::Scan {
            let presence = match (case.before, case.after) {
                (None, None) => return None,
                (None, Some(_)) => Presence::FirstSeen,
                (Some(_), Some(_)) => Presence::Stayed,
                (Some(_), None) if case.later_import => Presence::NotInImport,
                (Some(_), None) => Presence::NotLookedAt,
            };
            return Some((presence, None));
        }
        let latest = case.after.or(case.before)?;
        let in_vain = |seen: Timestamp, by: Timestamp| self.last(case.key, case.vantage, by).filter(|look| look.started > seen);
        let was_there = case.before.is_some_and(|seen| in_vain(seen, case.since).is_none());
        let vain = in_vain(latest, case.until);
        match (was_there, vain) {
            (true, Some(look)) => Some((Presence::Gone, Some(look))),
            (false, Some(look)) => case.after.map(|_| (Presence::CameAndWent, Some(look))),
            (true, None) if case.after.is_some() => Some((Presence::Stayed, None)),
            (true, None) => Some((Presence::NotLookedAt, None)),
            // Not seen until `since`, or not found by a scan until then; in both cases it was seen afterwards.
            (false, None) => match self.last(case.key, case.vantage, case.since) {
                Some(look) => Some((Presence::Appeared, Some(look))),
                None => Some((Presence::FirstSeen, None)),
            },
        }
    }
}

/// Combines shards into complete scans: whenever a shard ends and all others have ended, from the latest of each.
fn together(mut parts: Vec<Part>, of: u32) -> Vec<Proof> {
    parts.sort_by_key(|(_, part)| part.finished);
    let mut latest: BTreeMap<u32, Proof> = BTreeMap::new();
    let mut whole = Vec::new();
    for (index, part) in parts {
        let (scan, finished) = (part.scan.clone(), part.finished);
        if (1..=of).contains(&index) {
            latest.insert(index, part);
        }
        if latest.len() == of as usize {
            whole.push(Proof {
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
