//! Why something must not be scanned.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::NaiveDate;
use vigie_model::Timestamp;

use crate::file::scope_file::RangeEntry;
use crate::ports::Ports;

/// Why something must not be scanned, with the entry that forbids it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An address that is never scanned.
    #[error("{subject} is never scanned, not even with a scope file: {range} is {what} ({rfc})")]
    Never {
        /// What was requested.
        subject: String,
        /// The special-purpose range.
        range: &'static str,
        /// The purpose of the range.
        what: &'static str,
        /// The RFC or document that defines it.
        rfc: &'static str,
    },
    /// An IPv6 address whose packets go to an IPv4 address that is not public.
    #[error("{subject} is never scanned: its packets go to {carried}, which is {what} ({rfc}); name that address instead")]
    Carries {
        /// What was requested.
        subject: IpAddr,
        /// Where the packets go.
        carried: IpAddr,
        /// The purpose of the range of that address.
        what: &'static str,
        /// The RFC or document that defines it.
        rfc: &'static str,
    },
    /// A public address without a scope file.
    #[error(
        "{subject} is {what}: scanning it needs a scope file that names who is responsible for it; write one with `schema`, \
         `owner`, `contact`, `expires` and a `[[range]]` whose `cidr` holds it, and name it with --scope"
    )]
    NeedsScopeFile {
        /// What was requested.
        subject: String,
        /// `public`, or the purpose of a shared range.
        what: String,
    },
    /// Not in the scope file.
    #[error("{subject} is not in scope: no `[[range]]` of the scope file holds it; have it authorised and added")]
    NotInScope {
        /// What was requested.
        subject: String,
    },
    /// Excluded by the scope file.
    #[error("{subject} is excluded{}: {by}", dated("since", by.date))]
    Excluded {
        /// What was requested.
        subject: String,
        /// The entry.
        by: Arc<ExclusionSource>,
    },
    /// Excluded by an opt-out list.
    #[error("{subject} opted out{}: {by}", dated("on", by.date))]
    OptedOut {
        /// What was requested.
        subject: String,
        /// The entry.
        by: Arc<ExclusionSource>,
    },
    /// A port that the entry does not allow.
    #[error("port {port} of {subject} is not allowed: {entry} on line {line} of the scope file allows {ports}")]
    Port {
        /// What was requested.
        subject: String,
        /// The port or ports.
        port: String,
        /// The entry.
        entry: String,
        /// The line on which it starts.
        line: usize,
        /// The ports that it allows.
        ports: String,
    },
    /// Outside the window.
    #[error("outside the scope's window ({window}){}", next.map(|n| format!(": it opens again at {}", n.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default())]
    OutsideWindow {
        /// The window.
        window: String,
        /// When it opens again, if it does before the expiry.
        next: Option<Timestamp>,
    },
    /// After the expiry of the scope file.
    #[error("the scope expired on {on}: have it renewed before scanning")]
    Expired {
        /// The last day on which the file was valid.
        on: NaiveDate,
    },
    /// A name in the scope file that resolves to a private address.
    #[error(
        "{name} resolves to {address}, which is private and not in scope by itself, because a name can be pointed anywhere; \
         add the address as a `[[range]]`"
    )]
    LeadsInside {
        /// The name.
        name: String,
        /// What it resolves to.
        address: IpAddr,
    },
}

impl Refusal {
    /// Whether only the time forbids it: the window is closed, or the file has expired. Such endpoints are left for later, or for a
    /// renewed file.
    #[must_use]
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::OutsideWindow { .. } | Self::Expired { .. })
    }
}

/// The entry that excludes something from the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionSource {
    /// The entry as it was parsed.
    pub entry: String,
    /// The opt-out list that holds it; `None` means the scope file.
    pub list: Option<String>,
    /// The line.
    pub line: usize,
    /// The date, if the entry gives one.
    pub date: Option<NaiveDate>,
    /// The reason, if the entry gives one.
    pub why: Option<String>,
}

impl fmt::Display for ExclusionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list.as_deref().unwrap_or("the scope file");
        write!(f, "{} on line {} of {list}", self.entry, self.line)?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}

/// Every refusal for the targets. Nothing is scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().take(20).enumerate() {
            let line = if index > 0 { "\n" } else { "" };
            write!(f, "{line}{refusal}")?;
        }
        match self.0.len().saturating_sub(20) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Refusals {}

pub(super) fn dated(word: &str, date: Option<NaiveDate>) -> String {
    date.map(|d| format!(" {word} {d}")).unwrap_or_default()
}

pub(super) fn excluded_by(subject: String, by: &Arc<ExclusionSource>) -> Refusal {
    let by = Arc::clone(by);
    if by.list.is_some() {
        Refusal::OptedOut { subject, by }
    } else {
        Refusal::Excluded { subject, by }
    }
}

pub(super) fn port_refused(subject: String, port: String, entry: &RangeEntry, ports: &Ports) -> Refusal {
    Refusal::Port {
        subject,
        port,
        entry: entry.hosts.to_string(),
        line: entry.line,
        ports: ports.to_string(),
    }
}
