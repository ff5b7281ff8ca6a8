//! `--format csv`: one row per endpoint, `vigie.csv/1`.

use std::io::{self, Write};

use vigie_model::{Finding, Known, Observation, Reach, Severity, SourceKind, ToolRisk, Verdict, Why};

use crate::{Report, Summary, text};

/// The schema of the rows, in the first column. New columns are added at the end only.
pub const SCHEMA: &str = "vigie.csv/1";

/// Maximum width of a cell in columns; the limit of spreadsheets is 32,767 characters.
const CELL: usize = 30_000;

/// Maximum width of an item of a list, so that one long name does not displace the others.
const ITEM: usize = 200;

/// A column: its name, and the function that gives its cells.
pub type Column = (&'static str, fn(&Observation) -> String);

/// The columns in their order. The cell of an unknown value is empty, and its reason is in `<column>_why`. Items of lists are separated by
/// `;`, and a `;` inside a name is written `\u{3b}`.
pub const COLUMNS: &[Column] = &[
    ("schema", |_| SCHEMA.to_owned()),
    ("seen", |o| time(&o.seen)),
    ("recorded", |o| time(&o.recorded)),
    ("source_kind", |o| source(o.source.kind).to_owned()),
    ("source", |o| o.source.name.clone()),
    ("vantage", |o| o.source.vantage.clone()),
    ("scan", |o| o.source.scan.clone().unwrap_or_default()),
    ("scope", |o| value(&o.scope)),
    ("scope_why", |o| why(&o.scope)),
    ("address", |o| o.endpoint.address.to_string()),
    ("port", |o| o.endpoint.port.to_string()),
    ("transport", |_| "tcp".to_owned()),
    ("name", |o| o.endpoint.name.clone().unwrap_or_default()),
    ("tls", |o| value(&o.endpoint.tls)),
    ("tls_why", |o| why(&o.endpoint.tls)),
    ("bound", |o| match &o.listener {
        Some(listener) => list(listener.bound.iter().map(ToString::to_string)),
        None => String::new(),
    }),
    ("reach", |o| value(&o.exposure.reach.as_ref().map(|reach| self::reach(*reach)))),
    ("reach_why", |o| why(&o.exposure.reach)),
    ("product", |o| value(&o.identity.product)),
    ("product_why", |o| why(&o.identity.product)),
    ("version", |o| value(&o.identity.version)),
    ("version_why", |o| why(&o.identity.version)),
    ("confidence", |o| o.identity.confidence.to_string()),
    ("posture", |o| value(&o.exposure.posture)),
    ("posture_why", |o| why(&o.exposure.posture)),
    ("activity", |o| {
        value(&o.exposure.activity.as_ref().map(|activity| match activity {
            vigie_model::Activity::Active => "active",
            vigie_model::Activity::Dormant => "dormant",
        }))
    }),
    ("activity_why", |o| why(&o.exposure.activity)),
    ("models_count", |o| count(&o.exposure.models)),
    ("models", |o| names(&o.exposure.models, |model| &model.name)),
    ("models_why", |o| why(&o.exposure.models)),
    ("running_count", |o| count(&o.exposure.running)),
    ("running", |o| names(&o.exposure.running, |model| &model.name)),
    ("running_why", |o| why(&o.exposure.running)),
    ("capabilities", |o| {
        names(&o.exposure.capabilities, |capability| capability.as_str())
    }),
    ("capabilities_why", |o| why(&o.exposure.capabilities)),
    ("tools_count", |o| count(&o.exposure.tools)),
    ("tools", |o| names(&o.exposure.tools, |tool| &tool.name)),
    ("tools_why", |o| why(&o.exposure.tools)),
    ("tool_risks", tool_risks),
    ("country", |o| value(&o.network.country)),
    ("country_why", |o| why(&o.network.country)),
    ("asn", |o| value(&o.network.asn)),
    ("asn_why", |o| why(&o.network.asn)),
    ("network_class", |o| value(&o.network.class)),
    ("network_class_why", |o| why(&o.network.class)),
    ("deception_score", |o| value(&o.deception.score)),
    ("deception_score_why", |o| why(&o.deception.score)),
    ("deception_tells", |o| list(o.deception.tells.iter().map(|tell| tell.id.clone()))),
    ("suspect", |o| o.deception.is_suspect().to_string()),
    ("advisories_affected", |o| advisories(o, Verdict::Affected, false)),
    ("advisories_exploited", |o| advisories(o, Verdict::Affected, true)),
    ("advisories_unknown", |o| advisories(o, Verdict::Unknown, false)),
    ("advisories_why", advisories_why),
    ("findings_critical", |o| findings(o, Severity::Critical)),
    ("findings_high", |o| findings(o, Severity::High)),
    ("findings_medium", |o| findings(o, Severity::Medium)),
    ("findings_low", |o| findings(o, Severity::Low)),
    ("findings_info", |o| findings(o, Severity::Info)),
    ("findings_accepted", |o| {
        finding_ids(o.findings.iter().filter(|finding| finding.accepted.is_some()))
    }),
    ("city", |o| value(&o.network.city)),
    ("city_why", |o| why(&o.network.city)),
    ("organisation", |o| value(&o.network.organisation)),
    ("organisation_why", |o| why(&o.network.organisation)),
    ("network_tier", |o| value(&o.network.tier)),
    ("network_tier_why", |o| why(&o.network.tier)),
    ("models_at_least", |o| at_least(o.exposure.models_at_least)),
    ("running_at_least", |o| at_least(o.exposure.running_at_least)),
    ("tools_at_least", |o| at_least(o.exposure.tools_at_least)),
    ("prefix", |o| {
        o.endpoint.prefix.as_ref().map(ToString::to_string).unwrap_or_default()
    }),
];

/// CSV (RFC 4180) with a header.
#[derive(Debug)]
pub struct Csv<W: Write> {
    writer: ::csv::Writer<W>,
}

impl<W: Write> Csv<W> {
    /// Rows into a writer.
    pub fn new(writer: W) -> Self {
        Self {
            writer: ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(writer),
        }
    }
}

impl<W: Write> Report for Csv<W> {
    fn begin(&mut self) -> io::Result<()> {
        self.writer.write_record(COLUMNS.iter().map(|(name, _)| name)).map_err(into_io)
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        self.writer
            .write_record(COLUMNS.iter().map(|(_, cell)| guard(&cell(observation))))
            .map_err(into_io)
    }

    fn pause(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Rows of texts as CSV with safe cells, for lists other than observations.
#[derive(Debug)]
pub struct CsvRows<W: Write> {
    writer: ::csv::Writer<W>,
}

impl<W: Write> CsvRows<W> {
    /// Rows into a writer.
    pub fn new(writer: W) -> Self {
        Self {
            writer: ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(writer),
        }
    }

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// If the writer fails, or the row has another length than those before it.
    pub fn row(&mut self, cells: impl Iterator<Item = String>) -> io::Result<()> {
        self.writer.write_record(cells.map(|cell| guard(&cell))).map_err(into_io)
    }

    /// Flushes the writer.
    ///
    /// # Errors
    ///
    /// When the writer fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Makes a cell safe for terminals and spreadsheets. A text that would begin a formula gets an apostrophe before it, as OWASP advises
/// against CSV injection. Line breaks and tabs are escaped.
fn guard(cell: &str) -> String {
    let cell = text::clean(cell, CELL);
    if cell.starts_with(['=', '+', '-', '@']) {
        format!("'{cell}")
    } else {
        cell
    }
}

fn into_io(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("cannot write the CSV row: {other:?}")),
    }
}

fn time(at: &vigie_model::Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

fn source(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Scan => "scan",
        SourceKind::Import => "import",
        SourceKind::Fleet => "fleet",
    }
}

fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Loopback => "loopback",
        Reach::Private => "private",
        Reach::Public => "public",
    }
}

