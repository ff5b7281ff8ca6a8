//! `vigie hosts`: the endpoints that earlier scans and imports found.

mod args;
mod choice;
mod printed;
mod spelling;
mod versions;

use std::process::ExitCode;

use choice::Choice;
use printed::Printer;
use vigie_assess::Knowledge;
use vigie_lake::{Glimpse, Glimpses, HostRow};
use vigie_model::{Severity, Verdict};
use vigie_run::Failure;

use self::args::ListFormat;
use crate::failure::Done;
use crate::sort::{By, Endpoint, Key, worst};

pub(crate) use self::args::HostsArgs;

/// Endpoints in a table on a terminal, if no limit was given.
const TERMINAL_LIMIT: usize = 50;
/// Endpoints that are read and printed at a time.
const PRINTED_AT_ONCE: usize = 20_000;
/// Endpoints that are assessed at a time, with their whole observations in memory.
const ASSESSED_AT_ONCE: usize = 4_000;

/// The most endpoints in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    All,
    Most(usize),
}

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" | "0" => Ok(Self::All),
            _ => text.parse().map(Self::Most).map_err(|_| "write a number, or all".to_owned()),
        }
    }
}

/// An endpoint of the list, and what was computed for it.
#[derive(Clone, Debug)]
struct Listed {
    glimpse: Glimpse,
    /// The worst severity of its findings, if it has any; `None`: not computed.
    severity: Option<Option<Severity>>,
}

/// An endpoint with everything that is printed.
struct Host<'h> {
    row: &'h HostRow,
    severity: Option<Option<Severity>>,
    verdict: Verdict,
}

pub(crate) fn run(args: &HostsArgs) -> Done {
    let knowledge = Knowledge::embedded();
    let mut choice = Choice::of(args, &knowledge)?;
    let (runtime, lake) = vigie_run::lake::open(&args.lake.folder()?)?;
    let read = |error: vigie_lake::Error| Failure::output(format!("cannot read the lake: {error}"));
    #[cfg(feature = "watch")]
    choice.changed(args, (&runtime, &lake), &knowledge)?;
    let mut glimpses = runtime.block_on(lake.glimpses(&choice.filter())).map_err(read)?;
    let mut chosen = std::mem::take(&mut glimpses.all);
    chosen.retain(|glimpse| choice.holds(glimpse, &knowledge));
    let by = args.sort.sort.unwrap_or(By::Seen);
    let is_assessed = args.severity.is_some() || by == By::Severity;
    let mut listed = if is_assessed {
        assess(&runtime, &glimpses, chosen, args.severity, &knowledge)?
    } else {
        chosen.into_iter().map(|glimpse| Listed { glimpse, severity: None }).collect()
    };
    sort(&mut listed, by, args.sort.reverse, &knowledge);
    let found = listed.len();
    match args.limit.unwrap_or_else(|| default_limit(args.format)) {
        Limit::All => {}
        Limit::Most(most) => listed.truncate(most),
    }
    let left = found - listed.len();

    let mut printer = Printer::new(args, is_assessed)?;
    for some in listed.chunks(PRINTED_AT_ONCE) {
        let wanted: Vec<Glimpse> = some.iter().map(|listed| listed.glimpse.clone()).collect();
        let rows = runtime.block_on(glimpses.hosts(&wanted)).map_err(read)?;
        for (row, listed) in rows.iter().zip(some) {
            let host = Host {
                row,
                severity: listed.severity,
                verdict: choice::verdict(&knowledge, listed.glimpse.product.as_deref(), listed.glimpse.version.as_deref()),
            };
            if !printer.host(&host)? {
                // The output has no reader any more.
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    printer.end(found)?;
    for note in choice.notes() {
        anstream::eprintln!("vigie: note: {}", vigie_export::text::lines(&note));
    }
    if left > 0 {
        let are = if left == 1 { "endpoint is" } else { "endpoints are" };
        anstream::eprintln!("vigie: note: {left} more {are} not shown; --limit all lists all");
    }
    Ok(ExitCode::SUCCESS)
}

/// A table on a terminal is limited; pipes, files and the formats for programs get all endpoints.
fn default_limit(format: ListFormat) -> Limit {
    use std::io::IsTerminal as _;
    match format == ListFormat::Table && std::io::stdout().is_terminal() {
        true => Limit::Most(TERMINAL_LIMIT),
        false => Limit::All,
    }
}

/// Computes the findings of each endpoint with the current catalogue and advisories, and keeps endpoints at or above a severity.
fn assess(
    runtime: &tokio::runtime::Runtime,
    glimpses: &Glimpses,
    mut chosen: Vec<Glimpse>,
    least: Option<Severity>,
    knowledge: &Knowledge,
) -> Result<Vec<Listed>, Failure> {
    // Observations of about the same time are in the same files.
    chosen.sort_by_key(|glimpse| glimpse.last_seen);
    let mut listed = Vec::new();
    for some in chosen.chunks(ASSESSED_AT_ONCE) {
        let observations = runtime
            .block_on(glimpses.observations(some))
            .map_err(|error| Failure::output(format!("cannot read the lake: {error}")))?;
        for (glimpse, mut observation) in some.iter().zip(observations) {
            knowledge.assess(&mut observation);
            let severity = worst(&observation);
            if least.is_none_or(|least| severity >= Some(least)) {
                listed.push(Listed {
                    glimpse: glimpse.clone(),
                    severity: Some(severity),
                });
            }
        }
    }
    Ok(listed)
}

fn sort(listed: &mut [Listed], by: By, reverse: bool, knowledge: &Knowledge) {
    // Each endpoint's key is computed once.
    let key = |listed: &Listed| -> Key {
        let glimpse = &listed.glimpse;
        let endpoint = Endpoint {
            place: &glimpse.key,
            seen: glimpse.last_seen,
            product: glimpse.product.as_deref(),
            version: glimpse.version.as_deref(),
            severity: listed.severity.flatten(),
        };
        by.key(&endpoint, &knowledge.catalog)
    };
    let mut order: Vec<(Key, Listed)> = listed.iter().map(|listed| (key(listed), listed.clone())).collect();
    order.sort_by(|(a, _), (b, _)| a.compare(b, reverse));
    for (slot, (_, next)) in listed.iter_mut().zip(order) {
        *slot = next;
    }
}
