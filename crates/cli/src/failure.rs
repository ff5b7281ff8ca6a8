//! Exit codes, documented in the book and stable, and what every verb writes.

use std::process::ExitCode;

use vigie_run::{Failure, FailureKind};

/// The exit codes.
pub(crate) mod exit {
    /// Findings at or above `--fail-on`.
    #[cfg(any(feature = "find", feature = "guard"))]
    pub(crate) const FINDINGS: u8 = 1;
    /// Wrong usage, or an invalid input file. Also clap's.
    pub(crate) const USAGE: u8 = 2;
    /// The scan failed: the network, or this machine.
    pub(crate) const SCAN: u8 = 3;
    /// Results could not be written.
    pub(crate) const OUTPUT: u8 = 4;
    /// An input file ends early; what it held was imported.
    #[cfg(feature = "watch")]
    pub(crate) const UNFINISHED: u8 = 5;
    /// Interrupted; a resume file was written.
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// The exit code of a failure.
pub(crate) fn code(failure: &Failure) -> ExitCode {
    ExitCode::from(match failure.kind() {
        FailureKind::Usage => exit::USAGE,
        FailureKind::Scan => exit::SCAN,
        FailureKind::Output => exit::OUTPUT,
        FailureKind::Interrupted => exit::INTERRUPTED,
    })
}

/// The result of a verb.
pub(crate) type Done = Result<ExitCode, Failure>;

/// Writing to a closed pipe ends the program quietly; any other write error is a failure.
pub(crate) fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    has_reader(result).map(|_| ())
}

/// The same; returns whether the output still has a reader, so that a long-running command can end without one.
pub(crate) fn has_reader(result: std::io::Result<()>) -> Result<bool, Failure> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::output(format!("cannot write the output: {error}"))),
        Ok(()) => Ok(true),
    }
}

/// Writes a value as a JSON document that is safe on a terminal.
pub(crate) fn print_json<T: serde::Serialize + ?Sized>(out: &mut impl std::io::Write, value: &T) -> Result<(), Failure> {
    let mut text = Vec::new();
    vigie_export::text::json_pretty(&mut text, value).map_err(Failure::output)?;
    text.push(b'\n');
    written(out.write_all(&text).and_then(|()| out.flush()))
}
