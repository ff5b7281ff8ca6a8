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
    /// From when: a day (its start, UTC), an instant (2026-11-22T08:00:00Z), or an age (7d, 12h, 30m).
    since: crate::when::When,
    /// Until when.
    #[arg(default_value = "now")]
    until: crate::when::When,
    #[command(flatten)]
    lake: LakeDir,
    /// Table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    format: TableOrJson,
    /// Exit with 1 if anything changed, or anything at or above a severity.
    #[arg(long, value_name = "SEVERITY", num_args = 0..=1, default_missing_value = "info", default_value = "never", require_equals = true)]
    fail_on_change: FailOn,
    /// List also what was not looked at, and what is in an earlier import and not in a later one.
    #[arg(short, long)]
    verbose: bool,
}

pub(crate) fn run(args: &DiffArgs) -> Done {
    let now = chrono::Utc::now();
    let (since, until) = (args.since.at(now), args.until.at(now));
    if since >= until {
        return Err(Failure::usage(format!(
            "the first time ({}) must lie before the second ({})",
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
            let table = table(&diff, args.verbose, super::width());
            written(write!(out, "{table}"))?;
        }
    }
    Ok(if args.fail_on_change.severity().is_some_and(|limit| diff.has_change_from(limit)) {
        ExitCode::from(exit::FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}
