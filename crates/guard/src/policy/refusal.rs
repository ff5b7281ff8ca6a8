//! Why a request is not passed on. The log has the reason; the client gets one of a few answers that name no product.

use std::fmt;

use crate::credential::BadCredential;
use crate::key::NoKey;
use crate::limit::{Over, Standing, header_lines, retry_after};
use crate::token::NoToken;

/// Why a request is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no credential.
    NoCredential,
    /// Its credentials do not read, or differ.
    Credential(BadCredential),
    /// Its credential opens no key.
    Key(NoKey),
    /// Its credential is a token that opens nothing.
    Token(NoToken),
    /// Its key is to be used with a client certificate only, and that is not there.
    Certificate,
    /// Two programs could read it as two requests.
    Ambiguous(String),
    /// It is larger than is taken.
    TooLarge,
    /// It took longer than is waited.
    TooSlow,
    /// The product behind has no such route, or its effect is not known.
    UnknownRoute(String),
    /// The key's grant does not have it.
    NotGranted(String),
    /// Its `Host`, `Origin` or `Sec-Fetch-Site` is not one of this gateway's.
    WrongOrigin(String),
    /// No server behind has the model.
    NoModel(String),
    /// All servers behind are full, and so is the queue, or a place took too long.
    Busy {
        /// Which of the two.
        why: &'static str,
        /// When to come again.
        wait: std::time::Duration,
    },
    /// A detector had the key blocked for a time. It gets the answer of what is not granted.
    Blocked,
    /// A detector had the address blocked for a time. It gets the answer of a request without a valid key, whatever it carries.
    BlockedAddress,
    /// It is the question of somebody who is not the proxy of the configuration.
    Stranger(String),
    /// The key has used up one of its limits.
    OverLimit {
        /// Which one, and how long until it has room.
        over: Over,
        /// All of the key's limits.
        standing: Standing,
    },
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NoCredential | Self::Credential(_) | Self::Key(_) | Self::Token(_) | Self::Certificate | Self::BlockedAddress => 401,
            Self::Ambiguous(_) => 400,
            Self::TooLarge => 413,
            Self::TooSlow => 408,
            Self::NoModel(_) => 404,
            Self::UnknownRoute(_) | Self::NotGranted(_) | Self::WrongOrigin(_) | Self::Stranger(_) | Self::Blocked => 403,
            Self::OverLimit { .. } => 429,
            Self::Busy { .. } => 503,
        }
    }

    /// Header lines of the answer, beyond those of every answer.
    #[must_use]
    pub fn header_lines(&self) -> String {
        match self {
            Self::NoCredential | Self::Credential(_) | Self::Key(_) | Self::Token(_) | Self::Certificate | Self::BlockedAddress => {
                "www-authenticate: Bearer\r\n".to_owned()
            }
            Self::OverLimit { over, standing } => retry_after(over.wait) + &header_lines(standing),
            Self::Busy { wait, .. } => retry_after(*wait),
            _ => String::new(),
        }
    }

    /// Its word in the log.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoCredential => "no-credential",
            Self::Credential(BadCredential::Several) => "several-credentials",
            Self::Credential(BadCredential::Unreadable) => "unreadable-credential",
            Self::Key(NoKey::Malformed | NoKey::Unknown) => "unknown-key",
            Self::Key(NoKey::Revoked) => "revoked-key",
            Self::Key(NoKey::Expired) => "expired-key",
            Self::Certificate => "no-certificate",
            Self::Token(NoToken::Expired) => "expired-token",
            Self::Token(_) => "unknown-token",
            Self::Ambiguous(_) => "ambiguous",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::UnknownRoute(_) => "unknown-route",
            Self::NotGranted(_) => "not-granted",
            Self::WrongOrigin(_) => "wrong-origin",
            Self::NoModel(_) => "no-model",
            Self::Busy { .. } => "busy",
            Self::Blocked => "blocked",
            Self::BlockedAddress => "blocked-address",
            Self::Stranger(_) => "stranger",
            Self::OverLimit { .. } => "over-limit",
        }
    }

    /// The body of the answer. It says what a client can mend and nothing of the server behind.
    #[must_use]
    pub fn body(&self) -> &'static str {
        match self.status() {
            401 => "{\"error\":\"unauthorized\"}",
            400 => "{\"error\":\"bad request\"}",
            413 => "{\"error\":\"request too large\"}",
            408 => "{\"error\":\"request timeout\"}",
            404 => "{\"error\":\"model not found\"}",
            503 => "{\"error\":\"busy\"}",
            429 => "{\"error\":\"too many requests\"}",
            _ => "{\"error\":\"forbidden\"}",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Ambiguous(why)
            | Self::UnknownRoute(why)
            | Self::NotGranted(why)
            | Self::WrongOrigin(why)
            | Self::Stranger(why)
            | Self::NoModel(why) => write!(f, ": {why}"),
            Self::Busy { why, .. } => write!(f, ": {why}"),
            Self::Token(why) => write!(f, ": {why}"),
            Self::OverLimit { over, .. } => write!(f, ": {}, for {:.1} s", over.limit.word(), over.wait.as_secs_f64()),
            _ => Ok(()),
        }
    }
}
