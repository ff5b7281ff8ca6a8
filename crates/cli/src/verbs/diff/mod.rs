//! `vigie diff`: what changed between two instants.

mod table;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use vigie_catalog::Catalog;
use vigie_run::{Failure, diff};

use crate::args::{FailOn, LakeDir, TableOrJson};
use crate::failure::{Done, exit, print_json, written};

pub(crate) use table::table;

#[derive(Clone, Debug, Args)]
pub(crate) struct DiffArgs {
    /// The earlier time: a day (its start, UTC), an instant (2026-11-22T08:00:00Z), or an age (7d, 12h, 30m).
    since: crate::when::When,
    /// The later time.
    #[arg(default_value = "now")]
    until: crate::when::When,
    #[command(flatten)]
    lake: LakeDir,
    /// Table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    format: TableOrJson,
    /// Exit with 1 if anything changed; with a severity, only if a change is at or above it.
    #[arg(long, value_name = "SEVERITY", num_args = 0..=1, default_missing_value = "info", default_value = "never", require_equals = true)]
    fail_on_change: FailOn,
    /// Also list endpoints that were not scanned, and those of an earlier import that are not in a later one.
    #[arg(short, long)]
    verbose: bool,
}

pub(crate) fn run(args: &DiffArgs) -> Done {
    let now = chrono::Utc::now();
    let (since, until) = (args.since.at(now), args.until.at(now));
    if since >= until {
        return Err(Failure::usage(format!(
            "the earlier time ({}) must be before the later one ({})",
            since.format("%Y-%m-%d %H:%M:%SZ"),
            until.format("%Y-%m-%d %H:%M:%SZ")
        )));
    }
    let (runtime, lake) = vigie_run::lake::open(&args.lake.folder()?)?;
    let diff = diff::between((&runtime, &lake), (since, until), None, &Catalog::embedded())?;
    let mut out = anstream::stdout().lock();
    match args.format {
        TableOrJson::Json => {
            print_json(&mut out, &diff)?;
        }
        TableOrJson::Table => {
            let table = table(&diff, args.verbose, crate::terminal::width());
            written(write!(out, "{table}"))?;
        }
    }
    Ok(if args.fail_on_change.severity().is_some_and(|limit| diff.has_change_from(limit)) {
        ExitCode::from(exit::FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}
