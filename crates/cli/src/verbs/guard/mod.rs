//! `vigie guard`: the gateway.

mod args;
mod authorize;
mod caps;
mod change;
mod detect;
mod init;
mod keys;
mod log;
mod serve;
mod top;
mod ways;

use std::io::Write as _;
use std::process::ExitCode;

use vigie_guard::config::files;
use vigie_run::Failure;

use self::args::{DirArg, GuardVerb};
use crate::failure::{Done, written};

pub(crate) use args::GuardArgs;

pub(crate) fn run(args: &GuardArgs) -> Done {
    match &args.verb {
        GuardVerb::Init(args) => init::run(args),
        GuardVerb::Key(args) => keys::run(args),
        GuardVerb::Run(args) => serve::run(args),
        GuardVerb::Authorize(args) => authorize::run(args),
        GuardVerb::Check(dir) => check(dir),
        GuardVerb::Log(args) => log::run(args),
        GuardVerb::Top(args) => top::run(args),
        GuardVerb::Detect(args) => detect::run(args),
    }
}

/// Checks a folder as far as a start would, without listening.
fn check(dir: &DirArg) -> Done {
    let dir = dir.folder()?;
    let checked = vigie_guard::check(&dir).map_err(Failure::usage)?;
    for warning in &checked.warnings {
        eprintln!("vigie: warning: {warning}");
    }
    let config = checked.config;
    ways::say(&config);
    written(writeln!(
        std::io::stdout().lock(),
        "{}: sound. {} in front of {} at {}, {} valid keys.",
        dir.join(files::CONFIG).display(),
        config.listen.address,
        config.upstream.product,
        config.upstream.url,
        checked.valid_keys
    ))?;
    Ok(ExitCode::SUCCESS)
}
