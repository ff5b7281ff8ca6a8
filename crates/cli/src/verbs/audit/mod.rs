//! `vigie audit`: what is wrong in configuration files.

mod args;
mod explain;
mod json;
mod plain;

use std::io::Write as _;
use std::process::ExitCode;

use vigie_audit::{Options, Report};
use vigie_catalog::Catalog;
use vigie_model::Severity;
use vigie_run::Failure;

use crate::failure::{Done, written};

pub(crate) use args::AuditArgs;
use args::Format;

/// The exit code where the worst finding has this severity.
const fn exit_code(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 10,
        Severity::Low => 11,
        Severity::Medium => 12,
        Severity::High => 13,
        Severity::Critical => 14,
    }
}

pub(crate) fn run(args: &AuditArgs) -> Done {
    let language = args.language.into();
    if let Some(id) = &args.explain {
        return explain::run(id, language);
    }
    if args.paths.is_empty() {
        return Err(Failure::usage("name the files or directories to audit: vigie audit PATH…"));
    }
    for path in &args.paths {
        // A path that is mistyped must not pass for one without findings.
        if let Err(error) = std::fs::symlink_metadata(path) {
            return Err(Failure::usage(format!("cannot read {}: {error}", path.display())));
        }
    }
    let options = Options {
        paths: args.paths.clone(),
        persona: args.persona.into(),
        language,
    };
    let report = vigie_audit::audit(&options, &Catalog::embedded()).map_err(Failure::usage)?;
    let mut out = anstream::stdout().lock();
    match args.format {
        Format::Plain => written(plain::write(&mut out, &report).and_then(|()| out.flush()))?,
        Format::Json => json::write(&mut out, &report)?,
    }
    Ok(ending(&report, args))
}

fn ending(report: &Report, args: &AuditArgs) -> ExitCode {
    if args.exit_zero {
        return ExitCode::SUCCESS;
    }
    let worst = report.findings.iter().map(|one| one.finding.severity).max();
    worst.map_or(ExitCode::SUCCESS, |severity| ExitCode::from(exit_code(severity)))
}
