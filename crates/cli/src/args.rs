//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use vigie_model::Severity;
use vigie_run::Failure;
#[cfg(feature = "watch")]
use vigie_run::NetworkFiles;

use crate::verbs::advisory::AdvisoryArgs;
use crate::verbs::catalog::CatalogArgs;
#[cfg(feature = "demo")]
use crate::verbs::demo::DemoArgs;
#[cfg(feature = "watch")]
use crate::verbs::diff::DiffArgs;
#[cfg(feature = "watch")]
use crate::verbs::discover::DiscoverArgs;
#[cfg(feature = "demo")]
use crate::verbs::fleet::FleetArgs;
use crate::verbs::generate::{CompletionsArgs, ManArgs};
use crate::verbs::hosts::HostsArgs;
#[cfg(feature = "watch")]
use crate::verbs::import::ImportArgs;
#[cfg(feature = "study")]
use crate::verbs::lake::LakeArgs;
#[cfg(feature = "demo")]
use crate::verbs::population::PopulationArgs;
use crate::verbs::scan::ScanArgs;
use crate::verbs::scope::ScopeArgs;
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
    after_help = "Exit codes: 0 nothing at or above --fail-on; 1 something; 2 wrong usage or input file; 3 the scan failed or could look \
                        at nothing; 4 results could not be written; 5 an imported file ends early; 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say which AI servers answer, what they expose, and to whom.
    ///
    /// Without targets: this machine. It reads and says who it is; it never infers, loads, writes, logs in, or tries a credential.
    Scan(Box<ScanArgs>),
    /// Hold the published advisories against a product, without a scan.
    Advisory(AdvisoryArgs),
    /// List the endpoints that earlier scans saw.
    Hosts(HostsArgs),
    /// Tell what is known of one address, with its history.
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
    /// Say what changed between two instants, as far as the lake knows.
    ///
    /// Appeared, gone and changed: authentication, models, capabilities, tools, versions. Only what was looked for and did not answer
    /// is gone; what one look does not tell did not change. It sends nothing.
    #[cfg(feature = "watch")]
    Diff(DiffArgs),
    /// Scan on a schedule, and say after each round what changed.
    ///
    /// Without targets: the ranges of the scope file, else this machine. After a pause it makes one round, not those that were missed. Two
    /// watches of the same in one lake do not run at a time.
    #[cfg(feature = "watch")]
    Watch(Box<WatchArgs>),
    /// Ask the lake a question in SQL.
    ///
    /// The tables: observations, states, models, running, tools, evidence, scans; SHOW TABLES and DESCRIBE TABLE tell more.
    /// NULL means unknown where a column has a _why beside it.
    #[cfg(feature = "study")]
    Sql(SqlArgs),
    /// Answer the study's questions: how many, where, what they can do, what one flaw would touch.
    ///
    /// Without ids: every question. With --out it writes the document: one HTML file, Markdown, JSON, and a CSV file per table.
    #[cfg(feature = "study")]
    Study(Box<StudyArgs>),
    /// The upkeep of the lake: its files, compaction, and forgetting.
    #[cfg(feature = "study")]
    Lake(LakeArgs),
    /// What vigie knows of each product: list, explain, check, test, record.
    Catalog(CatalogArgs),
    /// Scope files: who authorised what. Write one, check one.
    Scope(ScopeArgs),
    /// Raise simulated servers on loopback, scan them, and write the findings to a folder.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Raise simulated servers on loopback until interrupted.
    #[cfg(feature = "demo")]
    Fleet(FleetArgs),
    /// Write a simulated population of hosts over months into a lake, to try a study on.
    ///
    /// Its shares follow the published ones, its addresses are nobody's, and what a study must find is known.
    #[cfg(feature = "demo")]
    Population(PopulationArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Write the man pages into a folder.
    Man(ManArgs),
}

/// The lake's folder.
#[derive(Clone, Debug, Args)]
pub(crate) struct LakeDir {
    /// The lake's folder, or s3://bucket/prefix in a build with the feature s3 [default: vigie/lake in the user's data folder].
    #[arg(long, value_name = "DIR", env = "VIGIE_LAKE", global = true)]
    pub(crate) lake: Option<PathBuf>,
}

impl LakeDir {
    /// The folder: as given, else the default one.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        vigie_run::lake::folder(self.lake.as_deref())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Never,
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl FailOn {
    /// The severity from which on it fails; `None`: it never does.
    pub(crate) fn severity(self) -> Option<Severity> {
        match self {
            Self::Never => None,
            Self::Info => Some(Severity::Info),
            Self::Low => Some(Severity::Low),
            Self::Medium => Some(Severity::Medium),
            Self::High => Some(Severity::High),
            Self::Critical => Some(Severity::Critical),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableOrJson {
    Table,
    Json,
}

/// The words of a severity.
pub(crate) fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::word)).try_map(|word| {
        let found = Severity::ALL.into_iter().find(|severity| severity.word() == word);
        found.ok_or("it is no severity")
    })
}

/// Where addresses stand.
#[cfg(feature = "watch")]
#[derive(Clone, Debug, Args)]
pub(crate) struct NetworkArgs {
    /// An MMDB file that says where addresses stand: country, city or AS; may be given several times, the first that knows tells.
    #[arg(long, value_name = "FILE.mmdb")]
    pub(crate) geo: Vec<PathBuf>,
    /// The mapping from networks to their classes [default: the embedded one].
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
}

#[cfg(feature = "watch")]
impl NetworkArgs {
    /// The files that say it.
    pub(crate) fn files(&self) -> NetworkFiles {
        NetworkFiles {
            geo: self.geo.clone(),
            classes: self.classes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
