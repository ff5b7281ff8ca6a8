//! A diff for people.

use vigie_assess::{Change, ChangeId, Lifecycle};
use vigie_export::grid::Column;
use vigie_export::text::clean;
use vigie_model::Known;
use vigie_run::diff::{Counts, Diff, Entry, Seen};

/// Where; where lines have an end, the source and the vantage may stand under it.
const ENDPOINT: Column<'_> = Column::Text("endpoint");
/// Names of one kind that are listed of one endpoint, on a terminal.
const NAMES: usize = 6;
/// Columns of an id, a version, a digest or a name: whole, unless a stranger made it longer than any is.
const TOKEN: usize = 300;

/// The diff as a table, what was told otherwise apart, and the counts.
pub(crate) fn table(diff: &Diff, verbose: bool, width: usize) -> String {
    let origins = diff.has_several_origins();
    let names = if width == vigie_export::UNBOUNDED { usize::MAX } else { NAMES };
    let (mut changed, mut told) = (Vec::new(), Vec::new());
    for entry in &diff.endpoints {
        let at = at(entry, origins);
        let quiet = matches!(entry.presence, Lifecycle::NotLookedAt | Lifecycle::NotInImport);
        if entry.presence != Lifecycle::Stayed && (verbose || !quiet) {
            changed.push(vec![entry.severity.to_string(), at.clone(), presence(entry)]);
        }
        for (severity, is_change, what) in changes(entry, names) {
            let rows = if is_change { &mut changed } else { &mut told };
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
    if !told.is_empty() {
        for row in &mut told {
            row.remove(0);
        }
        out.push_str("\nNot a change: one look tells what the other does not.\n");
        out.push_str(&vigie_export::grid::grid(&[ENDPOINT, Column::Text("what is told")], &told, width));
    }
    if diff
        .endpoints
        .iter()
        .any(|entry| entry.catalog_changed && !entry.changes.is_empty())
    {
        out.push_str("\nvigie's catalogue changed between some of these looks: what they say may differ for that reason.\n");
    }
    out.push('\n');
    out.push_str(&counts(&diff.counts));
    out.push('\n');
    out
}

/// One line of counts; what there is none of is left out, but not that nothing changed.
fn counts(counts: &Counts) -> String {
    let parts = [
        (counts.appeared, "appeared"),
        (counts.first_seen, "seen for the first time, where nobody had looked"),
        (counts.gone, "gone"),
        (counts.came_and_went, "came and went"),
        (counts.changed, "changed"),
        (counts.told_otherwise, "told otherwise"),
        (counts.unchanged, "unchanged"),
        (counts.not_looked_at, "not looked at"),
        (counts.not_in_import, "not in the later import"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if told.is_empty() {
        "No endpoint was seen until then.".to_owned()
    } else {
        format!("Endpoints: {}.", told.join(", "))
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
    let is = || entry.after.as_ref().or(entry.before.as_ref()).map(told).unwrap_or_default();
    let last = || {
        let look = entry.after.as_ref().or(entry.before.as_ref());
        look.map(|look| look.seen.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
    };
    let by = || match &entry.not_found_by {
        Some(look) => format!("not found {}", look.started.format("%Y-%m-%d %H:%M")),
        None => String::new(),
    };
    match entry.presence {
        Lifecycle::Appeared => format!("appeared: {}", is()),
        Lifecycle::FirstSeen => format!("seen for the first time, where nobody had looked: {}", is()),
        Lifecycle::Gone => format!("gone: {}; last seen {}, {}", is(), last(), by()),
        Lifecycle::CameAndWent => format!("came and went: {}; last seen {}, {}", is(), last(), by()),
        Lifecycle::NotLookedAt => format!("not looked at since {}: {}", last(), is()),
        Lifecycle::NotInImport => format!("not in the later import, last in one of {}: {}", last(), is()),
        Lifecycle::Stayed => String::new(),
    }
}

fn told(look: &Seen) -> String {
    let product = match &look.product {
        Known::Known(product) => clean(product, TOKEN),
        Known::Unknown(_) => return "not recognised".to_owned(),
    };
    let version = look
        .version
        .known()
        .map_or("version unknown".to_owned(), |version| clean(version, TOKEN));
    let posture = look.posture.known().map_or("posture unknown".to_owned(), ToString::to_string);
    let suspect = if look.suspect { ", looks like a deception" } else { "" };
    format!("{product} {version}, {posture}{suspect}")
}

/// The changes of an endpoint, those of one kind and severity in one line: severity, whether it is a change, what.
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
        ChangeId::BecameSuspect => "looks like a deception now",
        ChangeId::NewModel => "new model",
        ChangeId::ModelChanged => "model changed",
        ChangeId::PostureChanged => "another posture",
        ChangeId::VersionChanged => "another version",
        ChangeId::CertificateChanged => "another certificate",
        ChangeId::GainedAuthentication => "gained authentication",
        ChangeId::NarrowerReach => "can be reached by fewer",
        ChangeId::Upgraded => "upgraded",
        ChangeId::GainedTls => "speaks TLS now",
        ChangeId::RemovedTool => "tool removed",
        ChangeId::RemovedCapability => "capability gone",
        ChangeId::RemovedModel => "model removed",
        ChangeId::NoLongerSuspect => "no longer looks like a deception",
        ChangeId::NowKnown => "now known",
        ChangeId::NoLongerKnown => "no longer known",
    }
}
