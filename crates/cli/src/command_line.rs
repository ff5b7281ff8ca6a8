//! The command line.

use clap::{Parser, Subcommand};

#[cfg(feature = "find")]
use crate::verbs::advisory::AdvisoryArgs;
#[cfg(feature = "audit")]
use crate::verbs::audit::AuditArgs;
#[cfg(feature = "find")]
use crate::verbs::catalog::CatalogArgs;
#[cfg(feature = "guard")]
use crate::verbs::connect::ConnectArgs;
#[cfg(feature = "demo")]
use crate::verbs::demo::DemoArgs;
#[cfg(feature = "watch")]
use crate::verbs::diff::DiffArgs;
#[cfg(feature = "watch")]
use crate::verbs::discover::DiscoverArgs;
#[cfg(feature = "demo")]
use crate::verbs::fleet::FleetArgs;
use crate::verbs::generate::{CompletionsArgs, ManArgs};
#[cfg(feature = "guard")]
use crate::verbs::guard::GuardArgs;
#[cfg(feature = "find")]
use crate::verbs::hosts::HostsArgs;
#[cfg(feature = "watch")]
use crate::verbs::import::ImportArgs;
#[cfg(feature = "study")]
use crate::verbs::lake::LakeArgs;
#[cfg(feature = "demo")]
use crate::verbs::population::PopulationArgs;
#[cfg(feature = "find")]
use crate::verbs::scan::ScanArgs;
#[cfg(feature = "find")]
use crate::verbs::scope::ScopeArgs;
#[cfg(feature = "find")]
use crate::verbs::show::ShowArgs;
#[cfg(feature = "study")]
use crate::verbs::sql::SqlArgs;
#[cfg(feature = "study")]
use crate::verbs::study::StudyArgs;
#[cfg(feature = "watch")]
use crate::verbs::watch::WatchArgs;

/// Find, watch and lock down the self-hosted AI servers you answer for.
#[derive(Debug, Parser)]
#[command(name = "vigie", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success; 1 a finding or change at or above the limit (--fail-on, --fail-on-change); 2 wrong usage or \
                  invalid input file; 3 the scan failed or could not scan anything; 4 results could not be written; 5 an imported file \
                  ends early; 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Report which AI servers answer, what they expose, and to whom.
    ///
    /// Without targets, this machine is scanned. A scan only reads, and identifies itself; it never writes, logs in or tries a credential,
    /// and runs no inference and loads no model without --prove.
    #[cfg(feature = "find")]
    Scan(Box<ScanArgs>),
    /// List the advisories that affect a product or version.
    #[cfg(feature = "find")]
    Advisory(AdvisoryArgs),
    /// List the endpoints that earlier scans and imports found.
    #[cfg(feature = "find")]
    Hosts(HostsArgs),
    /// Show what is known of one address, with its history.
    #[cfg(feature = "find")]
    Show(ShowArgs),
    /// Import the records of other tools into the lake.
    ///
    /// Reads files of Shodan, Censys, zmap, zgrab2, masscan, nmap, naabu, httpx, nuclei, FOFA, Shadowserver (CSV), and vigie's own JSON
    /// lines, also in gzip, zstd and zip. A file that several tools could have written needs --from.
    /// Sends nothing. Values that a source does not carry are unknown, and importing the same file twice adds nothing. A file that ends
    /// early is read as far as it goes, and the exit code is 5.
    #[cfg(feature = "watch")]
    Import(ImportArgs),
    /// Query Shodan or Censys within a budget of credits, and import their records into the lake.
    ///
    /// Requests go to the service only. --confirm then scans the endpoints that were found, within your scope.
    #[cfg(feature = "watch")]
    Discover(DiscoverArgs),
    /// Show what changed between two points in time, from the observations in the lake.
    ///
    /// Endpoints that appeared, went or changed: authentication, models, capabilities, tools, versions. An endpoint is gone only if a scan
    /// tried it and got no answer; a value that only one of two observations reports did not change. Nothing is sent.
    #[cfg(feature = "watch")]
    Diff(DiffArgs),
    /// Scan on a schedule, and report after each round what changed.
    ///
    /// Without targets, the ranges of the scope file are scanned, else this machine. After a pause, one round replaces all that were
    /// missed. An interrupted round is repeated when the watch starts again. Two watches of the same targets do not run in one lake at the same time.
    #[cfg(feature = "watch")]
    Watch(Box<WatchArgs>),
    /// Query the lake in SQL.
    ///
    /// The tables are observations, states, models, running, tools, evidence and scans; SHOW TABLES and DESCRIBE TABLE list their columns.
    /// NULL means unknown in a column that has a _why column beside it.
    #[cfg(feature = "study")]
    Sql(SqlArgs),
    /// Answer the study's questions: how many servers, where, with which capabilities, and how many one vulnerability affects.
    ///
    /// Without ids, every question is answered. --out writes the document: one HTML file, Markdown, JSON, and a CSV file per table.
    #[cfg(feature = "study")]
    Study(Box<StudyArgs>),
    /// Maintain the lake: list its files, compact it, delete data.
    #[cfg(feature = "study")]
    Lake(LakeArgs),
    /// Report what is wrong in configuration files, with the line and the remedy.
    ///
    /// Reads compose files with their overrides and variables, Kubernetes objects, systemd units with their drop-ins, and shell scripts, and
    /// sends nothing. A setting counts as it takes effect: what a later file overrides, a comment, and a profile that is off are not reported.
    #[cfg(feature = "audit")]
    Audit(AuditArgs),
    /// Run a gateway in front of a model server: keys, limits, an audit log.
    #[cfg(feature = "guard")]
    Guard(Box<GuardArgs>),
    /// Use a guarded server as if it ran on this machine: a port of loopback that adds the key.
    #[cfg(feature = "guard")]
    Connect(ConnectArgs),
    /// List, explain, check, test and record what vigie knows of each product.
    #[cfg(feature = "find")]
    Catalog(CatalogArgs),
    /// Write or check a scope file, which states who authorised what.
    #[cfg(feature = "find")]
    Scope(ScopeArgs),
    /// Start simulated servers on loopback, scan them, and write the findings to a folder.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Run simulated servers on loopback until interrupted.
    #[cfg(feature = "demo")]
    Fleet(FleetArgs),
    /// Write months of observations of a simulated population into a lake, to test a study.
    ///
    /// Its shares follow the published figures, its addresses belong to nobody, and the correct answers of a study are known.
    #[cfg(feature = "demo")]
    Population(PopulationArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Write the man pages into a folder.
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
