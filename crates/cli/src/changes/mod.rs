//! What changed in a lake between two instants: its state as of the one held against its state as of the other.

mod table;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use vigie_assess::{Change, ChangeId, CompleteScan, EndedScan, Lifecycle, LifecycleQuery, ScanHistory};
use vigie_catalog::Catalog;
use vigie_lake::{Lake, LastLooks, Lineage, Look, Scan};
use vigie_model::{EndpointKey, Known, PathPrefix, Posture, SUSPECT_FROM, Severity, SourceKind, Timestamp, Transport};
use vigie_scope::Coverage;

use crate::args::FailOn;
use vigie_run::Failure;

pub(crate) use table::lines;

/// The schema of the document.
const SCHEMA: &str = "vigie.diff/1";

/// Endpoints whose looks are held in full at a time.
const AT_ONCE: usize = 4_000;

/// All that changed.
#[derive(Debug, Serialize)]
pub(crate) struct Diff {
    schema: &'static str,
    since: Timestamp,
    until: Timestamp,
    pub(crate) counts: Counts,
    endpoints: Vec<Entry>,
}

/// Endpoints, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    appeared: u64,
    first_seen: u64,
    gone: u64,
    came_and_went: u64,
    /// Seen before and since, and something is another.
    changed: u64,
    /// Seen before and since; nothing changed that both looks tell, and one tells what the other does not.
    told_otherwise: u64,
    unchanged: u64,
    not_looked_at: u64,
    not_in_import: u64,
}

/// An endpoint of which there is something to say.
#[derive(Debug, Serialize)]
struct Entry {
    address: IpAddr,
    port: u16,
    transport: Transport,
    name: Option<String>,
    /// The path under which it answers; left out: at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<PathPrefix>,
    source: Who,
    presence: Lifecycle,
    severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Seen>,
    /// The look that did not find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_found_by: Option<InVain>,
    /// Whether the two looks were read with different catalogues: then what changed may be what vigie knows.
    catalog_changed: bool,
    changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
struct Who {
    kind: SourceKind,
    name: Arc<str>,
    vantage: Arc<str>,
}

#[derive(Debug, Serialize)]
struct Seen {
    seen: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<Arc<str>>,
    product: Known<String>,
    version: Known<String>,
    posture: Known<Posture>,
    /// Whether it looks like a honeypot or an emulator; unknown does not.
    suspect: bool,
}

#[derive(Debug, Serialize)]
struct InVain {
    scan: String,
    started: Timestamp,
    finished: Timestamp,
}

/// Only what vigie's own scans from one vantage looked at.
#[derive(Debug)]
pub(crate) struct Within<'w> {
    pub(crate) vantage: &'w str,
    pub(crate) coverage: &'w Coverage,
}

impl Within<'_> {
    fn holds(&self, lineage: &Lineage) -> bool {
        let key = &lineage.key;
        lineage.kind == SourceKind::Scan && *lineage.vantage == *self.vantage && self.coverage.holds_key(key)
    }
}

