//! What a detector says.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use vigie_model::{Severity, Timestamp};

use crate::event::Event;

/// What a detector is.
#[derive(Debug, Serialize)]
pub struct About {
    /// Its id, as the configuration names it.
    pub id: &'static str,
    /// What it notices, in one sentence.
    pub notices: &'static str,
    /// When it alerts, and why there.
    pub threshold: &'static str,
    /// The severity of its alerts, if the evidence does not raise it.
    pub severity: Severity,
    /// Techniques of MITRE ATLAS 5.6 that it is a sign of.
    pub atlas: &'static [&'static str],
    /// Whether it needs what was read of the text of a request.
    pub reads_content: bool,
}

/// Whom an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A key, by its id.
    Key(String),
    /// An address: of IPv6 the first 64 bits.
    Address(IpAddr),
}

impl Subject {
    /// Whoever comes from an address.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(place(address))
    }

    /// The key of a request, or the address where it has no valid key; `None`: neither is known.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        match (&event.key, event.address) {
            (Some(key), _) => Some(Self::Key(key.clone())),
            (None, Some(address)) => Some(Self::of_address(address)),
            (None, None) => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key {id}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "{address}/64"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Key(id) => map.serialize_entry("key", id)?,
            Self::Address(address) => map.serialize_entry("address", address)?,
        }
        map.end()
    }
}

/// The place of an address: whoever has an IPv6 address has the 64 bits behind it.
#[must_use]
pub fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u128::from(u64::MAX)))),
        address => address,
    }
}

/// The network of an address: about what one provider has in one region.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & 0xffff_0000)),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> 32))),
    }
}

/// Something that was noticed. It holds numbers and no text of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// The id of the detector.
    pub detector: &'static str,
    /// How bad it would be.
    pub severity: Severity,
    /// Whom it is about.
    pub subject: Subject,
    /// When what it is about began.
    pub since: Timestamp,
    /// The time of the request that made it an alert.
    pub at: Timestamp,
    /// The numbers that it rests on.
    #[serde(serialize_with = "as_map")]
    pub evidence: Vec<(&'static str, f64)>,
    /// Techniques of MITRE ATLAS.
    pub atlas: &'static [&'static str],
    /// The same detector alerted about the same subject within the last minute.
    pub is_repeat: bool,
}

fn as_map<S: Serializer>(evidence: &[(&'static str, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(evidence.iter().copied())
}

impl About {
    /// An alert of this detector about the sender of an event.
    pub(crate) fn alert(&self, event: &Event, subject: &Subject, since: i64, evidence: Vec<(&'static str, f64)>) -> Alert {
        Alert {
            detector: self.id,
            severity: self.severity,
            subject: subject.clone(),
            since: Timestamp::from_timestamp(since, 0).unwrap_or(event.time).min(event.time),
            at: event.time,
            evidence,
            atlas: self.atlas,
            is_repeat: false,
        }
    }
}
