//! `vigie guard log`.

use std::io::{BufRead as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use vigie_guard::config::{Config, files};
use vigie_guard::log::{
    From, Head, Person, Range, SigningKey, VerifyingKey, erase, files as log_files, open as open_log_file, streams, verify,
};
use vigie_run::{Failure, read};

use super::args::{LogArgs, LogVerb};
use crate::failure::{Done, exit, print_json, written};

#[derive(Clone, Debug, Args)]
pub(super) struct VerifyArgs {
    /// The public key [default: the one in the gateway's folder].
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// The folder of the log [default: the gateway's].
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// A head that was kept elsewhere ([STREAM/]SEQ:HASH, as `log head` prints it): the log must hold it; may be given several times.
    #[arg(long = "head", value_name = "HEAD", value_parser = head)]
    heads: Vec<(u32, Head)>,
    /// Check from this entry on ([STREAM/]SEQ, or a head): every entry from it to the end must be there, what was before is not looked at.
    #[arg(long, value_name = "SEQ", value_parser = from)]
    from: Vec<(u32, From)>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct EraseArgs {
    /// Whose: the id of a key, as `key list` shows it.
    #[arg(long, value_name = "ID", required_unless_present = "address", conflicts_with = "address")]
    key: Option<String>,
    /// Whose: everybody's who came from this address.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// Only entries from before this time: 2026-01-31, 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<chrono::DateTime<chrono::Utc>>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &LogArgs) -> Done {
    match &args.verb {
        LogVerb::Verify(verify) => {
            let key = match &verify.public_key {
                Some(path) => path.clone(),
                None => args.dir.folder()?.join(files::PUBLIC_KEY),
            };
            let log = match &verify.log {
                Some(log) => log.clone(),
                None => log_dir(&args.dir.folder()?)?,
            };
            verified(&key, &log, verify)
        }
        LogVerb::Head => {
            let dir = args.dir.folder()?;
            let key = public_key(&dir.join(files::PUBLIC_KEY))?;
            let report = verify(&log_dir(&dir)?, &key, &Range::default()).map_err(Failure::output)?;
            let mut out = std::io::stdout().lock();
            let head = report.head.unwrap_or_else(|| Head::start(1));
            written(writeln!(out, "{head}"))?;
            for stream in report.streams.iter().filter(|stream| stream.stream != 1) {
                if let Some(head) = &stream.head {
                    written(writeln!(out, "{}/{head}", stream.stream))?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        LogVerb::Export => export(&log_dir(&args.dir.folder()?)?),
        LogVerb::Erase(erase) => erased(&args.dir.folder()?, erase),
    }
}

/// `[STREAM/]REST`.
fn of_stream(text: &str) -> Option<(u32, &str)> {
    match text.split_once('/') {
        Some((stream, rest)) => Some((stream.parse().ok()?, rest)),
        None => Some((1, text)),
    }
}

fn head(text: &str) -> Result<(u32, Head), String> {
    let head = of_stream(text).and_then(|(stream, head)| Some((stream, Head::parse(head)?)));
    head.ok_or_else(|| "not a head: SEQ:HASH, as vigie guard log head prints it".to_owned())
}

fn from(text: &str) -> Result<(u32, From), String> {
    let from = of_stream(text).and_then(|(stream, from)| match Head::parse(from) {
        Some(Head { seq, hash }) => Some((stream, From { seq, hash: Some(hash) })),
        None => Some((
            stream,
            From {
                seq: from.parse().ok()?,
                hash: None,
            },
        )),
    });
    from.ok_or_else(|| "not the number of an entry: SEQ, or SEQ:HASH as vigie guard log head prints it".to_owned())
}

fn time(text: &str) -> Result<chrono::DateTime<chrono::Utc>, String> {
    let day = || Some(text.parse::<chrono::NaiveDate>().ok()?.and_time(chrono::NaiveTime::MIN).and_utc());
    let time = text.parse().ok().or_else(day);
    time.ok_or_else(|| "not a time: 2026-01-31 or 2026-01-31T12:00:00Z".to_owned())
}

fn config(dir: &Path) -> Result<Config, Failure> {
    let path = dir.join(files::CONFIG);
    Config::parse(&read(&path)?).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

pub(super) fn log_dir(dir: &Path) -> Result<PathBuf, Failure> {
    Ok(dir.join(config(dir)?.log.dir))
}

fn public_key(path: &Path) -> Result<VerifyingKey, Failure> {
    read(path)?
        .parse()
        .map_err(|why| Failure::usage(format!("{}: {why}", path.display())))
}

fn export(log: &Path) -> Done {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (_, folder) in streams(log).map_err(Failure::output)? {
        for path in log_files(&folder).map_err(Failure::output)? {
            let fail = |error| Failure::output(format!("cannot read {}: {error}", path.display()));
            for line in open_log_file(&path).map_err(fail)?.split(b'\n') {
                let line = line.map_err(fail)?;
                written(out.write_all(&line).and_then(|()| out.write_all(b"\n")))?;
            }
        }
    }
    written(out.flush())?;
    Ok(ExitCode::SUCCESS)
}

fn verified(key: &Path, log: &Path, args: &VerifyArgs) -> Done {
    let range = Range {
        from: args.from.iter().cloned().collect(),
        heads: args.heads.clone(),
    };
    let report = verify(log, &public_key(key)?, &range)
        .map_err(|error| Failure::usage(format!("cannot read the log in {}: {error}", log.display())))?;
    let mut out = anstream::stdout().lock();
    if args.json {
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
        if report.more_faults > 0 {
            text.push_str(&format!("and {} more faults\n", report.more_faults));
        }
        let signed: Vec<String> = report
            .streams
            .iter()
            .map(|stream| {
                let signed = stream
                    .signed
                    .map_or("no line is signed".to_owned(), |seq| format!("signed up to line {seq}"));
                match stream.stream {
                    1 => signed,
                    number => format!("stream {number} {signed}"),
                }
            })
            .collect();
        let signed = if signed.is_empty() {
            "no line is signed".to_owned()
        } else {
            signed.join(", ")
        };
        let erased = match report.erased {
            0 => String::new(),
            count => format!(", {count} erased"),
        };
        let removed = match (report.removed, report.first) {
            (true, Some(first)) => format!(", those before line {first} removed as log.keep says"),
            _ => String::new(),
        };
        let verdict = if report.is_sound() { "sound" } else { "NOT sound" };
        text.push_str(&format!("{} lines, {signed}{erased}{removed}: {verdict}.\n", report.lines));
        written(out.write_all(vigie_export::text::lines(&text).as_bytes()))?;
    }
    Ok(if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FINDINGS)
    })
}

fn erased(dir: &Path, args: &EraseArgs) -> Done {
    let path = dir.join(files::SIGNING_KEY);
    let signing = std::fs::read(&path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let signing = SigningKey::read(&signing).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let person = match (&args.key, args.address) {
        (Some(id), _) => Person::Key(id.clone()),
        (None, Some(address)) => Person::Address(address),
        (None, None) => return Err(Failure::usage("name a key (--key ID) or an address (--address IP)")),
    };
    let done = erase(&log_dir(dir)?, signing, &person, args.before).map_err(Failure::output)?;
    let mut out = anstream::stdout().lock();
    if args.json {
        print_json(&mut out, &serde_json::json!({"schema": "vigie.guard-log-erased/1", "erased": done}))?;
    } else {
        let left = match done.left {
            0 => String::new(),
            count => format!(" {count} lines of a former version cannot be erased; they go when their files do (log.keep)."),
        };
        written(writeln!(out, "{} lines erased, {} texts removed.{left}", done.lines, done.texts))?;
    }
    Ok(ExitCode::SUCCESS)
}
