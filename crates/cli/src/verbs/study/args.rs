//! The arguments of `vigie study`.

use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::{Args, ValueEnum};

use crate::args::{LakeDir, TableOrJson};

#[derive(Clone, Debug, Args)]
pub(crate) struct StudyArgs {
    /// Questions by id; none: all. --list shows them.
    pub(crate) questions: Vec<String>,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// List the questions and exit.
    #[arg(long)]
    pub(crate) list: bool,
    /// Write the document into this folder: study.html, study.md, study.json, tables/*.csv.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The format on standard output, if no document is written.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
    /// The language of the document and of the tables.
    #[arg(long, default_value = "en")]
    pub(crate) lang: LangArg,
    /// Show published figures beside those of this lake.
    #[arg(long, value_name = "WHAT")]
    pub(crate) compare: Option<CompareArg>,
    /// With --compare: the planted figures, as vigie population --truth wrote them.
    #[arg(long, value_name = "FILE", requires = "compare")]
    pub(crate) planted: Option<PathBuf>,
    /// Draw this many samples of the hosts, and report how often their intervals contain the value for all hosts.
    #[arg(long, value_name = "SAMPLES", conflicts_with_all = ["out", "compare"], value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) coverage: Option<u32>,
    /// With --coverage: the share of the hosts in a sample.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share, requires = "coverage")]
    pub(crate) sample: f64,
    /// Only observations from this day on (UTC).
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<chrono::NaiveDate>,
    /// Only observations up to this day, itself included (UTC).
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<chrono::NaiveDate>,
    /// Only endpoints of this product; may be given more than once.
    #[arg(long = "product", value_name = "ID")]
    pub(crate) products: Vec<String>,
    /// Only observations of this source (vigie, shodan …); may be given more than once.
    #[arg(long = "source", value_name = "NAME")]
    pub(crate) sources: Vec<String>,
    /// The persistent core by observations: hosts with more than this.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Definitions")]
    pub(crate) core_observations: u32,
    /// The persistent core by days: hosts seen on more than this.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Definitions")]
    pub(crate) core_days: u32,
    /// The persistent core by share: hosts seen on at least this share of the window's days.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share, help_heading = "Definitions")]
    pub(crate) core_share: f64,
    /// Days without an observation after which a host counts as gone.
    #[arg(long, value_name = "DAYS", default_value_t = 14, help_heading = "Definitions")]
    pub(crate) grace: u32,
    /// The least number of hosts on which a prompt counts as a standard one.
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Definitions")]
    pub(crate) standard_hosts: u32,
    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The catalogue's folder [default: the embedded one].
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
    /// Run the queries on a Ballista cluster with this scheduler; every executor must read the lake under the same path or URL.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "coverage", help_heading = "Cluster")]
    pub(crate) engine: Option<String>,
    /// Where the cluster keeps temporary tables until the study ends: a folder that all its machines share, or s3://BUCKET/PREFIX
    /// [default: the lake].
    #[arg(long, value_name = "DIR", requires = "engine", help_heading = "Cluster")]
    pub(crate) scratch: Option<PathBuf>,
    /// The number of partitions of each step: the cores of all executors together.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "engine", value_parser = clap::value_parser!(u16).range(1..=4096), help_heading = "Cluster")]
    pub(crate) partitions: u16,
    /// The memory that the questions may use, in MiB; larger intermediate results go to temporary files.
    #[arg(long, value_name = "MIB", default_value_t = 1536, value_parser = clap::value_parser!(u64).range(64..).map(|mib| mib as usize))]
    pub(crate) memory: usize,
}

/// A share from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LangArg {
    /// English.
    En,
    /// French.
    Fr,
}

/// What to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareArg {
    /// Figures published by SentinelLABS with Censys, Cisco Talos and others.
    Published,
}