fn value<T: ToString>(known: &Known<T>) -> String {
    known.known().map(ToString::to_string).unwrap_or_default()
}

fn why<T>(known: &Known<T>) -> String {
    known.why().map(|why| why.code().to_owned()).unwrap_or_default()
}

fn count<T>(known: &Known<Vec<T>>) -> String {
    known.known().map(|list| list.len().to_string()).unwrap_or_default()
}

/// The number of items read of an incomplete list; empty for a complete one.
fn at_least(least: Option<u64>) -> String {
    least.map(|least| least.to_string()).unwrap_or_default()
}

fn names<T>(known: &Known<Vec<T>>, name: impl Fn(&T) -> &str) -> String {
    known
        .known()
        .map(|items| list(items.iter().map(|item| name(item).to_owned())))
        .unwrap_or_default()
}

fn list(items: impl Iterator<Item = String>) -> String {
    let mut out = String::new();
    for item in items {
        if !out.is_empty() {
            out.push(';');
        }
        out.push_str(&text::clean(&item.replace(';', "\\u{3b}"), ITEM));
    }
    out
}

/// The distinct risk classes of the tools, in descending order of risk.
fn tool_risks(observation: &Observation) -> String {
    let mut risks: Vec<ToolRisk> = observation
        .exposure
        .tools
        .known()
        .into_iter()
        .flatten()
        .flat_map(|tool| tool.risks.iter().copied())
        .collect();
    risks.sort_unstable();
    risks.dedup();
    list(risks.into_iter().map(|risk| crate::table::risk_word(risk).to_owned()))
}

