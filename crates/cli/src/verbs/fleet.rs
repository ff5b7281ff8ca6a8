//! `vigie fleet`: simulated servers on loopback until interrupted.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use vigie_fleet::{Population, Recorder};
use vigie_run::{Failure, read};

use crate::failure::{Done, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct FleetArgs {
    /// A population file (vigie.population/1) [default: the demo's].
    #[arg(long, value_name = "FILE")]
    pub(crate) population: Option<PathBuf>,
    /// The seed that the servers are drawn from.
    #[arg(long, default_value_t = 2026)]
    pub(crate) seed: u64,
    /// The number of servers.
    #[arg(long, default_value_t = 60)]
    pub(crate) count: usize,
}

pub(crate) fn run(args: &FleetArgs) -> Done {
    let population = match &args.population {
        None => Population::demo(),
        Some(path) => Population::read(&read(path)?),
    }
    .map_err(Failure::usage)?;
    let recorder = Recorder::new(1 << 16);
    let running = super::demo::start(args.seed, &population, args.count, &recorder)?;
    let mut out = std::io::stdout().lock();
    for personality in running.personalities() {
        let what = match (personality.product(), personality.honeypot(), personality.fault()) {
            (_, Some(honeypot), _) => format!("honeypot: {honeypot}"),
            (product, None, Some(fault)) => format!("{}, broken: {fault}", product.unwrap_or("no product of the catalogue")),
            (product, None, None) => product.unwrap_or("no product of the catalogue").to_owned(),
        };
        written(writeln!(out, "{}  {what}", personality.address))?;
    }
    drop(out);
    eprintln!("vigie: {} servers are running; Ctrl-C stops them", running.personalities().len());
    crate::runtime::runtime()?.block_on(async {
        // Without signals the servers run until the process is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    });
    running.stop();
    eprintln!("vigie: the servers received {} requests", recorder.total());
    Ok(ExitCode::SUCCESS)
}
