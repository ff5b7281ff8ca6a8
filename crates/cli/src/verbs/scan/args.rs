//! The arguments of `vigie scan`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use vigie_export::Format;
use vigie_run::Failure;
use vigie_run::scan::ScanOptions;
use vigie_scope::Shard;

use super::output::Output;
#[cfg(feature = "watch")]
use crate::args::NetworkArgs;
use crate::args::{FailOn, LakeDir};
use crate::sort::SortArgs;

#[derive(Clone, Debug, Args)]
pub(crate) struct ScanArgs {
    /// Addresses, CIDR, ranges (A-B), host names, host:port or URLs; a server is expected under the path of a URL [default: this machine].
    pub(crate) targets: Vec<String>,
    /// Read targets from a file, one per line; - for standard input.
    #[arg(short = 'f', long = "targets", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Ports: numbers, ranges, lists, or "all" [default: the catalogue's].
    #[arg(short, long, value_name = "LIST")]
    ports: Option<String>,
    /// The scope file, which states who authorised what; public addresses need one.
    #[arg(short, long, value_name = "FILE")]
    scope: Option<PathBuf>,
    /// An opt-out list; may be given several times.
    #[arg(long, value_name = "FILE")]
    opt_out: Vec<PathBuf>,
    /// Print each address, and each request that may follow with its condition, without resolving names or opening sockets.
    #[arg(long, conflicts_with_all = ["notice", "prove"])]
    pub(crate) dry_run: bool,
    /// Print a notice for the operations team of the network, and scan nothing.
    #[arg(long)]
    pub(crate) notice: bool,
    /// Ask one loaded model "What is 2+2?" (8 tokens at most) if the scope file has owner = true and allow = ["infer"].
    #[arg(long, requires = "scope")]
    prove: bool,
    /// The seed of the order [default: a new one each time].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Scan only this part, such as 2/8.
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// Resume an interrupted scan.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["targets", "files", "ports", "scope", "opt_out", "seed", "shard", "dry_run", "notice"])]
    resume: Option<PathBuf>,
    /// The format of the results.
    #[arg(short = 'F', long, default_value_t, value_parser = format())]
    format: Format,
    /// Write the results to a file, completely or not at all [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    lake: LakeDir,
    /// Write nothing to the lake.
    #[arg(long, conflicts_with = "lake")]
    no_lake: bool,
    /// A baseline of accepted findings, each with a reason and an expiry.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write a baseline that accepts all findings of this scan, for you to add the reasons.
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    /// Exit with 1 if a finding is at or above this severity.
    #[arg(long, value_name = "SEVERITY", default_value = "never")]
    fail_on: FailOn,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Keep the requests and replies of each endpoint, one JSON file each.
    #[arg(long, value_name = "DIR")]
    transcripts: Option<PathBuf>,
    #[cfg(feature = "watch")]
    #[command(flatten)]
    network: NetworkArgs,
    /// Keep the texts of system prompts and templates, not only their hash and class.
    #[arg(long)]
    keep_prompts: bool,
    /// The order; with --sort every format is written at the end of the scan [default: the table, the worst first].
    #[command(flatten)]
    sort: SortArgs,
    /// Show everything about every endpoint.
    #[arg(short, long)]
    verbose: bool,
    /// Show no progress; notes and errors still go to standard error.
    #[arg(short, long)]
    quiet: bool,
    /// The longest wait for one reply, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
    timeout: u64,
    /// For IntelMQ before 3.5: put keys that it does not know under extra.
    #[arg(long)]
    intelmq_legacy: bool,
}

/// Parses a format by its name.
fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::word)).try_map(|word| word.parse::<Format>())
}

impl ScanArgs {
    /// The options of the scan.
    pub(crate) fn options(&self) -> Result<ScanOptions, Failure> {
        Ok(ScanOptions {
            targets: self.targets.clone(),
            files: self.files.clone(),
            ports: self.ports.clone(),
            scope: self.scope.clone(),
            opt_out: self.opt_out.clone(),
            prove: self.prove,
            seed: self.seed,
            shard: match &self.shard {
                None => Shard::whole(),
                Some(text) => text.parse().map_err(Failure::usage)?,
            },
            resume: self.resume.clone(),
            lake: match self.no_lake || self.dry_run || self.notice {
                true => None,
                false => Some(self.lake.folder()?),
            },
            baseline: self.baseline.clone(),
            catalog: self.catalog.clone(),
            transcripts: self.transcripts.clone(),
            #[cfg(feature = "watch")]
            network: self.network.files(),
            keep_prompts: self.keep_prompts,
            timeout: Duration::from_secs(self.timeout),
            watch: None,
        })
    }

    /// What is printed and written.
    pub(crate) fn output(&self) -> Output {
        Output {
            stdout: self.output.is_none().then_some(self.format),
            files: self.output.iter().map(|path| (self.format, path.clone())).collect(),
            sort: self.sort,
            verbose: self.verbose,
            quiet: self.quiet,
            intelmq_legacy: self.intelmq_legacy,
            write_baseline: self.write_baseline.clone(),
            fail_on: self.fail_on.severity(),
        }
    }
}
