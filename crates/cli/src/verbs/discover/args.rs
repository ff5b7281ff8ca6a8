//! The arguments of `vigie discover`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use vigie_discover::ServiceKind;
use vigie_run::Failure;
use vigie_run::discover::{ConfirmOptions, DiscoverOptions};

use crate::args::{LakeDir, NetworkArgs, TableOrJson};

#[derive(Clone, Debug, Args)]
pub(crate) struct DiscoverArgs {
    #[command(subcommand)]
    pub(super) service: DiscoverService,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum DiscoverService {
    /// Query Shodan, with the key in SHODAN_API_KEY or --key-file.
    ///
    /// A page of 100 records is counted as one credit; counts are free.
    Shodan(Box<QueryArgs>),
    /// Query the Censys Platform, with the token in CENSYS_API_TOKEN or --key-file.
    ///
    /// The cost of a page of 100 hosts, or of a count, depends on the plan: see --cost.
    Censys(Box<CensysArgs>),
}

#[derive(Clone, Debug, Args)]
pub(super) struct CensysArgs {
    #[command(flatten)]
    query: QueryArgs,
    /// The organization whose credits are spent [default: the account's own].
    #[arg(long, value_name = "UUID", env = "CENSYS_ORGANIZATION_ID", hide_env_values = true)]
    pub(super) organization: Option<String>,
    /// The most credits that a request costs: 1 with a Core, Search or Enterprise plan, 5 and more with a Starter plan [default: 8; with --legacy 1].
    #[arg(long, value_name = "CREDITS", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    cost: Option<u64>,
    /// Query Search v2, which preceded the Platform, with CENSYS_API_ID and CENSYS_API_SECRET, or ID:SECRET in --key-file.
    #[arg(long, conflicts_with = "product")]
    legacy: bool,
}

/// The arguments that every service has.
#[derive(Clone, Debug, Args)]
pub(super) struct QueryArgs {
    /// Send the catalogue's queries for this product, or for "all"; may be given several times.
    #[arg(long, value_name = "ID")]
    product: Vec<String>,
    /// Send this query, in the service's own language; may be given several times.
    #[arg(long, value_name = "TEXT")]
    query: Vec<String>,
    /// Restrict each query, in the service's own language: for example to your own networks, with net:198.51.100.0/24.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The most credits that this run may spend [default: 10; for the Censys Platform 40].
    #[arg(long, value_name = "CREDITS")]
    budget: Option<u64>,
    /// Print each query and what it can cost, and send nothing.
    #[arg(long, conflicts_with_all = ["confirm", "resume"])]
    pub(super) dry_run: bool,
    /// Read the key from a file: the key alone, on one line.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Split a query by country, then by port, if it has more pages of 100 than this [default: 60; for Censys 100].
    #[arg(long, value_name = "PAGES", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pages: Option<u32>,
    /// The most requests per second.
    #[arg(long, value_name = "N", default_value = "1", value_parser = interval)]
    rate: Duration,
    /// Keep each reply as it arrived, one file each.
    #[arg(long, value_name = "DIR")]
    raw: Option<PathBuf>,
    /// Resume an earlier run.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["product", "query", "only"])]
    resume: Option<PathBuf>,
    /// Send the requests here instead of to the service: https, or http on loopback.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Scan the endpoints that were found, with a scan's harmless requests and within the scope.
    #[arg(long)]
    confirm: bool,
    /// The scope file of --confirm. Public addresses need one; endpoints that it does not allow are counted and not scanned.
    #[arg(short, long, value_name = "FILE", requires = "confirm")]
    pub(super) scope: Option<PathBuf>,
    /// An opt-out list for --confirm; may be given several times.
    #[arg(long, value_name = "FILE", requires = "confirm")]
    pub(super) opt_out: Vec<PathBuf>,
    /// Leave out endpoints that no rule recognises; they are counted.
    #[arg(long)]
    recognised_only: bool,
    #[command(flatten)]
    pub(super) lake: LakeDir,
    #[command(flatten)]
    pub(super) network: NetworkArgs,
    /// Write rejected records to this file, each with the reason; created if there is one.
    #[arg(long, value_name = "FILE", default_value = "vigie-discover-errors.jsonl")]
    errors: PathBuf,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(super) catalog: Option<PathBuf>,
    /// The format of the report: table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(super) format: TableOrJson,
    /// No progress.
    #[arg(short, long)]
    pub(super) quiet: bool,
}

impl DiscoverArgs {
    /// The arguments that every service has.
    pub(super) fn query(&self) -> &QueryArgs {
        match &self.service {
            DiscoverService::Shodan(query) => query,
            DiscoverService::Censys(censys) => &censys.query,
        }
    }

    /// The service.
    pub(super) fn kind(&self) -> ServiceKind {
        match &self.service {
            DiscoverService::Shodan(_) => ServiceKind::Shodan,
            DiscoverService::Censys(censys) if censys.legacy => ServiceKind::CensysLegacy,
            DiscoverService::Censys(_) => ServiceKind::Censys,
        }
    }

    /// The options of the discovery.
    pub(super) fn options(&self) -> Result<DiscoverOptions, Failure> {
        let query = self.query();
        let url = query.url.as_deref().map(str::parse).transpose();
        Ok(DiscoverOptions {
            service: self.kind(),
            products: query.product.clone(),
            queries: query.query.clone(),
            only: query.only.clone(),
            resume: query.resume.clone(),
            budget: query.budget,
            cost: match &self.service {
                DiscoverService::Shodan(_) => None,
                DiscoverService::Censys(censys) => censys.cost,
            },
            pages: query.pages,
            interval: query.rate,
            url: url.map_err(|error| Failure::usage(format!("--url {error}")))?,
            raw: query.raw.clone(),
            confirm: query.confirm.then(|| ConfirmOptions {
                scope: query.scope.clone(),
                opt_out: query.opt_out.clone(),
            }),
            recognised_only: query.recognised_only,
            lake: query.lake.lake.clone(),
            network: query.network.files(),
            errors: query.errors.clone(),
            catalog: query.catalog.clone(),
        })
    }
}

/// Parses requests per second; returns the time between two.
fn interval(text: &str) -> Result<Duration, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.01..=100.0).contains(&rate) {
        Ok(Duration::from_secs_f64(1.0 / rate))
    } else {
        Err("write a number from 0.01 to 100".to_owned())
    }
}
