//! Writes one file per format from the test samples: `cargo run -p vigie-export --example samples -- DIR`.
//!
//! `tests/validators/run.sh` gives these files to validators that others wrote.

// Nothing here comes from a network: a sample that does not build is a mistake in this file.
#[path = "../tests/it/samples.rs"]
mod samples;

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use vigie_export::{Format, Options, report};

fn main() -> io::Result<()> {
    let dir = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other("name the folder to write to"))?;
    std::fs::create_dir_all(&dir)?;
    let files = [
        ("report.txt", Format::Table, false),
        ("report.json", Format::Json, false),
        ("observations.jsonl", Format::Jsonl, false),
        ("endpoints.csv", Format::Csv, false),
        ("findings.sarif", Format::Sarif, false),
        ("events.jsonl", Format::Intelmq, false),
        ("events-legacy.jsonl", Format::Intelmq, true),
    ];
    let observations = samples::all();
    let mut extra = observations.clone();
    extra.extend(samples::many(40));
    for (name, format, legacy) in files {
        let options = Options {
            rules: samples::rules(),
            intelmq_legacy: legacy,
            ..Options::default()
        };
        let writer = BufWriter::new(File::create(dir.join(name))?);
        let mut report = report(format, writer, options);
        report.begin()?;
        for observation in &extra {
            report.observation(observation)?;
        }
        report.end(&samples::summary(&extra))?;
    }
    Ok(())
}
