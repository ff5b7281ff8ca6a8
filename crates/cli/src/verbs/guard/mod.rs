//! `vigie guard`: the gateway.

mod args;
mod init;
mod keys;
mod log;

use std::io::Write as _;
use std::process::ExitCode;

use vigie_guard::Gateway;
use vigie_guard::config::{Config, files};
use vigie_run::{Failure, read};

use self::args::{DirArg, GuardVerb};
use crate::failure::{Done, written};

pub(crate) use args::GuardArgs;

pub(crate) fn run(args: &GuardArgs) -> Done {
    match &args.verb {
        GuardVerb::Init(args) => init::run(args),
        GuardVerb::Key(args) => keys::run(args),
        GuardVerb::Run(dir) => serve(dir),
        GuardVerb::Check(dir) => check(dir),
        GuardVerb::Log(args) => log::run(args),
    }
}

/// Runs the gateway until it is interrupted.
fn serve(dir: &DirArg) -> Done {
    let gateway = Gateway::start(&dir.folder()?).map_err(Failure::usage)?;
    eprintln!("vigie: the gateway listens on {}; Ctrl-C stops it", gateway.address());
    crate::runtime::runtime()?.block_on(crate::service::interrupted());
    eprintln!("vigie: stopping; requests under way are finished");
    gateway.stop();
    Ok(ExitCode::SUCCESS)
}

/// Checks a folder as far as a start would, without listening.
fn check(dir: &DirArg) -> Done {
    let dir = dir.folder()?;
    let path = dir.join(files::CONFIG);
    let config = Config::parse(&read(&path)?).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let keys = keys::load(&dir)?;
    for needed in vigie_guard::needed_files(&dir) {
        if !needed.is_file() {
            return Err(Failure::usage(format!(
                "{} is missing; vigie guard init makes a whole folder",
                needed.display()
            )));
        }
    }
    let now = chrono::Utc::now();
    let valid = keys.keys.iter().filter(|key| key.is_valid_at(now)).count();
    if valid == 0 {
        eprintln!("vigie: warning: no key is valid, so every request is refused; vigie guard key create makes one");
    }
    written(writeln!(
        std::io::stdout().lock(),
        "{}: sound. {} in front of {} at {}, {valid} valid keys.",
        path.display(),
        config.listen.address,
        config.upstream.product,
        config.upstream.url
    ))?;
    Ok(ExitCode::SUCCESS)
}
