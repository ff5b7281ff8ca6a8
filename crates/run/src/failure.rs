//! Errors for the user: what is wrong, and what to do next.

use std::fmt;
use std::path::Path;

/// The kinds of failure. A program gives each an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Wrong usage, or an invalid input file.
    Usage,
    /// The work itself failed: the network, a service, or this machine.
    Scan,
    /// Results could not be written.
    Output,
    /// The user interrupted it.
    Interrupted,
}

/// An error for the user.
#[derive(Debug)]
pub struct Failure {
    kind: FailureKind,
    message: String,
}

impl Failure {
    fn new(kind: FailureKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// Wrong usage, or an invalid input file.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// The network, a service, or this machine failed.
    pub fn scan(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Scan, message)
    }

    /// Results could not be written.
    pub fn output(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Output, message)
    }

    /// The user interrupted it.
    pub fn interrupted(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Interrupted, message)
    }

    /// An input with several errors, all of them listed.
    #[must_use]
    pub fn of_all<E: fmt::Display>(input: &str, errors: &[E]) -> Self {
        let all: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
        let s = if errors.len() == 1 { "" } else { "s" };
        Self::usage(format!("the {input} has {} error{s}:\n{}", errors.len(), all.join("\n")))
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The same failure with more to its message.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The message may quote untrusted text: a record, a reply, a query.
        f.write_str(&vigie_export::text::lines(&self.message))
    }
}

impl std::error::Error for Failure {}

/// Reads a text file.
///
/// # Errors
///
/// The file cannot be read; the message names it.
pub fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_a_message_are_escaped() {
        let message = Failure::usage("cannot cast '\u{1b}]0;pwned\u{7}\u{202e}\u{200b}'\nline 2").to_string();
        assert_eq!(message, "cannot cast '\\u{1b}]0;pwned\\u{7}\\u{202e}\\u{200b}'\nline 2");
    }
}
