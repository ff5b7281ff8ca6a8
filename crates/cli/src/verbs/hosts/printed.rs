//! The list in its formats. All but the table are written while endpoints are read.

use std::io::{BufWriter, Write as _};

use serde::Serialize;
use vigie_export::grid::{self, Column};
use vigie_export::{CsvRows, text};
use vigie_lake::HostRow;
use vigie_model::{Known, PathPrefix, Posture, Severity, Timestamp, Verdict};
use vigie_run::Failure;

use super::Host;
use super::args::{HostsArgs, ListFormat};
use crate::failure::{has_reader, written};

/// The schema of the JSON document.
const SCHEMA: &str = "vigie.hosts/1";
/// The schema of the CSV rows, in the first column; new columns are added at the end.
const CSV_SCHEMA: &str = "vigie.hosts.csv/1";

type Out = BufWriter<anstream::AutoStream<std::io::Stdout>>;

pub(super) struct Printer {
    into: Into,
    severities: bool,
    countries: bool,
    verdicts: bool,
    count: usize,
}

enum Into {
    Table(Vec<Vec<String>>),
    Json(Out),
    Jsonl(Out),
    Csv(Box<CsvRows<Out>>),
}

/// An endpoint in JSON.
#[derive(Serialize)]
struct Line<'a> {
    address: std::net::IpAddr,
    port: u16,
    name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: &'a Option<PathPrefix>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    observations: u64,
    vantage: &'a str,
    product: &'a Known<String>,
    version: &'a Known<String>,
    confidence: f64,
    posture: &'a Known<Posture>,
    models: &'a Known<u32>,
    tools: &'a Known<u32>,
    tls: &'a Known<bool>,
    deception: &'a Known<f64>,
    #[serde(skip_serializing_if = "is_unknown")]
    country: &'a Known<String>,
    /// Of the product's version, with the current advisories.
    verdict: Verdict,
    /// The worst severity of the findings, or null for none; absent if it was not computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Option<Severity>>,
}

fn is_unknown<T>(known: &&Known<T>) -> bool {
    !known.is_known()
}

impl Printer {
    pub(super) fn new(args: &HostsArgs, severities: bool) -> Result<Self, Failure> {
        let out = || BufWriter::with_capacity(1 << 16, anstream::AutoStream::auto(std::io::stdout()));
        let into = match args.format {
            ListFormat::Table => Into::Table(Vec::new()),
            ListFormat::Json => {
                let mut out = out();
                written(write!(out, "{{\n  \"schema\": \"{SCHEMA}\",\n  \"hosts\": ["))?;
                Into::Json(out)
            }
            ListFormat::Jsonl => Into::Jsonl(out()),
            ListFormat::Csv => {
                let mut rows = CsvRows::new(out());
                written(rows.row(CSV_COLUMNS.iter().map(|(name, _)| (*name).to_owned())))?;
                Into::Csv(Box::new(rows))
            }
        };
        Ok(Self {
            into,
            severities,
            countries: !args.countries.is_empty(),
            verdicts: !args.verdicts.is_empty(),
            count: 0,
        })
    }

    /// Prints an endpoint; returns whether the output still has a reader.
    pub(super) fn host(&mut self, host: &Host<'_>) -> Result<bool, Failure> {
        self.count += 1;
        match &mut self.into {
            Into::Table(rows) => {
                let row = row(host, (self.countries, self.verdicts, self.severities));
                rows.push(row);
                Ok(true)
            }
            Into::Json(out) => {
                let mut bytes = Vec::new();
                text::json_pretty(&mut bytes, &line(host)).map_err(Failure::output)?;
                let pretty = String::from_utf8(bytes).map_err(Failure::output)?;
                let comma = if self.count > 1 { "," } else { "" };
                has_reader(write!(out, "{comma}\n    {}", pretty.replace('\n', "\n    ")))
            }
            Into::Jsonl(out) => has_reader(text::json(&mut *out, &line(host)).and_then(|()| writeln!(out))),
            Into::Csv(rows) => has_reader(rows.row(CSV_COLUMNS.iter().map(|(_, cell)| cell(host)))),
        }
    }

    pub(super) fn end(self, found: usize) -> Result<(), Failure> {
        match self.into {
            Into::Table(rows) => {
                let mut heads = vec![
                    Column::Token("endpoint"),
                    Column::Token("product"),
                    Column::Token("version"),
                    Column::Text("posture"),
                    Column::Text("models"),
                    Column::Text("last seen"),
                    Column::Token("seen"),
                ];
                heads.extend(self.countries.then_some(Column::Token("country")));
                heads.extend(self.verdicts.then_some(Column::Token("verdict")));
                heads.extend(self.severities.then_some(Column::Token("severity")));
                let mut out = BufWriter::new(anstream::stdout().lock());
                let listed = match rows.len() == found {
                    true => format!("{found} endpoints"),
                    false => format!("{} of {found} endpoints", rows.len()),
                };
                written(grid::write(&mut out, &heads, || rows.iter().cloned(), crate::terminal::width()))?;
                written(writeln!(out, "\n{listed}. Details of one: vigie show ADDRESS").and_then(|()| out.flush()))
            }
            Into::Json(mut out) => {
                let end = if self.count > 0 { "\n  ]\n}\n" } else { "]\n}\n" };
                written(out.write_all(end.as_bytes()).and_then(|()| out.flush()))
            }
            Into::Jsonl(mut out) => written(out.flush()),
            Into::Csv(mut rows) => written(rows.flush()),
        }
    }
}

