//! `[upstream]`: the server behind the gateway.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The server behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// `http://ADDRESS:PORT`.
    pub url: String,
    /// The product, by its id in the catalogue.
    pub product: String,
    /// Its version when the file was written; it is looked at again. Absent: not known, and the strictest table holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The longest wait for an answer to begin, and between two pieces of it, in seconds.
    #[serde(default = "wait")]
    pub wait: u64,
}

fn wait() -> u64 {
    600
}

impl UpstreamConfig {
    /// The address of the server, and its authority.
    #[must_use]
    pub fn address(&self) -> Option<(SocketAddr, String)> {
        let authority = self.url.strip_prefix("http://")?.trim_end_matches('/');
        let address = match authority.strip_prefix("localhost:") {
            Some(port) => SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)),
            None => authority.parse().ok()?,
        };
        Some((address, authority.to_owned()))
    }

    /// The key of the line that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.address().is_none() {
            return Err(("url", format!("{:?} is no http://ADDRESS:PORT of a server", self.url)));
        }
        if self.wait == 0 {
            return Err(("wait", "the wait is at least a second".to_owned()));
        }
        Ok(())
    }
}
