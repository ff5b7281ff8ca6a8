//! The `vigie` program: one file per verb under `verbs`.

#[cfg(feature = "find")]
mod args;
mod command_line;
mod failure;
#[cfg(feature = "find")]
mod interrupts;
#[cfg(feature = "find")]
mod plain;
#[cfg(feature = "find")]
mod progress;
#[cfg(any(feature = "find", feature = "guard"))]
mod runtime;
#[cfg(feature = "guard")]
mod service;
#[cfg(feature = "find")]
mod sort;
#[cfg(any(feature = "find", feature = "guard"))]
mod terminal;
mod verbs;
#[cfg(any(feature = "watch", feature = "guard"))]
mod when;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::command_line::{Cli, Verb};

// The system's allocator takes a fifth of the time of a probe.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.verb {
        #[cfg(feature = "find")]
        Verb::Scan(args) => verbs::scan::run(&args),
        #[cfg(feature = "find")]
        Verb::Advisory(args) => verbs::advisory::run(&args),
        #[cfg(feature = "find")]
        Verb::Hosts(args) => verbs::hosts::run(&args),
        #[cfg(feature = "find")]
        Verb::Show(args) => verbs::show::run(&args),
        #[cfg(feature = "watch")]
        Verb::Import(args) => verbs::import::run(&args),
        #[cfg(feature = "watch")]
        Verb::Discover(args) => verbs::discover::run(&args),
        #[cfg(feature = "watch")]
        Verb::Diff(args) => verbs::diff::run(&args),
        #[cfg(feature = "watch")]
        Verb::Watch(args) => verbs::watch::run(&args),
        #[cfg(feature = "study")]
        Verb::Sql(args) => verbs::sql::run(&args),
        #[cfg(feature = "study")]
        Verb::Study(args) => verbs::study::run(&args),
        #[cfg(feature = "study")]
        Verb::Lake(args) => verbs::lake::run(&args),
        #[cfg(feature = "audit")]
        Verb::Audit(args) => verbs::audit::run(&args),
        #[cfg(feature = "guard")]
        Verb::Guard(args) => verbs::guard::run(&args),
        #[cfg(feature = "guard")]
        Verb::Connect(args) => verbs::connect::run(&args),
        #[cfg(feature = "find")]
        Verb::Catalog(args) => verbs::catalog::run(args),
        #[cfg(feature = "find")]
        Verb::Scope(args) => verbs::scope::run(args),
        #[cfg(feature = "demo")]
        Verb::Demo(args) => verbs::demo::run(&args),
        #[cfg(feature = "demo")]
        Verb::Fleet(args) => verbs::fleet::run(&args),
        #[cfg(feature = "demo")]
        Verb::Population(args) => verbs::population::run(&args),
        Verb::Completions(args) => verbs::generate::completions(&args, Cli::command()),
        Verb::Man(args) => verbs::generate::man(&args, Cli::command()),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            anstream::eprintln!("{}error:{} {failure}", anstyle::AnsiColor::Red.on_default().bold(), anstyle::Reset);
            failure::code(&failure)
        }
    }
}
