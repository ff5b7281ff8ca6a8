//! `vigie scope new | check`: scope files, which state who authorised what.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use vigie_run::{Failure, read};
use vigie_scope::{Hosts, OwnAddresses, ScopeFile};

use crate::failure::{Done, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct ScopeArgs {
    #[command(subcommand)]
    pub(crate) verb: ScopeVerb,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ScopeVerb {
    /// Print a scope file for these targets, for you to complete.
    New {
        /// Addresses, CIDR, ranges or names.
        targets: Vec<String>,
    },
    /// Check a scope file and print what it allows.
    Check {
        /// The file.
        file: PathBuf,
    },
}

pub(crate) fn run(args: ScopeArgs) -> Done {
    let mut out = std::io::stdout().lock();
    match args.verb {
        ScopeVerb::New { targets } => {
            let (targets, _) = vigie_run::targets::targets(&targets, &[])?;
            let hosts: Vec<Hosts> = targets.entries().iter().map(|target| target.hosts.clone()).collect();
            written(write!(out, "{}", vigie_scope::Scope::template(&hosts)))?;
        }
        ScopeVerb::Check { file } => {
            let scope = vigie_run::targets::scope(Some(&file), &[], &OwnAddresses::default())?;
            let parsed = ScopeFile::parse(&read(&file)?, chrono::Utc::now()).map_err(Failure::usage)?;
            let limits = scope.limits();
            let text = format!(
                "{}: valid.\nowner: {}\ncontact: {}\nexpires: {}\nranges: {}\nexclusions: {}\nbudget: {} requests per host and {} per network in any 5 minutes, {} connections a second\nhash: {}\n",
                file.display(),
                parsed.owner,
                parsed.contact,
                parsed.expires,
                parsed
                    .ranges
                    .iter()
                    .map(|range| range.hosts.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
                parsed.excludes.len(),
                limits.requests_per_host,
                limits.requests_per_prefix,
                limits.connections_per_second,
                scope.hash(),
            );
            written(out.write_all(text.as_bytes()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
