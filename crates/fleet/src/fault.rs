//! Faults of broken or hostile servers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A fault of a server. It is written as its name; `reset-at:N` has the number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fault {
    /// Accepts connections and never answers.
    Tarpit,
    /// Answers one byte a second.
    Drip,
    /// A JSON body that never ends.
    EndlessBody,
    /// A gzip body of about a megabyte that expands to a gigabyte.
    CompressionBomb,
    /// Header lines without end.
    EndlessHeaders,
    /// Chunk sizes that are not numbers.
    MalformedChunking,
    /// JSON with strings that are not UTF-8.
    InvalidUtf8,
    /// JSON that is 100,000 arrays deep.
    DeepJson,
    /// The recorded reply, reset after this number of bytes.
    ResetAt(u32),
    /// Closes the connection right after accepting it.
    ClosesAtOnce,
    /// A reply without status line and headers.
    Http09,
    /// Two pages that redirect to each other.
    RedirectLoop,
    /// Redirects to an address out of scope (192.0.2.1, reserved for documentation by RFC 5737).
    RedirectOffScope,
    /// TLS records with invalid content.
    TlsGarbage,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 14] = [
        Self::Tarpit,
        Self::Drip,
        Self::EndlessBody,
        Self::CompressionBomb,
        Self::EndlessHeaders,
        Self::MalformedChunking,
        Self::InvalidUtf8,
        Self::DeepJson,
        Self::ResetAt(64),
        Self::ClosesAtOnce,
        Self::Http09,
        Self::RedirectLoop,
        Self::RedirectOffScope,
        Self::TlsGarbage,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Tarpit => "tarpit",
            Self::Drip => "drip",
            Self::EndlessBody => "endless-body",
            Self::CompressionBomb => "compression-bomb",
            Self::EndlessHeaders => "endless-headers",
            Self::MalformedChunking => "malformed-chunking",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::DeepJson => "deep-json",
            Self::ResetAt(_) => "reset-at",
            Self::ClosesAtOnce => "closes-at-once",
            Self::Http09 => "http-0.9",
            Self::RedirectLoop => "redirect-loop",
            Self::RedirectOffScope => "redirect-off-scope",
            Self::TlsGarbage => "tls-garbage",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResetAt(bytes) => write!(f, "reset-at:{bytes}"),
            other => f.write_str(other.name()),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(bytes) = text.strip_prefix("reset-at:") {
            return bytes
                .parse()
                .map(Self::ResetAt)
                .map_err(|_| format!("{text:?}: expected a number of bytes after reset-at:"));
        }
        Self::ALL
            .into_iter()
            .find(|fault| fault.name() == text && !matches!(fault, Self::ResetAt(_)))
            .ok_or_else(|| {
                let names: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
                format!("unknown fault {text:?}; known faults: {}", names.join(", "))
            })
    }
}

impl TryFrom<String> for Fault {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}