/// What changed between two instants.
pub(crate) fn between(
    (runtime, lake): (&tokio::runtime::Runtime, &Lake),
    (since, until): (Timestamp, Timestamp),
    within: Option<&Within<'_>>,
    catalog: &Catalog,
) -> Result<Diff, Failure> {
    let read = |error: vigie_lake::Error| Failure::output(format!("cannot read the lake: {error}"));
    let history = ScanHistory::new(runtime.block_on(lake.scans()).map_err(read)?.into_iter().filter_map(ended));
    let mut all = runtime.block_on(lake.last_looks(since, until)).map_err(read)?;
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
    let mut stayed: Vec<LastLooks> = Vec::new();
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
                let state = |look: &Option<Look>| look.as_ref().map(|look| look.state);
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
            Some((presence, look)) => {
                diff.counts.count(presence);
                diff.endpoints.push(Entry::new(&last, presence, look, Vec::new()));
            }
        }
    }
    for some in stayed.chunks(AT_ONCE) {
        let states = some
            .iter()
            .flat_map(|last| [&last.before, &last.after])
            .flatten()
            .map(|look| look.state);
        let said = runtime.block_on(lake.said(states)).map_err(read)?;
        for last in some {
            let (Some(before), Some(after)) = (&last.before, &last.after) else {
                continue;
            };
            let then = said.observation(&last.lineage, before).map_err(read)?;
            let now = said.observation(&last.lineage, after).map_err(read)?;
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

impl Diff {
    /// The endpoints that came, went or changed, or were seen for the first time. What was not looked at, and what is told otherwise,
    /// did not.
    pub(crate) fn changed(&self) -> HashSet<EndpointKey> {
        let changed = |entry: &&Entry| {
            entry.presence.is_change() || entry.presence == Lifecycle::FirstSeen || entry.changes.iter().any(Change::is_change)
        };
        let key = |entry: &Entry| EndpointKey {
            address: entry.address,
            port: entry.port,
            transport: entry.transport,
            name: entry.name.clone(),
            prefix: entry.prefix.clone(),
        };
        self.endpoints.iter().filter(changed).map(key).collect()
    }

    /// Whether anything changed at or above that severity. What was not looked at, and what is told otherwise, did not.
    pub(crate) fn fails(&self, limit: FailOn) -> bool {
        let Some(limit) = limit.severity() else { return false };
        self.endpoints.iter().any(|entry| {
            (entry.presence.is_change() && entry.severity >= limit)
                || entry.changes.iter().any(|change| change.is_change() && change.severity >= limit)
        })
    }
}

impl Counts {
    fn count(&mut self, presence: Lifecycle) {
        let count = match presence {
            Lifecycle::Appeared => &mut self.appeared,
            Lifecycle::FirstSeen => &mut self.first_seen,
            Lifecycle::Gone => &mut self.gone,
            Lifecycle::CameAndWent => &mut self.came_and_went,
            Lifecycle::Stayed => &mut self.unchanged,
            Lifecycle::NotLookedAt => &mut self.not_looked_at,
            Lifecycle::NotInImport => &mut self.not_in_import,
        };
        *count += 1;
    }
}

impl Entry {
    fn new(last: &LastLooks, presence: Lifecycle, look: Option<&CompleteScan>, changes: Vec<Change>) -> Self {
        let seen = |look: &Look| Seen {
            seen: look.seen,
            scan: look.scan.clone(),
            product: look.product.clone(),
            version: look.version.clone(),
            posture: look.posture.clone(),
            suspect: is_suspect(look),
        };
        let Lineage {
            key,
            kind,
            source,
            vantage,
        } = &last.lineage;
        let latest = last.after.as_ref().or(last.before.as_ref());
        let worst = changes.iter().map(|change| change.severity).max();
        let catalogs = last.before.as_ref().zip(last.after.as_ref());
        Self {
            address: key.address,
            port: key.port,
            transport: key.transport,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            source: Who {
                kind: *kind,
                name: Arc::clone(source),
                vantage: Arc::clone(vantage),
            },
            presence,
            severity: worst.unwrap_or_else(|| weight(presence, latest)),
            before: last.before.as_ref().map(seen),
            after: last.after.as_ref().map(seen),
            not_found_by: look.map(|look| InVain {
                scan: look.scan.clone(),
                started: look.started,
                finished: look.finished,
            }),
            catalog_changed: catalogs.is_some_and(|(before, after)| before.catalog != after.catalog),
            changes,
        }
    }

    /// The worst first; among equals lost authentication before all, then other changes in their order, then what came and went.
    fn order(&self) -> (Reverse<Severity>, bool, Option<ChangeId>, Lifecycle, Place<'_>) {
        let first = self.changes.first().map(|change| change.id);
        let place = (
            self.address,
            self.port,
            self.name.as_deref(),
            self.prefix.as_ref(),
            &*self.source.name,
            &*self.source.vantage,
        );
        (Reverse(self.severity), first.is_none(), first, self.presence, place)
    }
}

/// Address, port, name, prefix, source and vantage.
type Place<'e> = (IpAddr, u16, Option<&'e str>, Option<&'e PathPrefix>, &'e str, &'e str);

/// How much it matters that an endpoint came or went.
fn weight(presence: Lifecycle, look: Option<&Look>) -> Severity {
    let open = look.is_some_and(|look| matches!(look.posture.known(), Some(Posture::Open | Posture::FirstAdmin)));
    // What is put up to be found is counted, and alarms nobody.
    let recognised = look.is_some_and(|look| look.product.is_known() && !is_suspect(look));
    match presence {
        Lifecycle::Appeared | Lifecycle::FirstSeen | Lifecycle::CameAndWent => match (recognised, open) {
            (false, _) => Severity::Low,
            (true, false) => Severity::Medium,
            (true, true) => Severity::High,
        },
        Lifecycle::Gone => Severity::Low,
        Lifecycle::Stayed | Lifecycle::NotLookedAt | Lifecycle::NotInImport => Severity::Info,
    }
}

fn is_suspect(look: &Look) -> bool {
    look.deception.known().is_some_and(|score| *score >= SUSPECT_FROM)
}

fn root(lineage: &Lineage) -> (IpAddr, u16, Option<String>, Arc<str>) {
    let key = &lineage.key;
    (key.address, key.port, key.name.clone(), Arc::clone(&lineage.vantage))
}

fn origin(lineage: &Lineage) -> (SourceKind, Arc<str>, Arc<str>) {
    (lineage.kind, Arc::clone(&lineage.source), Arc::clone(&lineage.vantage))
}

/// A scan as far as it can prove that something was not there: it ended, and it is known what it looked at.
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

/// Whether the entries are of several sources or vantages: then it is said which one is meant.
fn several(entries: &[Entry]) -> bool {
    let origins: HashSet<(&str, &str)> = entries.iter().map(|entry| (&*entry.source.name, &*entry.source.vantage)).collect();
    origins.len() > 1
}
