//! The entries of a diff and their order.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use vigie_assess::{Change, CompleteScan, Lifecycle};
use vigie_lake::{LastObservations, Lineage, ObservedState};
use vigie_model::{EndpointKey, Known, PathPrefix, Posture, SUSPECT_FROM, Severity, SourceKind, Timestamp, Transport};

/// Everything that changed between two instants of a lake.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// `vigie.diff/1`.
    pub(super) schema: &'static str,
    /// The earlier instant.
    pub since: Timestamp,
    /// The later instant.
    pub until: Timestamp,
    /// The counts.
    pub counts: Counts,
    /// The endpoints with something to report, the worst first.
    pub endpoints: Vec<Entry>,
}

/// Endpoints, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Scanned before without an answer, and seen since.
    pub appeared: u64,
    /// Seen for the first time, and not scanned before.
    pub first_seen: u64,
    /// Seen before, scanned since without an answer.
    pub gone: u64,
    /// Appeared and gone between the two instants.
    pub came_and_went: u64,
    /// Seen before and since, and changed.
    pub changed: u64,
    /// Seen before and since; nothing changed that both observations report, and one reports what the other does not.
    pub told_otherwise: u64,
    /// Seen before and since, without a change.
    pub unchanged: u64,
    /// Seen before and not scanned since.
    pub not_looked_at: u64,
    /// In an earlier import and not in the later one.
    pub not_in_import: u64,
}

/// An endpoint that came, went or changed, or was not scanned.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its transport.
    pub transport: Transport,
    /// The host name under which it was visited.
    pub name: Option<String>,
    /// The path under which it answers; absent: at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PathPrefix>,
    /// Who observed it, and from where.
    pub source: Origin,
    /// Whether it came, went or stayed.
    pub presence: Lifecycle,
    /// The worst of its changes, or how much its coming or going matters.
    pub severity: Severity,
    /// The last observation before the first instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Seen>,
    /// The last observation between the two instants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Seen>,
    /// The scan that did not find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_found_by: Option<CompletedScan>,
    /// Whether the two observations were made with different catalogues: then what changed may be what vigie knows.
    pub catalog_changed: bool,
    /// What changed.
    pub changes: Vec<Change>,
}

/// Who observes an endpoint, and from where.
#[derive(Debug, Serialize)]
pub struct Origin {
    /// The kind of source.
    pub kind: SourceKind,
    /// The source's name.
    pub name: Arc<str>,
    /// The vantage from which it observes.
    pub vantage: Arc<str>,
}

/// The main values of an observation.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// When.
    pub seen: Timestamp,
    /// The scan that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<Arc<str>>,
    /// The product.
    pub product: Known<String>,
    /// The version.
    pub version: Known<String>,
    /// The posture.
    pub posture: Known<Posture>,
    /// Whether it looks like a honeypot or an emulator; if that is unknown, it does not.
    pub suspect: bool,
}

/// A scan that was completed.
#[derive(Debug, Serialize)]
pub struct CompletedScan {
    /// Its id.
    pub scan: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

impl Diff {
    /// The endpoints that came, went or changed, or were seen for the first time. Endpoints that were not scanned, and values that only
    /// one of two observations reports, do not count.
    #[must_use]
    pub fn changed(&self) -> HashSet<EndpointKey> {
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

    /// Whether anything changed at or above that severity. Endpoints that were not scanned, and values that only one of two observations
    /// reports, do not count.
    #[must_use]
    pub fn has_change_from(&self, limit: Severity) -> bool {
        self.endpoints.iter().any(|entry| {
            (entry.presence.is_change() && entry.severity >= limit)
                || entry.changes.iter().any(|change| change.is_change() && change.severity >= limit)
        })
    }
}

impl Counts {
    pub(super) fn count(&mut self, presence: Lifecycle) {
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
    pub(super) fn new(last: &LastObservations, presence: Lifecycle, not_found_by: Option<&CompleteScan>, changes: Vec<Change>) -> Self {
        let seen = |look: &ObservedState| Seen {
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
            source: Origin {
                kind: *kind,
                name: Arc::clone(source),
                vantage: Arc::clone(vantage),
            },
            presence,
            severity: worst.unwrap_or_else(|| weight(presence, latest)),
            before: last.before.as_ref().map(seen),
            after: last.after.as_ref().map(seen),
            not_found_by: not_found_by.map(|scan| CompletedScan {
                scan: scan.scan.clone(),
                started: scan.started,
                finished: scan.finished,
            }),
            catalog_changed: catalogs.is_some_and(|(before, after)| before.catalog != after.catalog),
            changes,
        }
    }

    /// Sort key: the worst first; among equals lost authentication first, then other changes in their order, then what came and went.
    pub(super) fn order(&self) -> impl Ord + '_ {
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

/// How much it matters that an endpoint came or went.
fn weight(presence: Lifecycle, look: Option<&ObservedState>) -> Severity {
    let open = look.is_some_and(|look| matches!(look.posture.known(), Some(Posture::Open | Posture::FirstAdmin)));
    // A honeypot is counted, and raises no alarm.
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

fn is_suspect(look: &ObservedState) -> bool {
    look.deception.known().is_some_and(|score| *score >= SUSPECT_FROM)
}

impl Diff {
    /// Whether the entries have several sources or vantages: then a reader must be shown which.
    #[must_use]
    pub fn has_several_origins(&self) -> bool {
        let entries = self.endpoints.iter();
        let origins: HashSet<(&str, &str)> = entries.map(|entry| (&*entry.source.name, &*entry.source.vantage)).collect();
        origins.len() > 1
    }
}
