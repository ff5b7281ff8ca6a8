//! `vigie population`: a simulated population in a lake, with the correct answers of a study.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use vigie_fleet::Census;
use vigie_run::Failure;

use crate::args::LakeDir;
use crate::failure::{Done, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct PopulationArgs {
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// The seed that the hosts are drawn from.
    #[arg(long, default_value_t = 2026)]
    pub(crate) seed: u64,
    /// The share of 175,108 hosts and 7.23 million observations to write.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub(crate) scale: f64,
    /// Write the figures that a study must find (vigie.planted/1).
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,
    /// Write the observations to standard output as JSON lines, not to a lake.
    #[arg(long)]
    pub(crate) jsonl: bool,
    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Days per commit: fewer files than with one day, and not much more memory.
const DAYS: usize = 7;

pub(crate) fn run(args: &PopulationArgs) -> Done {
    if !(args.scale > 0.0 && args.scale <= 10.0) {
        return Err(Failure::usage("--scale must be above 0 and at most 10"));
    }
    let census = Census::plan(args.seed, args.scale);
    if args.jsonl {
        let mut out = BufWriter::new(std::io::stdout().lock());
        for observation in (0..census.days()).flat_map(|day| census.day(day)) {
            let line = serde_json::to_string(&observation).map_err(Failure::output)?;
            match writeln!(out, "{line}") {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                other => written(other)?,
            }
        }
        written(out.flush())?;
    } else {
        let dir = args.lake.folder()?;
        let mut lake = vigie_run::lake::Writer::open(&dir)?;
        let bar = if args.quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(census.observations() as u64)
        };
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {human_pos}/{human_len} observations, {eta} left") {
            bar.set_style(style.progress_chars("=> "));
        }
        let mut added = 0;
        for first in (0..census.days()).step_by(DAYS) {
            let batch: Vec<_> = (first..census.days().min(first + DAYS)).flat_map(|day| census.day(day)).collect();
            added += lake.append(&batch)?.observations;
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        if !args.quiet {
            eprintln!(
                "vigie: {} hosts, {added} observations over {} days in the lake {}",
                census.hosts(),
                census.days(),
                dir.display()
            );
        }
    }
    if let Some(path) = &args.truth {
        let truth = json!({"schema": "vigie.planted/1", "seed": args.seed, "scale": args.scale, "figures": census.truth()});
        let text = serde_json::to_string_pretty(&truth).map_err(Failure::output)?;
        vigie_run::write_whole(path, text.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
