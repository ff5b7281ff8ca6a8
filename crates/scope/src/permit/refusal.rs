//! Why something may not be contacted.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::NaiveDate;
use vigie_model::Timestamp;

use crate::file::scope_file::RangeEntry;
use crate::ports::Ports;

/// Why something may not be looked at, with the entry that says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An address that nobody scans.
    #[error("{subject} is never scanned, not even with a scope file: {range} is {what} ({rfc})")]
    Never {
        /// What was asked for.
        subject: String,
        /// The special range.
        range: &'static str,
        /// What that range is.
        what: &'static str,
        /// Where that stands.
        rfc: &'static str,
    },
    /// An IPv6 address whose packets go to an IPv4 address that is not public.
    #[error("{subject} is never scanned: its packets go to {carried}, which is {what} ({rfc}); name that address instead")]
    Carries {
        /// What was asked for.
        subject: IpAddr,
        /// Where the packets go.
        carried: IpAddr,
        /// What that address is.
        what: &'static str,
        /// Where that stands.
        rfc: &'static str,
    },
    /// A public address, and no scope file.
    #[error(
        "{subject} is {what}: looking at it needs a scope file that says who answers for it; write one with `schema`, \
         `owner`, `contact`, `expires` and a `[[range]]` whose `cidr` holds it, and name it with --scope"
    )]
    NeedsScopeFile {
        /// What was asked for.
        subject: String,
        /// What it is: `public`, or which shared range.
        what: String,
    },
    /// Not in the scope file.
    #[error("{subject} is not in scope: no `[[range]]` of the scope file holds it; have it authorised and added first")]
    NotInScope {
        /// What was asked for.
        subject: String,
    },
    /// Taken out by the scope file.
    #[error("{subject} is excluded{}: {by}", dated("since", by.date))]
    Excluded {
        /// What was asked for.
        subject: String,
        /// The entry.
        by: Arc<ExclusionSource>,
    },
    /// Taken out by an opt-out list.
    #[error("{subject} opted out{}: {by}", dated("on", by.date))]
    OptedOut {
        /// What was asked for.
        subject: String,
        /// The entry.
        by: Arc<ExclusionSource>,
    },
    /// A port that the entry does not allow.
    #[error("port {port} of {subject} is not allowed: {entry} on line {line} of the scope file allows {ports}")]
    Port {
        /// What was asked for.
        subject: String,
        /// The port, or the ports.
        port: String,
        /// The entry.
        entry: String,
        /// The line on which it starts.
        line: usize,
        /// What it allows.
        ports: String,
    },
    /// Outside the hours.
    #[error("outside the scope's window ({window}){}", next.map(|n| format!(": it opens again at {}", n.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default())]
    OutsideWindow {
        /// The window.
        window: String,
        /// When it opens again.
        next: Option<Timestamp>,
    },
    /// Past its expiry.
    #[error("the scope expired on {on}: have it renewed before scanning")]
    Expired {
        /// The last day on which it held.
        on: NaiveDate,
    },
    /// A name of the scope file that leads inside.
    #[error(
        "{name} leads to {address}, which is private and not in scope by itself: a name could be pointed anywhere; \
         add the address as a `[[range]]` of its own"
    )]
    LeadsInside {
        /// The name.
        name: String,
        /// Where it leads.
        address: IpAddr,
    },
}

impl Refusal {
    /// Whether it is a matter of time, whatever the address: the window is closed, or the file expired. What it keeps from being
    /// looked at is left, for later or for a file that was renewed.
    #[must_use]
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::OutsideWindow { .. } | Self::Expired { .. })
    }
}

/// The entry that takes something out of the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionSource {
    /// The entry, as it is understood.
    pub entry: String,
    /// The opt-out list it stands in; `None`: the scope file.
    pub list: Option<String>,
    /// The line it stands on.
    pub line: usize,
    /// Since when, if it says.
    pub date: Option<NaiveDate>,
    /// Why, if it says.
    pub why: Option<String>,
}

impl fmt::Display for ExclusionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list.as_deref().unwrap_or("the scope file");
        write!(f, "{} on line {} of {list}", self.entry, self.line)?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}

/// Every refusal of what was named. Nothing is looked at.
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

pub(super) fn taken_out(subject: String, by: &Arc<ExclusionSource>) -> Refusal {
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
