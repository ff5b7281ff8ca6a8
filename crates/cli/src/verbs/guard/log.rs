//! `vigie guard log`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vigie_guard::config::{Config, files};
use vigie_guard::log::{Head, VerifyingKey, files as log_files, verify};
use vigie_run::{Failure, read};

use super::args::{LogArgs, LogVerb};
use crate::failure::{Done, exit, print_json, written};

pub(super) fn run(args: &LogArgs) -> Done {
    match &args.verb {
        LogVerb::Verify {
            public_key,
            log,
            head,
            json,
        } => {
            let key = match public_key {
                Some(path) => path.clone(),
                None => args.dir.folder()?.join(files::PUBLIC_KEY),
            };
            let log = match log {
                Some(log) => log.clone(),
                None => log_dir(&args.dir.folder()?)?,
            };
            verified(&key, &log, head.as_deref(), *json)
        }
        LogVerb::Head => {
            let dir = args.dir.folder()?;
            let key = public_key(&dir.join(files::PUBLIC_KEY))?;
            let report = verify(&log_dir(&dir)?, &key, None).map_err(Failure::output)?;
            let head = report.head.unwrap_or_else(Head::start);
            written(writeln!(std::io::stdout().lock(), "{}:{}", head.seq, head.hash))?;
            Ok(ExitCode::SUCCESS)
        }
        LogVerb::Export => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            for path in log_files(&log_dir(&args.dir.folder()?)?).map_err(Failure::output)? {
                let file =
                    std::fs::File::open(&path).map_err(|error| Failure::output(format!("cannot read {}: {error}", path.display())))?;
                for line in BufReader::new(file).split(b'\n') {
                    let line = line.map_err(|error| Failure::output(format!("cannot read {}: {error}", path.display())))?;
                    written(out.write_all(&line).and_then(|()| out.write_all(b"\n")))?;
                }
            }
            written(out.flush())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn log_dir(dir: &Path) -> Result<PathBuf, Failure> {
    let path = dir.join(files::CONFIG);
    let config = Config::parse(&read(&path)?).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(dir.join(config.log.dir))
}

fn public_key(path: &Path) -> Result<VerifyingKey, Failure> {
    read(path)?
        .parse()
        .map_err(|why| Failure::usage(format!("{}: {why}", path.display())))
}

fn verified(key: &Path, log: &Path, head: Option<&str>, json: bool) -> Done {
    let head = head
        .map(|text| {
            let (seq, hash) = text
                .split_once(':')
                .and_then(|(seq, hash)| Some((seq.parse().ok()?, hash.to_owned())))?;
            Some(Head { seq, hash })
        })
        .map(|head| head.ok_or_else(|| Failure::usage("--head is SEQ:HASH, as vigie guard log head prints it")))
        .transpose()?;
    let report = verify(log, &public_key(key)?, head.as_ref())
        .map_err(|error| Failure::usage(format!("cannot read the log in {}: {error}", log.display())))?;
    let mut out = anstream::stdout().lock();
    if json {
        print_json(
            &mut out,
            &serde_json::json!({"schema": "vigie.guard-log-report/1", "sound": report.is_sound(), "report": report}),
        )?;
    } else {
        let mut text = String::new();
        for fault in &report.faults {
            text.push_str(&format!(
                "{}, line {}: {}: {}\n",
                fault.file.display(),
                fault.line,
                fault.kind,
                fault.detail
            ));
        }
        let signed = report
            .signed
            .map_or("no line is signed".to_owned(), |seq| format!("signed up to line {seq}"));
        let verdict = if report.is_sound() { "sound" } else { "NOT sound" };
        text.push_str(&format!("{} lines, {signed}: {verdict}.\n", report.lines));
        written(out.write_all(vigie_export::text::lines(&text).as_bytes()))?;
    }
    Ok(if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FINDINGS)
    })
}
