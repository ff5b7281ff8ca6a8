//! `vigie guard top`: who uses what right now.

mod screen;
mod table;

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use vigie_guard::config::{Config, files};
use vigie_guard::top::{Minute, Now, Used, minute};
use vigie_run::{Failure, read};

use super::args::DirArg;
use super::keys;
use crate::failure::{Done, written};

#[derive(Clone, Debug, Args)]
pub(in crate::verbs::guard) struct TopArgs {
    #[command(flatten)]
    dir: DirArg,
    /// Print once and end.
    #[arg(long)]
    once: bool,
    /// Print one JSON object and end.
    #[arg(long)]
    json: bool,
    /// How often the screen is drawn anew.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    every: u64,
}

/// What is shown.
#[derive(Debug, Serialize)]
struct View {
    schema: &'static str,
    /// When, in milliseconds since 1970.
    time: i64,
    /// What is under way; `None`: no gateway of this folder runs, or it does not answer.
    now: Option<Now>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_known: Option<String>,
    /// What ended in the last minute.
    minute: Minute,
}

pub(super) fn run(args: &TopArgs) -> Done {
    let dir = args.dir.folder()?;
    let path = dir.join(files::CONFIG);
    let config = Config::parse(&read(&path)?).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let log = Config::beside(&dir, &config.log.dir);
    if args.json {
        let text = serde_json::to_string(&view(&dir, &log)?).map_err(|error| Failure::output(error.to_string()))?;
        written(writeln!(std::io::stdout().lock(), "{text}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.once || !std::io::stdout().is_terminal() {
        let text = table::table(&view(&dir, &log)?, &names(&dir), crate::terminal::width());
        written(write!(anstream::stdout().lock(), "{text}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    screen::run(Duration::from_secs(args.every), || {
        Ok(table::table(&view(&dir, &log)?, &names(&dir), crate::terminal::width()))
    })
}

fn view(dir: &Path, log: &Path) -> Result<View, Failure> {
    let time = chrono::Utc::now().timestamp_millis();
    let (now, not_known) = match now(dir) {
        Ok(now) => (Some(now), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(View {
        schema: "vigie.guard-top/1",
        time,
        now,
        not_known,
        minute: minute(log, time).map_err(|error| Failure::usage(format!("cannot read the log in {}: {error}", log.display())))?,
    })
}

#[cfg(unix)]
fn now(dir: &Path) -> std::io::Result<Now> {
    vigie_guard::top::now(dir)
}

#[cfg(not(unix))]
fn now(_dir: &Path) -> std::io::Result<Now> {
    Err(std::io::Error::other("this system has no Unix sockets"))
}

/// The names of keys by their ids, as the key store has them. A store that does not read leaves the ids.
fn names(dir: &Path) -> Vec<(String, String)> {
    keys::load(dir).map_or_else(
        |_| Vec::new(),
        |file| file.keys.iter().map(|key| (key.id.clone(), key.name.clone())).collect(),
    )
}

/// The ids of all keys that do something, the busiest first.
fn busiest(view: &View) -> Vec<&str> {
    let under_way = |id: &str| view.now.as_ref().and_then(|now| now.keys.get(id)).copied().unwrap_or_default();
    let met: BTreeSet<&str> = view
        .minute
        .keys
        .keys()
        .chain(view.now.iter().flat_map(|now| now.keys.keys()))
        .map(String::as_str)
        .collect();
    let mut ids: Vec<&str> = met.into_iter().collect();
    let work = |id: &str| {
        let used = view.minute.keys.get(id);
        (
            under_way(id),
            used.map_or(0, |used: &Used| used.output + used.prompt),
            used.map_or(0, |used| used.requests + used.refused),
        )
    };
    ids.sort_by_key(|id| std::cmp::Reverse(work(id)));
    ids
}
