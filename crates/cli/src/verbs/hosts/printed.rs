//! The list in its formats. All but the table are written as endpoints come.

use std::io::{BufWriter, Write as _};

use serde::Serialize;
use vigie_export::grid::{self, Column};
use vigie_export::{CsvRows, text};
use vigie_lake::HostRow;
use vigie_model::{Known, PathPrefix, Posture, Severity, Timestamp, Verdict};
use vigie_run::Failure;

use super::Host;
use super::args::{HostsArgs, ListFormat};
use crate::failure::{heard, written};

/// The schema of the document of JSON.
const SCHEMA: &str = "vigie.hosts/1";
/// The schema of the rows, in the first column; columns are only added, at the end.
const CSV_SCHEMA: &str = "vigie.hosts.csv/1";

type Out = BufWriter<anstream::AutoStream<std::io::Stdout>>;

pub(super) struct Printer {
    into: Into,
    judged: bool,
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

/// An endpoint as JSON tells it.
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
    /// Of the product's version, with the advisories of today.
    verdict: Verdict,
    /// Where it was asked for: the worst finding, or null for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Option<Severity>>,
}

fn is_unknown<T>(known: &&Known<T>) -> bool {
    !known.is_known()
}

impl Printer {
    pub(super) fn new(args: &HostsArgs, judged: bool) -> Result<Self, Failure> {
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
            judged,
            countries: !args.countries.is_empty(),
            verdicts: !args.verdicts.is_empty(),
            count: 0,
        })
    }

    /// Prints one; says whether somebody still reads.
    pub(super) fn host(&mut self, host: &Host<'_>) -> Result<bool, Failure> {
        self.count += 1;
        match &mut self.into {
            Into::Table(rows) => {
                let row = row(host, (self.countries, self.verdicts, self.judged));
                rows.push(row);
                Ok(true)
            }
            Into::Json(out) => {
                let mut bytes = Vec::new();
                text::json_pretty(&mut bytes, &line(host)).map_err(Failure::output)?;
                let pretty = String::from_utf8(bytes).map_err(Failure::output)?;
                let comma = if self.count > 1 { "," } else { "" };
                heard(write!(out, "{comma}\n    {}", pretty.replace('\n', "\n    ")))
            }
            Into::Jsonl(out) => heard(text::json(&mut *out, &line(host)).and_then(|()| writeln!(out))),
            Into::Csv(rows) => heard(rows.row(CSV_COLUMNS.iter().map(|(_, cell)| cell(host)))),
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
                heads.extend(self.judged.then_some(Column::Token("severity")));
                let mut out = BufWriter::new(anstream::stdout().lock());
                let listed = match rows.len() == found {
                    true => format!("{found} endpoints"),
                    false => format!("{} of {found} endpoints", rows.len()),
                };
                written(grid::write(&mut out, &heads, || rows.iter().cloned(), crate::verbs::width()))?;
                written(writeln!(out, "\n{listed}. Tell of one: vigie show ADDRESS").and_then(|()| out.flush()))
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

fn row(host: &Host<'_>, (countries, verdicts, judged): (bool, bool, bool)) -> Vec<String> {
    let row = host.row;
    let mut cells = vec![
        row.key.to_string(),
        told(&row.product),
        told(&row.version),
        told(&row.posture),
        told(&row.models),
        row.last_seen.format("%Y-%m-%d %H:%M").to_string(),
        row.observations.to_string(),
    ];
    if countries {
        cells.push(told(&row.network.country));
    }
    if verdicts {
        cells.push(host.verdict.to_string());
    }
    if judged {
        cells.push(severity(host));
    }
    cells
}

/// The value, or a question mark with the reason.
fn told<T: ToString>(value: &Known<T>) -> String {
    match value {
        Known::Known(value) => value.to_string(),
        Known::Unknown(unknown) => format!("? ({})", unknown.why),
    }
}

/// The worst finding, `none`, or nothing where it was not asked for.
fn severity(host: &Host<'_>) -> String {
    match host.severity {
        None => String::new(),
        Some(None) => "none".to_owned(),
        Some(Some(severity)) => severity.to_string(),
    }
}

/// A column: its name and what stands in it.
type Cell = (&'static str, fn(&Host<'_>) -> String);

/// A value that is unknown leaves its cell empty and its reason in `<column>_why`.
const CSV_COLUMNS: &[Cell] = &[
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
