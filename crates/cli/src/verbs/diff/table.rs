//! A diff as tables for people.

use vigie_assess::{Change, ChangeId, Lifecycle};
use vigie_export::grid::Column;
use vigie_export::text::clean;
use vigie_model::Known;
use vigie_run::diff::{Counts, Diff, Entry, Seen};

/// The endpoint. On a terminal, its source and vantage may be on a line below it.
const ENDPOINT: Column<'_> = Column::Text("endpoint");
/// Names of one kind that a terminal shows for an endpoint.
const NAMES: usize = 6;
/// The longest id, version, digest or name in characters: longer than any real one, because strangers choose them.
const TOKEN: usize = 300;

/// The changes as a table, then the values that only one observation reports, then the counts.
pub(crate) fn table(diff: &Diff, verbose: bool, width: usize) -> String {
    let origins = diff.has_several_origins();
    let names = if width == vigie_export::UNBOUNDED { usize::MAX } else { NAMES };
    let (mut changed, mut reported) = (Vec::new(), Vec::new());
    for entry in &diff.endpoints {
        let at = at(entry, origins);
        let quiet = matches!(entry.presence, Lifecycle::NotLookedAt | Lifecycle::NotInImport);
        if entry.presence != Lifecycle::Stayed && (verbose || !quiet) {
            changed.push(vec![entry.severity.to_string(), at.clone(), presence(entry)]);
        }
        for (severity, is_change, what) in changes(entry, names) {
            let rows = if is_change { &mut changed } else { &mut reported };
            rows.push(vec![severity, at.clone(), what]);
        }
    }
    let mut out = String::new();
    if changed.is_empty() {
        out.push_str("Nothing changed.\n");
    } else {
        let heads = [Column::Token("severity"), ENDPOINT, Column::Text("what changed")];
        out.push_str(&vigie_export::grid::grid(&heads, &changed, width));
    }
    if !reported.is_empty() {
        for row in &mut reported {
            row.remove(0);
        }
        out.push_str("\nNot a change: one observation reports what the other does not.\n");
        out.push_str(&vigie_export::grid::grid(
            &[ENDPOINT, Column::Text("what is reported")],
            &reported,
            width,
        ));
    }
    if diff
        .endpoints
        .iter()
        .any(|entry| entry.catalog_changed && !entry.changes.is_empty())
    {
        out.push_str(
            "\nThe catalogue of vigie changed between some of these observations, which may be the reason for some differences.\n",
        );
    }
    out.push('\n');
    out.push_str(&counts(&diff.counts));
    out.push('\n');
    out
}

/// One line of counts, without those that are zero.
fn counts(counts: &Counts) -> String {
    let parts = [
        (counts.appeared, "appeared"),
        (counts.first_seen, "first seen (not scanned before)"),
        (counts.gone, "gone"),
        (counts.came_and_went, "came and went"),
        (counts.changed, "changed"),
        (counts.told_otherwise, "reported differently"),
        (counts.unchanged, "unchanged"),
        (counts.not_looked_at, "not scanned"),
        (counts.not_in_import, "not in the later import"),
    ];
    let counted: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if counted.is_empty() {
        "No endpoints were observed up to the later time.".to_owned()
    } else {
        format!("Endpoints: {}.", counted.join(", "))
    }
}

fn at(entry: &Entry, origins: bool) -> String {
    let socket = std::net::SocketAddr::new(entry.address, entry.port);
    let prefix = entry.prefix.as_ref().map_or("", vigie_model::PathPrefix::as_str);
    let mut at = match &entry.name {
        Some(name) => format!("{name}{prefix} ({socket})"),
        None => format!("{socket}{prefix}"),
    };
    if origins {
        at.push_str(&format!(" [{} from {}]", entry.source.name, entry.source.vantage));
    }
    clean(&at, 2 * TOKEN)
}