fn line<'h>(host: &'h Host<'_>) -> Line<'h> {
    let row = host.row;
    Line {
        address: row.key.address,
        port: row.key.port,
        name: &row.key.name,
        prefix: &row.key.prefix,
        first_seen: row.first_seen,
        last_seen: row.last_seen,
        observations: row.observations,
        vantage: &row.vantage,
        product: &row.product,
        version: &row.version,
        confidence: row.confidence,
        posture: &row.posture,
        models: &row.models,
        tools: &row.tools,
        tls: &row.tls,
        deception: &row.deception,
        country: &row.network.country,
        verdict: host.verdict,
        severity: host.severity,
    }
}

fn row(host: &Host<'_>, (countries, verdicts, severities): (bool, bool, bool)) -> Vec<String> {
    let row = host.row;
    let mut cells = vec![
        row.key.to_string(),
        shown(&row.product),
        shown(&row.version),
        shown(&row.posture),
        shown(&row.models),
        row.last_seen.format("%Y-%m-%d %H:%M").to_string(),
        row.observations.to_string(),
    ];
    if countries {
        cells.push(shown(&row.network.country));
    }
    if verdicts {
        cells.push(host.verdict.to_string());
    }
    if severities {
        cells.push(severity(host));
    }
    cells
}

/// The value, or a question mark with the reason.
fn shown<T: ToString>(value: &Known<T>) -> String {
    match value {
        Known::Known(value) => value.to_string(),
        Known::Unknown(unknown) => format!("? ({})", unknown.why),
    }
}

/// The worst severity, `none`, or an empty text if it was not computed.
fn severity(host: &Host<'_>) -> String {
    match host.severity {
        None => String::new(),
        Some(None) => "none".to_owned(),
        Some(Some(severity)) => severity.to_string(),
    }
}

/// A column: its name and the function that gives its cell.
type CsvColumn = (&'static str, fn(&Host<'_>) -> String);

/// An unknown value is an empty cell, with its reason in `<column>_why`.
const CSV_COLUMNS: &[CsvColumn] = &[
    ("schema", |_| CSV_SCHEMA.to_owned()),
    ("address", |h| h.row.key.address.to_string()),
    ("port", |h| h.row.key.port.to_string()),
    ("name", |h| h.row.key.name.clone().unwrap_or_default()),
    ("prefix", |h| h.row.key.prefix.as_ref().map(ToString::to_string).unwrap_or_default()),
    ("first_seen", |h| time(h.row.first_seen)),
    ("last_seen", |h| time(h.row.last_seen)),
    ("observations", |h| h.row.observations.to_string()),
    ("source", |h| h.row.source.clone()),
    ("vantage", |h| h.row.vantage.clone()),
    ("product", |h| value(&h.row.product)),
    ("product_why", |h| why(&h.row.product)),
    ("version", |h| value(&h.row.version)),
    ("version_why", |h| why(&h.row.version)),
    ("confidence", |h| h.row.confidence.to_string()),
    ("posture", |h| value(&h.row.posture)),
    ("posture_why", |h| why(&h.row.posture)),
    ("models_count", |h| value(&h.row.models)),
    ("models_why", |h| why(&h.row.models)),
    ("capabilities", |h| capabilities(h.row)),
    ("capabilities_why", |h| why(&h.row.capabilities)),
    ("tools_count", |h| value(&h.row.tools)),
    ("tools_why", |h| why(&h.row.tools)),
    ("tls", |h| value(&h.row.tls)),
    ("tls_why", |h| why(&h.row.tls)),
    ("deception_score", |h| value(&h.row.deception)),
    ("deception_score_why", |h| why(&h.row.deception)),
    ("country", |h| value(&h.row.network.country)),
    ("country_why", |h| why(&h.row.network.country)),
    ("asn", |h| value(&h.row.network.asn)),
    ("asn_why", |h| why(&h.row.network.asn)),
    ("network_class", |h| value(&h.row.network.class)),
    ("network_class_why", |h| why(&h.row.network.class)),
    ("organisation", |h| value(&h.row.network.organisation)),
    ("organisation_why", |h| why(&h.row.network.organisation)),
    ("verdict", |h| h.verdict.to_string()),
    ("severity", severity),
    ("severity_why", |h| match h.severity {
        None => "not-asked".to_owned(),
        Some(_) => String::new(),
    }),
];

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

fn value<T: ToString>(known: &Known<T>) -> String {
    known.known().map(ToString::to_string).unwrap_or_default()
}

fn why<T>(known: &Known<T>) -> String {
    known.why().map(|why| why.code().to_owned()).unwrap_or_default()
}

fn capabilities(row: &HostRow) -> String {
    let words = row
        .capabilities
        .known()
        .map(|all| all.iter().map(|word| word.as_str().to_owned()).collect());
    words.map(|words: Vec<String>| words.join(";")).unwrap_or_default()
}