/// Whether the product is known but was compared with no advisory: none covers it, or it is an interface, not a product.
fn has_no_advisories_to_compare(observation: &Observation) -> bool {
    let advisories = &observation.advisories;
    advisories.is_not_covered() || (advisories.is_empty() && advisories.coverage().is_none() && observation.identity.product.is_known())
}

/// Why the columns of advisories are empty: the product is unknown, or was compared with no advisory.
fn advisories_why(observation: &Observation) -> String {
    if has_no_advisories_to_compare(observation) {
        return Why::NotCarried.code().to_owned();
    }
    why(&observation.identity.product)
}

/// The advisories with a verdict; empty if the product is unknown or was compared with none, which does not mean that none applies.
fn advisories(observation: &Observation, verdict: Verdict, exploited: bool) -> String {
    if !observation.identity.product.is_known() || has_no_advisories_to_compare(observation) {
        return String::new();
    }
    list(
        observation
            .advisories
            .iter()
            .filter(|advisory| advisory.verdict == verdict && (advisory.exploited || !exploited))
            .map(|advisory| advisory.id.clone()),
    )
}

fn findings(observation: &Observation, severity: Severity) -> String {
    finding_ids(
        observation
            .findings
            .iter()
            .filter(|finding| finding.severity == severity && finding.accepted.is_none()),
    )
}

fn finding_ids<'f>(findings: impl Iterator<Item = &'f Finding>) -> String {
    list(findings.map(|finding| finding.id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_quoted_and_numbers_are_not() {
        assert_eq!(guard("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(guard("+1"), "'+1");
        assert_eq!(guard("-1"), "'-1");
        assert_eq!(guard("@SUM(A1)"), "'@SUM(A1)");
        assert_eq!(guard("\t=1"), "\\t=1");
        assert_eq!(guard("\r=1"), "\\r=1");
        assert_eq!(guard("0.17.4"), "0.17.4");
    }

    #[test]
    fn a_separator_inside_a_name_is_no_separator() {
        assert_eq!(list(["a;b".to_owned(), "c".to_owned()].into_iter()), "a\\u{3b}b;c");
    }

    #[test]
    fn every_unknown_has_its_reason_beside_it() {
        let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        for name in names.iter().filter_map(|name| name.strip_suffix("_why")) {
            assert!(
                names
                    .iter()
                    .any(|other| *other == name || other.strip_prefix(name).is_some_and(|rest| rest.starts_with('_') && rest != "_why")),
                "{name}"
            );
        }
    }
}
