//! The words of `vigie discover`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{LakeDir, NetworkArgs, TableOrJson};

#[derive(Clone, Debug, Args)]
pub(crate) struct DiscoverArgs {
    #[command(subcommand)]
    pub(crate) service: DiscoverService,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DiscoverService {
    /// Ask Shodan, with the key in SHODAN_API_KEY or --key-file.
    ///
    /// A page of 100 records is counted as one credit; counts are free.
    Shodan(Box<AskArgs>),
    /// Ask the Censys Platform, with the token in CENSYS_API_TOKEN or --key-file.
    ///
    /// What a page of 100 hosts, or a count, costs depends on the plan: --cost.
    Censys(Box<CensysArgs>),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CensysArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    /// The organization whose credits are spent [default: the account's own].
    #[arg(long, value_name = "UUID", env = "CENSYS_ORGANIZATION_ID", hide_env_values = true)]
    pub(crate) organization: Option<String>,
    /// What a request costs at most: 1 with a Core, Search or Enterprise plan, 5 and more with a Starter plan [default: 8; with --legacy 1].
    #[arg(long, value_name = "CREDITS", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) cost: Option<u64>,
    /// Ask Search v2, the Platform's forerunner, with CENSYS_API_ID and CENSYS_API_SECRET, or ID:SECRET in --key-file.
    #[arg(long, conflicts_with = "product")]
    pub(crate) legacy: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AskArgs {
    /// Ask the catalogue's queries of this product, or of "all"; may be given several times.
    #[arg(long, value_name = "ID")]
    pub(crate) product: Vec<String>,
    /// Ask this, in the service's own language; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) query: Vec<String>,
    /// Ask each query only of this, in the service's own language: your own networks, say, as net:198.51.100.0/24.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// The credits that this run may spend; never more [default: 10; of the Censys Platform 40].
    #[arg(long, value_name = "CREDITS")]
    pub(crate) budget: Option<u64>,
    /// Print each query and what it can cost, and send nothing.
    #[arg(long, conflicts_with_all = ["confirm", "resume"])]
    pub(crate) dry_run: bool,
    /// Read the key from a file: the key alone, on one line.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Split a query by country, then by port, if it has more pages of 100 [default: 60; of Censys 100].
    #[arg(long, value_name = "PAGES", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) pages: Option<u32>,
    /// Requests a second, at most.
    #[arg(long, value_name = "N", default_value = "1", value_parser = interval)]
    pub(crate) rate: Duration,
    /// Keep each reply as it came, one file each.
    #[arg(long, value_name = "DIR")]
    pub(crate) raw: Option<PathBuf>,
    /// Go on with an earlier run.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["product", "query", "only"])]
    pub(crate) resume: Option<PathBuf>,
    /// Ask here in place of the service itself: https, or http on loopback.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Scan what was found, with a scan's harmless requests and within the scope.
    #[arg(long)]
    pub(crate) confirm: bool,
    /// The scope file of --confirm. Public addresses need one; what it does not allow is counted and left.
    #[arg(short, long, value_name = "FILE", requires = "confirm")]
    pub(crate) scope: Option<PathBuf>,
    /// A list of those who opted out, for --confirm; may be given several times.
    #[arg(long, value_name = "FILE", requires = "confirm")]
    pub(crate) opt_out: Vec<PathBuf>,
    /// Leave out what nothing recognised; it is counted.
    #[arg(long)]
    pub(crate) recognised_only: bool,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Where bad records are told, each with the reason; made if there is one.
    #[arg(long, value_name = "FILE", default_value = "vigie-discover-errors.jsonl")]
    pub(crate) errors: PathBuf,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
    /// What is told at the end: table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
    /// No progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Reads requests a second; gives what lies between two.
fn interval(text: &str) -> Result<Duration, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.01..=100.0).contains(&rate) {
        Ok(Duration::from_secs_f64(1.0 / rate))
    } else {
        Err("write a number from 0.01 to 100".to_owned())
    }
}
