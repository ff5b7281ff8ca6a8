//! Who uses what right now: what is under way, from the running gateway, and the last minute, from its log.

mod minute;
#[cfg(unix)]
mod socket;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use minute::{Minute, Used, minute};
#[cfg(unix)]
pub use socket::now;
#[cfg(unix)]
pub(crate) use socket::serve;

/// What is under way in a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Open connections of clients.
    pub connections: i64,
    /// Answers that are being streamed.
    pub streams: i64,
    /// Requests that wait for a server.
    pub waiting: usize,
    /// Requests under way, by the id of their key.
    pub keys: BTreeMap<String, u64>,
    /// The servers behind.
    pub servers: Vec<ServerNow>,
}

/// A server behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerNow {
    /// Its name, or its URL.
    pub name: String,
    /// Whether requests are sent to it.
    pub up: bool,
    /// Requests that it has.
    pub in_flight: i64,
}
