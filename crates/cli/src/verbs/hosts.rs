//! `vigie hosts`: the endpoints that earlier scans saw.

mod args;
mod choice;
mod printed;

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

/// Endpoints that are listed on a terminal, if no limit is named.
const ON_A_TERMINAL: usize = 50;
/// Endpoints that are read and printed at a time.
const AT_ONCE: usize = 20_000;
/// Endpoints that are judged at a time: all they said is in memory then.
const JUDGED: usize = 4_000;

/// How many are listed at most.
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
            _ => text
                .parse()
                .map(Self::Most)
                .map_err(|_| format!("{text:?} is no limit: write a number, or all")),
        }
    }
}

/// An endpoint that is listed, and what was computed of it.
#[derive(Clone, Debug)]
struct Listed {
    glimpse: Glimpse,
    /// `None`: not asked for; the worst of its findings, or that it has none.
    severity: Option<Option<Severity>>,
}

/// The same with all that is printed.
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
    let judged = args.severity.is_some() || by == By::Severity;
    let mut listed = if judged {
        judge(&runtime, &glimpses, chosen, args.severity, &knowledge)?
    } else {
        chosen.into_iter().map(|glimpse| Listed { glimpse, severity: None }).collect()
    };
    sort(&mut listed, by, args.sort.reverse, &knowledge);
    let found = listed.len();
    match args.limit.unwrap_or_else(|| without_a_limit(args.format)) {
        Limit::All => {}
        Limit::Most(most) => listed.truncate(most),
    }
    let left = found - listed.len();

    let mut printer = Printer::new(args, judged)?;
    for some in listed.chunks(AT_ONCE) {
        let wanted: Vec<Glimpse> = some.iter().map(|listed| listed.glimpse.clone()).collect();
        let rows = runtime.block_on(glimpses.hosts(&wanted)).map_err(read)?;
        for (row, listed) in rows.iter().zip(some) {
            let host = Host {
                row,
                severity: listed.severity,
                verdict: choice::verdict(&knowledge, listed.glimpse.product.as_deref(), listed.glimpse.version.as_deref()),
            };
            if !printer.host(&host)? {
                // Nobody reads any more.
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
        anstream::eprintln!("vigie: note: {left} more {are} not listed; --limit all lists all, --limit N so many");
    }
    Ok(ExitCode::SUCCESS)
}

/// A terminal gets a page; whatever reads a pipe, or asked for a format of programs, gets all.
fn without_a_limit(format: ListFormat) -> Limit {
    use std::io::IsTerminal as _;
    match format == ListFormat::Table && std::io::stdout().is_terminal() {
        true => Limit::Most(ON_A_TERMINAL),
        false => Limit::All,
    }
}

/// Computes what is found on each endpoint with the knowledge of today, and keeps those at or above a severity.
fn judge(
    runtime: &tokio::runtime::Runtime,
    glimpses: &Glimpses,
    mut chosen: Vec<Glimpse>,
    least: Option<Severity>,
    knowledge: &Knowledge,
) -> Result<Vec<Listed>, Failure> {
    // Neighbours in time lie in the same files.
    chosen.sort_by_key(|glimpse| glimpse.last_seen);
    let mut listed = Vec::new();
    for some in chosen.chunks(JUDGED) {
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
    // Sorted by a number first, so that each endpoint is compared by a key that is made once.
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
