//! What can go wrong, and the exit code of each: documented in the book and stable.

use std::fmt;
use std::process::ExitCode;

#[cfg(feature = "study")]
pub(crate) use crate::whole::write_through;
pub(crate) use crate::whole::{cannot_write, write_whole};

/// The exit codes.
pub(crate) mod exit {
    /// Findings at or above `--fail-on`.
    pub(crate) const FINDINGS: u8 = 1;
    /// Wrong usage, or an input file that is not as it should be. Also clap's.
    pub(crate) const USAGE: u8 = 2;
    /// The scan failed: the network, or this machine.
    pub(crate) const SCAN: u8 = 3;
    /// Results could not be written.
    pub(crate) const OUTPUT: u8 = 4;
    /// An input file ends early; what it held was taken.
    #[cfg(feature = "watch")]
    pub(crate) const UNFINISHED: u8 = 5;
    /// Interrupted; a resume file was written.
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// An error for its user: what is wrong, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            code: exit::USAGE,
            message: message.to_string(),
        }
    }

    pub(crate) fn scan(message: impl fmt::Display) -> Self {
        Self {
            code: exit::SCAN,
            message: message.to_string(),
        }
    }

    pub(crate) fn output(message: impl fmt::Display) -> Self {
        Self {
            code: exit::OUTPUT,
            message: message.to_string(),
        }
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn interrupted(message: impl fmt::Display) -> Self {
        Self {
            code: exit::INTERRUPTED,
            message: message.to_string(),
        }
    }

    /// Whether what was asked is wrong, and not what it was asked of.
    #[cfg(feature = "watch")]
    pub(crate) fn is_usage(&self) -> bool {
        self.code == exit::USAGE
    }

    /// The same, with what else is to be known.
    #[cfg(feature = "watch")]
    pub(crate) fn and(mut self, more: impl fmt::Display) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is wrong may be told in the words of a stranger: a record, a reply, a question's own text.
        f.write_str(&vigie_export::text::lines(&self.message))
    }
}

/// What a verb gives.
pub(crate) type Done = Result<ExitCode, Failure>;

/// Writing to a closed pipe ends a program quietly; any other fault of the output is said.
pub(crate) fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    heard(result).map(|_| ())
}

/// The same; says whether somebody still reads. What goes on by itself ends where nobody does.
pub(crate) fn heard(result: std::io::Result<()>) -> Result<bool, Failure> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::output(format!("cannot write the output: {error}"))),
        Ok(()) => Ok(true),
    }
}

/// Writes a value as a document of JSON that is safe on a terminal.
pub(crate) fn print_json<T: serde::Serialize + ?Sized>(out: &mut impl std::io::Write, value: &T) -> Result<(), Failure> {
    let mut text = Vec::new();
    vigie_export::text::json_pretty(&mut text, value).map_err(Failure::output)?;
    text.push(b'\n');
    written(out.write_all(&text).and_then(|()| out.flush()))
}

/// Tries whether a file can be made beside or in place of this one, or in a folder, before anything depends on it.
#[cfg(feature = "watch")]
pub(crate) fn try_writing(path: &std::path::Path, is_folder: bool) -> std::io::Result<()> {
    let trial = if is_folder {
        std::fs::create_dir_all(path)?;
        path.join(format!(".vigie-{}.trial", std::process::id()))
    } else {
        if path.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.trial", std::process::id()));
        beside.into()
    };
    // A byte, for a disk that is full still makes empty files.
    let tried = std::fs::write(&trial, b"\n");
    let removed = std::fs::remove_file(&trial);
    tried.and(removed)
}

/// Reads a text file, or says which and why not.
pub(crate) fn read(path: &std::path::Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_what_would_act() {
        let said = Failure::usage("cannot cast '\u{1b}]0;pwned\u{7}\u{202e}\u{200b}'\nline 2").to_string();
        assert_eq!(said, "cannot cast '\\u{1b}]0;pwned\\u{7}\\u{202e}\\u{200b}'\nline 2");
    }
}
