//! `vigie hosts`: the endpoints that earlier scans saw.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use vigie_lake::{Filter, HostRow};
use vigie_model::{Known, PathPrefix, Posture};

use crate::args::{HostsArgs, TableOrJson};
use crate::failure::{Done, Failure, print_json, written};

#[derive(Serialize)]
struct Host<'a> {
    address: std::net::IpAddr,
    port: u16,
    name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: &'a Option<PathPrefix>,
    first_seen: vigie_model::Timestamp,
    last_seen: vigie_model::Timestamp,
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
}

#[derive(Serialize)]
struct Hosts<'a> {
    schema: &'static str,
    hosts: Vec<Host<'a>>,
}

pub(crate) fn run(args: &HostsArgs) -> Done {
    let posture = match &args.posture {
        None => None,
        Some(word) => Some(
            [
                Posture::Open,
                Posture::Key,
                Posture::Login,
                Posture::Signup,
                Posture::FirstAdmin,
                Posture::Forbidden,
            ]
            .into_iter()
            .find(|posture| posture.word() == word)
            .ok_or_else(|| Failure::usage(format!("{word:?} is no posture: open, key, login, signup, first-admin, forbidden")))?,
        ),
    };
    let (runtime, lake) = crate::lake::open(&args.lake)?;
    let filter = Filter {
        product: args.product.clone(),
        posture,
        ..Filter::default()
    };
    let rows = runtime.block_on(lake.hosts(&filter)).map_err(Failure::output)?;
    let mut out = anstream::stdout().lock();
    match args.format {
        TableOrJson::Json => {
            let hosts = Hosts {
                schema: "vigie.hosts/1",
                hosts: rows.iter().map(host).collect(),
            };
            print_json(&mut out, &hosts)?;
        }
        TableOrJson::Table => {
            let table: Vec<Vec<String>> = rows
                .iter()
                .map(|row| {
                    let at = row.key.to_string();
                    vec![
                        at,
                        vigie_export::text::clean(&told(&row.product), 40),
                        vigie_export::text::clean(&told(&row.version), 30),
                        told(&row.posture),
                        told(&row.models),
                        row.last_seen.format("%Y-%m-%d %H:%M").to_string(),
                        row.observations.to_string(),
                    ]
                })
                .collect();
            let grid = vigie_export::table::grid(
                &["endpoint", "product", "version", "posture", "models", "last seen", "seen"],
                &table,
                super::width(),
            );
            written(writeln!(out, "{grid}\n{} endpoints. Tell of one: vigie show ADDRESS", rows.len()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn host(row: &HostRow) -> Host<'_> {
    Host {
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
    }
}

/// The value, or a question mark with the reason.
fn told<T: ToString>(value: &Known<T>) -> String {
    match value {
        Known::Known(value) => value.to_string(),
        Known::Unknown(unknown) => format!("? ({})", unknown.why),
    }
}
