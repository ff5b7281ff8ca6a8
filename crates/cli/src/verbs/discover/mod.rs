//! `vigie discover`: the records of Shodan and Censys, within a budget, into the lake.

mod args;
mod confirm;
mod keys;
mod printed;
mod progress;
mod signals;

use std::process::ExitCode;

use vigie_discover::{ServiceKind, StopReason};
use vigie_export::text::lines;
use vigie_run::discover::{DiscoverEvent, Discovered, QueryReport, how_to_resume, prepare};
use vigie_run::{Failure, Stop};

use self::progress::Shown;
use crate::failure::{Done, exit};

pub(crate) use args::DiscoverArgs;

pub(crate) fn run(args: &DiscoverArgs) -> Done {
    let (kind, query) = (args.kind(), args.query());
    let ready = prepare(args.options()?)?;
    if query.dry_run {
        return printed::dry_run(&ready);
    }
    let service = keys::service(args)?;
    let stop = Stop::new();
    let mut shown = None;
    let discovered = ready.run(service, &stop, &mut |event| {
        match event {
            DiscoverEvent::Note(note) => anstream::eprintln!("vigie: {}", lines(note)),
            DiscoverEvent::Begun { state } => signals::listen(&stop, kind, state.to_owned())?,
            DiscoverEvent::Progress { state, spent, budget } => {
                shown.get_or_insert_with(|| Shown::new(query.quiet)).update(state, spent, budget);
            }
            DiscoverEvent::Ended => {
                if let Some(shown) = &shown {
                    shown.end();
                }
            }
        }
        Ok(())
    })?;
    end(args, &discovered)
}

/// Prints the report and how to resume, and confirms what was found if that is wanted.
fn end(args: &DiscoverArgs, discovered: &Discovered) -> Done {
    let report = &discovered.report;
    printed::report(report, args.query().format).map_err(|failure| match report.complete {
        true => failure,
        false => failure.and(how_to_resume(args.kind(), &discovered.state)),
    })?;
    let code = match &discovered.stopped {
        None => ExitCode::SUCCESS,
        Some(reason) => stopped(reason, args.kind(), discovered)?,
    };
    let confirmed = confirm::run(args.query(), &discovered.endpoints)?;
    if confirmed != ExitCode::SUCCESS {
        return Ok(confirmed);
    }
    let refused = report.queries.iter().any(QueryReport::is_refused);
    Ok(if refused { ExitCode::from(exit::USAGE) } else { code })
}

/// What to do after a run that ended early, and the exit code.
fn stopped(reason: &StopReason, kind: ServiceKind, discovered: &Discovered) -> Done {
    let again = how_to_resume(kind, &discovered.state);
    let advice = match reason {
        StopReason::Interrupted => {
            anstream::eprintln!("vigie: interrupted; what came is kept; {again}");
            return Ok(ExitCode::from(exit::INTERRUPTED));
        }
        StopReason::Budget(last) => {
            let why = match discovered.report.credits.account {
                Some(account) => format!("the budget, or the account's {account} credits, would be exceeded"),
                None => "the budget would be exceeded".to_owned(),
            };
            let last = last
                .as_ref()
                .map(|word| format!("; the last request gave nothing: {}", lines(word)))
                .unwrap_or_default();
            anstream::eprintln!("vigie: {why} by the next request{last}; {again} --budget CREDITS");
            return Ok(ExitCode::SUCCESS);
        }
        StopReason::Key(_) => "make a new key, or see whether it was copied whole",
        StopReason::Credits(_) => "wait until they are renewed, or buy some",
        StopReason::Plan(_) if kind == ServiceKind::Censys => {
            "searching by API needs a paid plan, and its organization's id in --organization or CENSYS_ORGANIZATION_ID"
        }
        StopReason::Plan(_) => "see what the plan holds; searching with filters and paging needs a paid one",
        StopReason::Wait(_) => "try again then",
        StopReason::Unreachable(_) => "try again later; if it is always the same page, give fewer --pages",
    };
    Err(Failure::scan(format!("{}: {reason}; {advice}; then {again}", kind.word())))
}
