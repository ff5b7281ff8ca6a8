//! `vigie import`: the records of other tools into the lake.

mod args;
mod printed;
mod progress;

use std::process::ExitCode;

use vigie_run::Stop;
use vigie_run::import::{ImportEvent, ImportedFile};

use self::progress::Shown;
use crate::failure::{Done, exit};

pub(crate) use args::ImportArgs;

pub(crate) fn run(args: &ImportArgs) -> Done {
    let stop = Stop::new();
    let mut shown = Shown::Nothing;
    let imported = vigie_run::import::import(&args.options()?, &stop, &mut |event| {
        match event {
            ImportEvent::Begun => crate::interrupts::on_interrupt(&stop)?,
            ImportEvent::FileBegun { name, size } => shown = Shown::new(name, size, args.quiet),
            ImportEvent::Progress { read, counts } => shown.update(read, counts),
            ImportEvent::FileEnded => shown.end(),
            fault => printed::fault(&fault),
        }
        Ok(())
    })?;
    printed::report(&imported, args.format)?;
    if imported.interrupted {
        anstream::eprintln!("vigie: interrupted; what was committed stays, and importing the same files again adds the rest");
        return Ok(ExitCode::from(exit::INTERRUPTED));
    }
    // Bad records among good ones are no error; a file that could not be read, or holds only bad records, is one.
    let useless = |file: &ImportedFile| file.failed.is_some() || file.has_only_bad();
    Ok(if imported.files.iter().any(useless) {
        ExitCode::from(exit::USAGE)
    } else if imported.files.iter().any(ImportedFile::is_unfinished) {
        ExitCode::from(exit::UNFINISHED)
    } else if imported.files.iter().any(ImportedFile::is_broken) {
        ExitCode::from(exit::FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}
