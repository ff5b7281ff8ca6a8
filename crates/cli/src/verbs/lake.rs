//! `vigie lake`: maintenance of the lake.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use vigie_lake::{Lake, Removed};
use vigie_run::Failure;

use crate::args::{LakeDir, TableOrJson};
use crate::failure::{Done, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct LakeArgs {
    #[command(subcommand)]
    pub(crate) verb: LakeVerb,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Text or JSON.
    #[arg(short = 'F', long, default_value = "table", global = true)]
    pub(crate) format: TableOrJson,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LakeVerb {
    /// List the live files, for engines without a Delta reader: table, bytes, path.
    Files,
    /// Merge small files and compress them better; readers and writers can go on meanwhile.
    Compact,
    /// Remove files that are no longer live.
    Vacuum {
        /// Only files that have not been live for this long: 7d, 12h, 0d.
        #[arg(long, value_name = "AGE", default_value = "7d", value_parser = crate::when::age)]
        older: chrono::TimeDelta,
    },
    /// Delete the texts of prompts and templates that --keep-prompts kept; their hashes stay.
    Redact {
        /// Remove them from the disk too, with all other files that are no longer live.
        #[arg(long)]
        now: bool,
    },
    /// Delete every observation of an address and every request from it, or all before a date, with the states that only these refer to.
    Forget {
        /// The addresses.
        addresses: Vec<std::net::IpAddr>,
        /// Every request to a gateway with the key of this id; can be given several times.
        #[arg(long = "key", value_name = "ID")]
        keys: Vec<String>,
        /// Everything seen, and every request, before this day (UTC): YYYY-MM-DD.
        #[arg(long, value_name = "DATE")]
        before: Option<chrono::NaiveDate>,
        /// Remove the data from the files and the logs at once; older versions can no longer be read.
        #[arg(long)]
        now: bool,
    },
}

pub(crate) fn run(args: &LakeArgs) -> Done {
    let (runtime, lake) = vigie_run::lake::open(&args.lake.folder()?)?;
    let (text, value) = match &args.verb {
        LakeVerb::Files => {
            let files = runtime.block_on(lake.files()).map_err(Failure::output)?;
            let total: u64 = files.iter().map(|file| file.bytes).sum();
            let mut text = String::new();
            for file in &files {
                text.push_str(&format!("{}\t{}\t{}\n", file.table.name(), file.bytes, file.path.display()));
            }
            let list: Vec<_> = files
                .iter()
                .map(|file| json!({"table": file.table.name(), "bytes": file.bytes, "path": file.path}))
                .collect();
            (text, json!({"schema": "vigie.lake-files/1", "bytes": total, "files": list}))
        }
        LakeVerb::Compact => {
            let done = runtime.block_on(lake.compact()).map_err(Failure::output)?;
            let mut text = String::new();
            let mut tables = serde_json::Map::new();
            for (table, did) in &done {
                text.push_str(&match did.removed {
                    0 => format!("{}: nothing to merge\n", table.name()),
                    _ => format!("{}: {} files merged into {}\n", table.name(), did.removed, did.added),
                });
                tables.insert(table.name().to_owned(), json!({"removed": did.removed, "added": did.added}));
            }
            text.push_str("vigie lake vacuum removes the old files.\n");
            (text, json!({"schema": "vigie.lake-compact/1", "tables": tables}))
        }
        LakeVerb::Vacuum { older } => {
            let removed = runtime.block_on(lake.vacuum(*older)).map_err(Failure::output)?;
            (
                format!("{}\n", removed_text(&removed)),
                json!({
                    "schema": "vigie.lake-vacuum/1",
                    "removed": removed.files,
                    "uncommitted_removed": removed.unnamed,
                    "uncommitted_left": removed.left,
                }),
            )
        }
        LakeVerb::Redact { now } => {
            let models = runtime.block_on(lake.redact()).map_err(Failure::output)?;
            let (removed, rest) = purge(&runtime, &lake, *now, "vigie lake redact --now")?;
            let mut value = json!({"schema": "vigie.lake-redact/1", "models": models});
            add_removed(&mut value, removed);
            (format!("deleted the texts of {models} models; {rest}\n"), value)
        }
        LakeVerb::Forget {
            addresses,
            keys,
            before,
            now,
        } => {
            if addresses.is_empty() && keys.is_empty() && before.is_none() {
                return Err(Failure::usage(
                    "nothing to delete was named: give addresses, --key ID, or --before DATE",
                ));
            }
            let mut done = Vec::new();
            for key in keys {
                done.push(runtime.block_on(lake.forget_key(key)).map_err(Failure::output)?);
            }
            for address in addresses {
                done.push(runtime.block_on(lake.forget(*address)).map_err(Failure::output)?);
            }
            if let Some(before) = before {
                let instant = before.and_time(chrono::NaiveTime::MIN).and_utc();
                done.push(runtime.block_on(lake.forget_before(instant)).map_err(Failure::output)?);
            }
            let observations: u64 = done.iter().map(|one| one.observations).sum();
            let requests: u64 = done.iter().map(|one| one.requests).sum();
            let states: u64 = done.iter().map(|one| one.states).sum();
            let (removed, rest) = purge(&runtime, &lake, *now, "vigie lake forget --now")?;
            let states = states + removed.map_or(0, |removed| removed.states);
            // Each checked the whole lake; the last count is the current one.
            let left = done.last().filter(|_| removed.is_none()).map_or(0, |one| one.left);
            let of_gateways = match requests {
                0 => String::new(),
                _ => format!(" and {requests} requests to gateways"),
            };
            let mut text = format!("deleted {observations} observations and {states} states{of_gateways}; {rest}\n");
            if left > 0 {
                text.push_str(&format!(
                    "{left} states without an observation are younger than an hour and were kept, as a writer may be using them; --now removes them too\n"
                ));
            }
            let mut value = json!({"schema": "vigie.lake-forget/1", "observations": observations, "requests": requests, "states": states, "states_left": left});
            add_removed(&mut value, removed);
            (text, value)
        }
    };
    let mut out = anstream::stdout().lock();
    match args.format {
        TableOrJson::Table => written(out.write_all(text.as_bytes()))?,
        TableOrJson::Json => written(writeln!(out, "{value:#}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes deleted data from the disk too, if `now` is set; returns what was removed, and the text for it.
fn purge(runtime: &tokio::runtime::Runtime, lake: &Lake, now: bool, how: &str) -> Result<(Option<Removed>, String), Failure> {
    if !now {
        return Ok((
            None,
            format!("the data is still in old files and in the log: {how}, or vigie lake vacuum --older 0d, removes both"),
        ));
    }
    let removed = runtime.block_on(lake.purge()).map_err(Failure::output)?;
    Ok((
        Some(removed),
        format!("{}; older versions can no longer be read", removed_text(&removed)),
    ))
}

/// What was removed, for people.
fn removed_text(removed: &Removed) -> String {
    let mut text = format!("{} files removed", removed.files + removed.unnamed);
    if removed.unnamed > 0 {
        text.push_str(&format!(", {} of them never committed", removed.unnamed));
    }
    if removed.left > 0 {
        text.push_str(&format!(
            "; {} uncommitted files are younger than an hour and were kept, as a writer may be using them: run vigie lake vacuum later",
            removed.left
        ));
    }
    text
}

/// What was removed, for programs; null if nothing was to be removed.
fn add_removed(value: &mut serde_json::Value, removed: Option<Removed>) {
    value["files_removed"] = json!(removed.map(|removed| removed.files));
    value["uncommitted_removed"] = json!(removed.map(|removed| removed.unnamed));
    value["uncommitted_left"] = json!(removed.map(|removed| removed.left));
}