fn presence(entry: &Entry) -> String {
    let latest = entry.after.as_ref().or(entry.before.as_ref());
    let is = || latest.map(observed).unwrap_or_default();
    let last = || {
        latest
            .map(|seen| seen.seen.format("%Y-%m-%d %H:%M").to_string())
            .unwrap_or_default()
    };
    let by = || match &entry.not_found_by {
        Some(scan) => format!("not found {}", scan.started.format("%Y-%m-%d %H:%M")),
        None => String::new(),
    };
    match entry.presence {
        Lifecycle::Appeared => format!("appeared: {}", is()),
        Lifecycle::FirstSeen => format!("first seen; not scanned before: {}", is()),
        Lifecycle::Gone => format!("gone: {}; last seen {}, {}", is(), last(), by()),
        Lifecycle::CameAndWent => format!("came and went: {}; last seen {}, {}", is(), last(), by()),
        Lifecycle::NotLookedAt => format!("not scanned since {}: {}", last(), is()),
        Lifecycle::NotInImport => format!("not in the later import; last in the import of {}: {}", last(), is()),
        Lifecycle::Stayed => String::new(),
    }
}

fn observed(seen: &Seen) -> String {
    let product = match &seen.product {
        Known::Known(product) => clean(product, TOKEN),
        Known::Unknown(_) => return "not recognised".to_owned(),
    };
    let version = seen
        .version
        .known()
        .map_or("version unknown".to_owned(), |version| clean(version, TOKEN));
    let posture = seen.posture.known().map_or("posture unknown".to_owned(), ToString::to_string);
    let suspect = if seen.suspect {
        ", looks like a honeypot or an emulator"
    } else {
        ""
    };
    format!("{product} {version}, {posture}{suspect}")
}

/// The changes of an endpoint, one line per kind and severity: the severity, whether it counts as a change, and the text.
fn changes(entry: &Entry, names: usize) -> Vec<(String, bool, String)> {
    let mut groups: Vec<(&Change, Vec<String>)> = Vec::new();
    for change in &entry.changes {
        let what = one(change);
        match groups.last_mut() {
            Some((first, all)) if (first.id, first.severity) == (change.id, change.severity) => all.push(what),
            _ => groups.push((change, vec![what])),
        }
    }
    groups
        .into_iter()
        .map(|(first, all)| {
            let more = all.len().saturating_sub(names);
            let mut listed: Vec<String> = all.into_iter().filter(|what| !what.is_empty()).take(names).collect();
            if more > 0 {
                listed.push(format!("and {more} more"));
            }
            let title = title(first.id);
            let text = if listed.is_empty() {
                title.to_owned()
            } else {
                format!("{title}: {}", listed.join(", "))
            };
            (first.severity.to_string(), first.is_change(), text)
        })
        .collect()
}

fn one(change: &Change) -> String {
    let value = |value: &Known<String>| match value {
        Known::Known(text) => clean(text, TOKEN),
        Known::Unknown(unknown) => format!("? ({})", unknown.why),
    };
    let values = match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{} → {}", value(before), value(after)),
        (Some(one), None) | (None, Some(one)) => value(one),
        (None, None) => String::new(),
    };
    match (&change.subject, values.is_empty()) {
        (None, _) => values,
        (Some(subject), true) => clean(subject, TOKEN),
        (Some(subject), false) => format!("{} {values}", clean(subject, TOKEN)),
    }
}

fn title(id: ChangeId) -> &'static str {
    match id {
        ChangeId::LostAuthentication => "lost authentication",
        ChangeId::WiderReach => "can be reached by more",
        ChangeId::NewlyReadable => "newly readable",
        ChangeId::NewTool => "new tool",
        ChangeId::ToolChanged => "tool changed",
        ChangeId::NewCapability => "new capability",
        ChangeId::ProductChanged => "another product",
        ChangeId::Downgraded => "downgraded",
        ChangeId::LostTls => "no longer speaks TLS",
        ChangeId::BecameSuspect => "now looks like a honeypot or an emulator",
        ChangeId::NewModel => "new model",
        ChangeId::ModelChanged => "model changed",
        ChangeId::PostureChanged => "another posture",
        ChangeId::VersionChanged => "another version",
        ChangeId::CertificateChanged => "another certificate",
        ChangeId::GainedAuthentication => "gained authentication",
        ChangeId::NarrowerReach => "can be reached by fewer",
        ChangeId::Upgraded => "upgraded",
        ChangeId::GainedTls => "now speaks TLS",
        ChangeId::RemovedTool => "tool removed",
        ChangeId::RemovedCapability => "capability removed",
        ChangeId::RemovedModel => "model removed",
        ChangeId::NoLongerSuspect => "no longer looks like a honeypot or an emulator",
        ChangeId::NowKnown => "now known",
        ChangeId::NoLongerKnown => "no longer known",
    }
}
