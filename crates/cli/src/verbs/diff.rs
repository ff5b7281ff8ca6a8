//! `vigie diff`: what changed between two instants.

use std::io::Write as _;
use std::process::ExitCode;

use vigie_catalog::Catalog;

use crate::args::{DiffArgs, TableOrJson};
use crate::changes;
use crate::failure::{Done, exit, print_json, written};
use vigie_run::Failure;

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
    let diff = changes::between((&runtime, &lake), (since, until), None, &Catalog::embedded())?;
    let mut out = anstream::stdout().lock();
    match args.format {
        TableOrJson::Json => {
            print_json(&mut out, &diff)?;
        }
        TableOrJson::Table => {
            let table = changes::lines(&diff, args.verbose, super::width());
            written(write!(out, "{table}"))?;
        }
    }
    Ok(if diff.fails(args.fail_on_change) {
        ExitCode::from(exit::FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}
