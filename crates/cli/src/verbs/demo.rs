//! `vigie demo`: simulated servers on loopback, a scan of them, and the findings in a folder.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use vigie_export::Format;
use vigie_fleet::{Fleet, Judge, Layout, Listen, Population, Recorder, Running, ServeOptions};
use vigie_run::Failure;
use vigie_run::scan::ScanOptions;

use super::scan::Output;
use crate::failure::{Done, exit, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// The folder for the results.
    #[arg(long, value_name = "DIR", default_value = "vigie-demo")]
    pub(crate) out: PathBuf,
    /// The seed that the servers are drawn from.
    #[arg(long, default_value_t = 2026)]
    pub(crate) seed: u64,
    /// The number of servers.
    #[arg(long, default_value_t = 60)]
    pub(crate) count: usize,
}

/// The first address of the demo, in a part of loopback that other programs leave free.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);

/// Requests kept for the count of forbidden ones.
const MAX_REQUESTS: usize = 1 << 16;

pub(crate) fn run(args: &DemoArgs) -> Done {
    let recorder = Recorder::new(MAX_REQUESTS);
    let population = Population::demo().map_err(Failure::scan)?;
    let running = start(args.seed, &population, args.count, &recorder)?;
    let planted = running.personalities().len();
    let products: BTreeSet<&str> = running.personalities().iter().filter_map(|p| p.product()).collect();
    eprintln!(
        "vigie: {planted} simulated servers of {} products are running on loopback; scanning them",
        products.len()
    );

    let out = |name: &str| args.out.join(name);
    let scan = ScanOptions {
        targets: running
            .personalities()
            .iter()
            .map(|personality| personality.address.to_string())
            .collect(),
        seed: Some(args.seed),
        lake: Some(out("lake")),
        timeout: Duration::from_secs(3),
        ..ScanOptions::default()
    };
    std::fs::create_dir_all(&args.out).map_err(|error| Failure::output(format!("cannot create {}: {error}", args.out.display())))?;
    let files = vec![
        (Format::Table, out("findings.txt")),
        (Format::Jsonl, out("observations.jsonl")),
        (Format::Json, out("report.json")),
        (Format::Csv, out("endpoints.csv")),
        (Format::Sarif, out("findings.sarif")),
        (Format::Intelmq, out("events.jsonl")),
    ];
    let output = Output {
        stdout: Some(Format::Table),
        files,
        ..Output::default()
    };
    let code = super::scan::scan(scan, &output)?;

    let forbidden = recorder.forbidden(&Judge::by_hand());
    let mut stdout = std::io::stdout().lock();
    written(writeln!(
        stdout,
        "\nThe simulated servers received {} requests; {} of them would have loaded a model, written, run inference or used an account.\n\
         The same results in six formats, and a lake: {}",
        recorder.total(),
        forbidden.len(),
        args.out.display()
    ))?;
    running.stop();
    if forbidden.is_empty() {
        Ok(code)
    } else {
        Ok(ExitCode::from(exit::SCAN))
    }
}

/// Starts a population: one address each, or one port each if loopback has only one address or if a server of this machine listens on
/// one of the ports on every address.
pub(crate) fn start(seed: u64, population: &Population, count: usize, recorder: &Recorder) -> Result<Running, Failure> {
    let serve = |layout| -> Result<Running, Failure> {
        let personalities = Fleet::plan(seed, population, layout, count).map_err(Failure::usage)?;
        Fleet::serve(
            personalities,
            recorder,
            ServeOptions {
                listen: Listen::Each,
                ..ServeOptions::default()
            },
        )
        .map_err(Failure::scan)
    };
    let ports = Layout::Ports(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    if !Fleet::has_many_addresses() {
        return serve(ports);
    }
    serve(Layout::Addresses(FIRST)).or_else(|_| serve(ports))
}
