//! Whether an endpoint was there at an instant, as far as the scans that were kept can say.
//!
//! An endpoint that was not seen again is gone only if it was looked for: by a scan from the same vantage that began after the
//! endpoint was last seen, went to its end, and had it among what it set out to look at. Else nobody looked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use vigie_model::{EndpointKey, SourceKind, Timestamp};
use vigie_scope::Coverage;

/// What became of an endpoint between two instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It was looked for and not there; now it is.
    Appeared,
    /// It is there; before, nobody had looked.
    FirstSeen,
    /// It was looked for in vain since it was last seen.
    Gone,
    /// It was not there, was seen in between, and was looked for in vain since.
    CameAndWent,
    /// It was seen before and in between.
    Stayed,
    /// It was there, and nobody looked since.
    NotLookedAt,
    /// It was in an earlier import and is not in a later one. An import does not say what was looked for.
    NotInImport,
}

impl Presence {
    /// Every word, in its order.
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

    /// Whether it is known that something is another than before.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(self, Self::Appeared | Self::Gone | Self::CameAndWent)
    }
}

/// A scan that went to its end, or one shard of one.
#[derive(Clone, Debug)]
pub struct EndedScan {
    /// The scan's id.
    pub scan: String,
    /// From where.
    pub vantage: String,
    /// What it set out to look at, all shards together, as a [`Coverage`] is written.
    pub covers: String,
    /// Its seed and which shard of how many, where it was one.
    pub shard: Option<(u64, u32, u32)>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// What it could not look at after all.
    pub missed: Vec<SocketAddr>,
}

/// The scans, by what they looked at.
#[derive(Debug, Default)]
pub struct Looks(Vec<Group>);

#[derive(Debug)]
struct Group {
    vantage: String,
    coverage: Coverage,
    /// The latest started first.
    looks: Vec<Proof>,
}

/// A look over all of a coverage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The scan's id; of shards, that of the one that ended last.
    pub scan: String,
    /// When the first part started.
    pub started: Timestamp,
    /// When the last part ended.
    pub finished: Timestamp,
    missed: BTreeSet<SocketAddr>,
}

/// A shard's number, and its look.
type Part = (u32, Proof);

/// An endpoint's last looks, and what else bears on whether it was there.
#[derive(Clone, Copy, Debug)]
pub struct Case<'c> {
    /// Which endpoint.
    pub key: &'c EndpointKey,
    /// By what kind of source.
    pub kind: SourceKind,
    /// From where.
    pub vantage: &'c str,
    /// When it was last seen at or before `since`.
    pub before: Option<Timestamp>,
    /// When it was last seen after that, at or before `until`.
    pub after: Option<Timestamp>,
    /// The first instant.
    pub since: Timestamp,
    /// The second.
    pub until: Timestamp,
    /// Whether the same source saw anything between the two from the same vantage.
    pub later_import: bool,
}

impl Looks {
    /// Sorts the scans by what they looked at. Shards of one scan are a look when all of them have ended. A coverage that does not
    /// read, because a later version wrote it, proves nothing.
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

    /// The latest started of the looks from there that had this endpoint among what they looked at and ended at or before `by`.
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

    /// What became of an endpoint, with the look that did not find it; `None`: it was there neither before nor in between.
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
            // Not seen until `since`, or looked for in vain until then: in both cases it was seen after it.
            (false, None) => match self.last(case.key, case.vantage, case.since) {
                Some(look) => Some((Presence::Appeared, Some(look))),
                None => Some((Presence::FirstSeen, None)),
            },
        }
    }
}

/// Shards as looks over the whole: each time one ends and all the others have, with the latest of each.
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
