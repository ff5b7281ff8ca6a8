//! `vigie guard detect`: the detectors over a log, and what they notice of labelled traffic.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use vigie_detect::detectors::{ABOUT, about};
use vigie_detect::measure::{self, Detection, Rate, TextRate};
use vigie_detect::traffic::{self, Part};
use vigie_detect::{About, Alert, Engine};
use vigie_guard::log::{files as log_files, open as open_log_file, streams as log_streams};
use vigie_run::Failure;

use super::args::DirArg;
use super::log::log_dir;
use crate::failure::{Done, exit, print_json, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct DetectArgs {
    #[command(subcommand)]
    verb: DetectVerb,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum DetectVerb {
    /// List the detectors: what each notices, from when on, and its techniques of MITRE ATLAS.
    List,
    /// Run the detectors over audit logs, or over events as JSON lines.
    Log {
        /// Files; - is standard input [default: the log of the gateway's folder].
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        dir: DirArg,
        /// Only this detector; may be given several times.
        #[arg(long, value_name = "ID", value_parser = id)]
        only: Vec<&'static str>,
        /// A host from which models may come, beside the known registries; may be given several times.
        #[arg(long, value_name = "HOST")]
        registry: Vec<String>,
    },
    /// Write labelled traffic as JSON lines: ordinary use of several kinds, and each attack.
    Sample(SampleArgs),
    /// Measure the detection and false-positive rates on labelled traffic.
    Measure {
        #[command(flatten)]
        sample: SampleArgs,
        /// Measure on labelled texts instead: JSON lines with label (ordinary, jailbreak, system-prompt), group and text.
        #[arg(long, value_name = "FILE")]
        texts: Option<PathBuf>,
    },
}

#[derive(Clone, Debug, Args)]
struct SampleArgs {
    /// The seed: the same seed writes the same traffic.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// The half of the traffic; thresholds were chosen with the other.
    #[arg(long, value_enum, default_value_t = PartArg::HeldBack)]
    part: PartArg,
    /// Streams of each kind.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    streams: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PartArg {
    /// Thresholds and patterns were chosen with it.
    Tuning,
    /// Nobody looked at it before.
    HeldBack,
}

impl From<PartArg> for Part {
    fn from(part: PartArg) -> Self {
        match part {
            PartArg::Tuning => Self::Tuning,
            PartArg::HeldBack => Self::HeldBack,
        }
    }
}

/// The id of a detector.
fn id(word: &str) -> Result<&'static str, String> {
    about(word)
        .map(|about| about.id)
        .ok_or_else(|| format!("no detector {word:?}; vigie guard detect list shows all"))
}

pub(super) fn run(args: &DetectArgs) -> Done {
    match &args.verb {
        DetectVerb::List => list(args.json),
        DetectVerb::Log {
            files,
            dir,
            only,
            registry,
        } => {
            let files = match files.is_empty() {
                false => files.clone(),
                true => whole_log(&log_dir(&dir.folder()?)?).map_err(|error| Failure::usage(format!("cannot list the log: {error}")))?,
            };
            let engine = Engine::new(registry, |id| only.is_empty() || only.contains(&id));
            over_logs(&files, engine, args.json)
        }
        DetectVerb::Sample(sample) => write_sample(sample),
        DetectVerb::Measure { sample, texts: None } => {
            let measured = measure::traffic(sample.seed, sample.part.into(), sample.streams);
            print_traffic(sample, &measured, args.json)
        }
        DetectVerb::Measure { texts: Some(path), .. } => measure_texts(path, args.json),
    }
}

fn list(json: bool) -> Done {
    let mut out = anstream::stdout().lock();
    if json {
        print_json(
            &mut out,
            &serde_json::json!({"schema": "vigie.guard-detectors/1", "detectors": ABOUT}),
        )?;
    } else {
        let mut text = String::new();
        for About {
            id,
            notices,
            threshold,
            severity,
            atlas,
            reads_content,
        } in ABOUT
        {
            let content = if *reads_content { ", reads content" } else { "" };
            let _ = writeln!(
                text,
                "{id} ({severity}{content}; {})\n    {notices}\n    {threshold}.",
                atlas.join(", ")
            );
        }
        written(out.write_all(text.as_bytes()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The files of all processes that wrote a log, each in order.
fn whole_log(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (_, folder) in log_streams(dir)? {
        files.extend(log_files(&folder)?);
    }
    Ok(files)
}

/// What was read of logs.
#[derive(Default)]
struct Read {
    requests: u64,
    unread: u64,
    alerts: Vec<Alert>,
}

fn over_logs(files: &[PathBuf], mut engine: Engine, json: bool) -> Done {
    let mut read = Read::default();
    let mut out = anstream::stdout().lock();
    for path in files {
        let cannot = |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
        let input: Box<dyn BufRead> = match path.as_os_str() == "-" {
            true => Box::new(std::io::stdin().lock()),
            false => open_log_file(path).map_err(cannot)?,
        };
        let mut number = 0_u64;
        for line in input.split(b'\n') {
            let line = line.map_err(cannot)?;
            number += 1;
            match vigie_detect::log::event(&line) {
                Ok(None) => {}
                Ok(Some(event)) => {
                    read.requests += 1;
                    for alert in engine.see(&event).into_iter().filter(|alert| !alert.is_repeat) {
                        if json {
                            let line = serde_json::to_string(&alert).map_err(Failure::output)?;
                            written(writeln!(out, "{line}"))?;
                        }
                        read.alerts.push(alert);
                    }
                }
                Err(why) => {
                    read.unread += 1;
                    if read.unread <= 5 {
                        eprintln!("vigie: {}, line {number}: {why}", path.display());
                    }
                }
            }
        }
    }
    if read.unread > 5 {
        eprintln!("vigie: {} lines do not read", read.unread);
    }
    if !json {
        let mut text = String::new();
        for alert in &read.alerts {
            let evidence: Vec<_> = alert.evidence.iter().map(|(name, number)| format!("{name} {number}")).collect();
            let _ = writeln!(
                text,
                "{}  {:<6}  {}  {}: {}  ({})",
                alert.at.format("%Y-%m-%d %H:%M:%S"),
                alert.severity,
                alert.detector,
                alert.subject,
                evidence.join(", "),
                alert.atlas.join(", ")
            );
        }
        let _ = writeln!(text, "{} requests, {} alerts.", read.requests, read.alerts.len());
        written(out.write_all(vigie_export::text::lines(&text).as_bytes()))?;
    }
    Ok(match read.alerts.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(exit::FINDINGS),
    })
}

fn write_sample(sample: &SampleArgs) -> Done {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for stream in traffic::streams(sample.seed, sample.part.into(), sample.streams) {
        let line = serde_json::to_string(&stream).map_err(Failure::output)?;
        written(writeln!(out, "{line}"))?;
    }
    written(out.flush())?;
    Ok(ExitCode::SUCCESS)
}

/// A share and its interval, e.g. `94 % (84–98 %), 47 of 50`.
fn share(rate: Rate) -> String {
    match (rate.share(), rate.interval()) {
        (Some(share), Some((low, high))) => format!(
            "{:.1} % ({:.1}–{:.1} %), {} of {}",
            share * 100.0,
            low * 100.0,
            high * 100.0,
            rate.noticed,
            rate.of
        ),
        _ => "–".to_owned(),
    }
}

fn print_traffic(sample: &SampleArgs, measured: &[Detection], json: bool) -> Done {
    let mut out = anstream::stdout().lock();
    let part = if sample.part == PartArg::Tuning { "tuning" } else { "held-back" };
    if json {
        let value = serde_json::json!({"schema": "vigie.guard-detection-rates/1", "seed": sample.seed, "part": part, "streams": sample.streams,
            "detectors": measured});
        print_json(&mut out, &value)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (ordinary, attacks) = traffic::kinds();
    let mut text = format!(
        "Seed {}, part {part}, {} streams of each of {ordinary} kinds of ordinary use and {attacks} kinds of attacks; 95 % intervals.\n\n\
         | detector | attacks noticed | ordinary streams with an alert | alerts in 10,000 ordinary requests |\n|---|---|---|---|\n",
        sample.seed, sample.streams
    );
    for detection in measured {
        let rate = detection.ordinary_alerts as f64 / detection.ordinary_requests.max(1) as f64 * 10_000.0;
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {rate:.2} |",
            detection.detector,
            share(detection.detected),
            share(detection.false_alerts)
        );
    }
    text.push_str("\n| detector | kind of traffic | streams with an alert |\n|---|---|---|\n");
    for detection in measured {
        for (kind, rate) in &detection.by_kind {
            let _ = writeln!(text, "| `{}` | {kind} | {} |", detection.detector, share(*rate));
        }
    }
    written(out.write_all(text.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

fn measure_texts(path: &Path, json: bool) -> Done {
    let cannot = |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let file = BufReader::new(std::fs::File::open(path).map_err(cannot)?);
    let mut texts = Vec::new();
    for (number, line) in file.lines().enumerate() {
        let wrong = |why: String| Failure::usage(format!("{}, line {}: {why}", path.display(), number + 1));
        let text: measure::Text = serde_json::from_str(&line.map_err(cannot)?).map_err(|error| wrong(error.to_string()))?;
        if !measure::is_label(&text.label) {
            return Err(wrong(format!("unknown label {:?}", text.label)));
        }
        texts.push(text);
    }
    let rates = measure::texts(texts);
    let mut out = anstream::stdout().lock();
    if json {
        print_json(
            &mut out,
            &serde_json::json!({"schema": "vigie.guard-text-rates/1", "groups": rates}),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = "| texts | should be noticed by | `jailbreak` | `system-prompt` |\n|---|---|---|---|\n".to_owned();
    for TextRate {
        label,
        group,
        jailbreak,
        system_prompt,
    } in &rates
    {
        let label = if label == "ordinary" {
            "none".to_owned()
        } else {
            format!("`{label}`")
        };
        let _ = writeln!(text, "| {group} | {label} | {} | {} |", share(*jailbreak), share(*system_prompt));
    }
    written(out.write_all(vigie_export::text::lines(&text).as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}
