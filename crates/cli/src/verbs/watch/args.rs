//! The arguments of `vigie watch`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use vigie_run::Failure;
use vigie_run::scan::ScanOptions;
use vigie_run::watch::WatchOptions;

use crate::args::{FailOn, LakeDir, NetworkArgs};

/// The formats of rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoundFormat {
    /// A block of text per round.
    Table,
    /// JSON lines: one object per round.
    Jsonl,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WatchArgs {
    /// Addresses, CIDR, ranges (A-B), host names, host:port or URLs [default: the scope file's ranges, else this machine].
    pub(super) targets: Vec<String>,
    /// Read targets from a file, one per line; it is read again for each round.
    #[arg(short = 'f', long = "targets", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Ports: numbers, ranges, lists, or "all" [default: the catalogue's].
    #[arg(short, long, value_name = "LIST")]
    pub(super) ports: Option<String>,
    /// The scope file, which states who authorised what; public addresses need one. It is read again for each round.
    #[arg(short, long, value_name = "FILE")]
    pub(super) scope: Option<PathBuf>,
    /// An opt-out list; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(super) opt_out: Vec<PathBuf>,
    /// The time from the start of one round to the start of the next: 6h, 1d, 30m.
    #[arg(long, value_name = "TIME", value_parser = crate::when::interval, required_unless_present = "once")]
    pub(super) every: Option<chrono::TimeDelta>,
    /// Add a random delay of up to this long before each round.
    #[arg(long, value_name = "TIME", value_parser = crate::when::age, requires = "every")]
    pub(super) jitter: Option<chrono::TimeDelta>,
    /// Run one round without waiting, for a timer; with --every, only if one is due.
    #[arg(long)]
    pub(super) once: bool,
    /// With --once: exit with 1 if anything changed; with a severity, only if a change is at or above it.
    #[arg(long, value_name = "SEVERITY", num_args = 0..=1, default_missing_value = "info", default_value = "never", require_equals = true, requires = "once")]
    pub(super) fail_on_change: FailOn,
    /// The format of the rounds.
    #[arg(short = 'F', long, default_value = "table")]
    pub(super) format: RoundFormat,
    #[command(flatten)]
    pub(super) lake: LakeDir,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(super) catalog: Option<PathBuf>,
    #[command(flatten)]
    pub(super) network: NetworkArgs,
    /// Keep the texts of system prompts and templates, not only their hash and class.
    #[arg(long)]
    pub(super) keep_prompts: bool,
    /// Also list endpoints that were not scanned.
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Show no progress.
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// The longest wait for one reply, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub(super) timeout: u64,
}

impl WatchArgs {
    /// The options of the watch.
    pub(super) fn options(&self) -> Result<WatchOptions, Failure> {
        Ok(WatchOptions {
            scan: ScanOptions {
                targets: self.targets.clone(),
                files: self.files.clone(),
                ports: self.ports.clone(),
                scope: self.scope.clone(),
                opt_out: self.opt_out.clone(),
                catalog: self.catalog.clone(),
                network: self.network.files(),
                keep_prompts: self.keep_prompts,
                timeout: Duration::from_secs(self.timeout),
                ..ScanOptions::default()
            },
            lake: self.lake.folder()?,
            every: self.every,
            jitter: self.jitter.unwrap_or_default(),
        })
    }
}
