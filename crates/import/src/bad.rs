//! A record that was rejected, and why.

use std::fmt;

/// The most characters of a bad record that are quoted.
const MAX_QUOTE: usize = 120;

/// The most characters of a reason.
const MAX_REASON: usize = 300;

/// What a rejected record lacks, if the caller can supply it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadKind {
    /// It has no time, and the caller gave none for the whole file: see [`Options::seen`](crate::Options::seen).
    MissingTime,
    /// It is only an address, and the caller gave no port: see [`Options::default_port`](crate::Options::default_port). A record whose
    /// format always has a port, and which lacks it, is [`BadKind::Other`].
    MissingPort,
    /// It does not name its gateway, and the caller named none: see [`Options::gateway`](crate::Options::gateway).
    MissingGateway,
    /// Something else; the reason says what.
    Other,
}

/// A record that was rejected, in whole or in part. Its texts are bounded and safe on a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The line it begins on, from 1, of the unpacked text.
    pub line: u64,
    /// Its number among the records, from 1.
    pub record: u64,
    /// What it lacks.
    pub kind: BadKind,
    /// Why, a fragment that reads well after "not taken: ".
    pub reason: String,
    /// Its beginning; control characters, invalid bytes and changes of the reading direction are escaped.
    pub quote: String,
}

impl Bad {
    pub(crate) fn new(line: u64, record: u64, fault: &Fault, bytes: &[u8]) -> Self {
        Self {
            line,
            record,
            kind: fault.kind,
            reason: escape(&fault.reason, MAX_REASON),
            quote: quote(bytes),
        }
    }
}

/// Why a record is bad, before it is known where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    kind: BadKind,
    reason: String,
}

impl Fault {
    pub(crate) fn missing_time() -> Self {
        Self {
            kind: BadKind::MissingTime,
            reason: "it says no time, and none was given for the whole file".to_owned(),
        }
    }

    pub(crate) fn missing_gateway() -> Self {
        Self {
            kind: BadKind::MissingGateway,
            reason: "it does not name its gateway, and no name and no public key was given".to_owned(),
        }
    }

    pub(crate) fn missing_port() -> Self {
        Self {
            kind: BadKind::MissingPort,
            reason: "an address without a port: say which port was scanned".to_owned(),
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self {
            kind: BadKind::Other,
            reason,
        }
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        reason.to_owned().into()
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (record {}): {}: {}", self.line, self.record, self.reason, self.quote)
    }
}

/// The beginning of some bytes, as a text without control characters.
pub(crate) fn quote(bytes: &[u8]) -> String {
    // A character has four bytes at most.
    let cut = &bytes[..bytes.len().min(4 * MAX_QUOTE)];
    let text = String::from_utf8_lossy(cut);
    if is_binary(&text) {
        return format!("({} bytes that are no text)", bytes.len());
    }
    let mut out = escape(text.trim_end_matches(['\r', '\n']), MAX_QUOTE);
    if cut.len() < bytes.len() && !out.ends_with('…') {
        out.push('…');
    }
    out
}

/// Whether a text is binary: more than half of it, or a quarter of a longer one, cannot be shown.
fn is_binary(text: &str) -> bool {
    let shown = text.chars().take(MAX_QUOTE);
    let (mut all, mut hidden) = (0_usize, 0_usize);
    for character in shown {
        all += 1;
        let blank = matches!(character, '\t' | '\r' | '\n');
        hidden += usize::from(!blank && (character.is_control() || character == char::REPLACEMENT_CHARACTER));
    }
    2 * hidden > all || all >= 32 && 4 * hidden > all
}

fn escape(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (number, character) in text.chars().enumerate() {
        if number >= most {
            out.push('…');
            break;
        }
        match character {
            '"' | '\'' | '\\' => out.push(character),
            // Also escapes invisible characters and changes of the reading direction.
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_bounded_and_harmless() {
        let text = quote(b"\x1b[31mred\x00\xff\n");
        assert_eq!(text, "\\u{1b}[31mred\\0\u{fffd}");
        assert_eq!(quote("\u{202e}abc".as_bytes()), "\\u{202e}abc");
        let long = quote(&[b'a'; 10_000]);
        assert_eq!(long.chars().count(), MAX_QUOTE + 1);
        assert!(long.ends_with('…'));
    }
}
