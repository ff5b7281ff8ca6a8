//! `[admin]`: metrics and health.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Metrics and health. They hold no secret and nothing that a client wrote but the names of models; no key is asked for, so they
/// belong on loopback or a network of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The address and port of `/metrics`, `/healthz` and `/readyz`, in plain HTTP. Its hosts are addresses, `localhost` and those under
    /// `[listen]`.
    pub address: SocketAddr,
}
