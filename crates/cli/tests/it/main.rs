//! The program as its users run it, against simulated servers on loopback.

#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "watch")]
mod diff;
#[cfg(feature = "watch")]
mod discover;
mod fleet;
mod help;
#[cfg(feature = "watch")]
mod hosts;
#[cfg(feature = "study")]
mod import;
#[cfg(feature = "watch")]
mod import_files;
mod knows;
#[cfg(feature = "study")]
mod lake;
#[cfg(all(feature = "watch", target_os = "linux"))]
mod memory;
mod nothing;
mod prefix;
mod rooms;
mod scan;
#[cfg(feature = "watch")]
mod schemas;
#[cfg(feature = "study")]
mod study;
mod terminal;
#[cfg(feature = "watch")]
mod unfinished;
#[cfg(all(feature = "watch", unix))]
mod watch;
mod words;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program with these arguments and waits for it.
fn vigie(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(words)
        .env_remove("VIGIE_LAKE")
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the output is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> i32 {
    output
        .status
        .code()
        .unwrap_or_else(|| panic!("ended by a signal: {}", stderr(output)))
}

/// The observations of a run in `--format jsonl`.
fn observations(output: &Output) -> Vec<serde_json::Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}
