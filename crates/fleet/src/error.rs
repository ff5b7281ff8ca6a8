//! Errors of the fleet.

use std::net::SocketAddr;

/// Why a fleet could not be planned or started.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The embedded recordings are invalid.
    #[error("read the recordings: {0}")]
    Recordings(String),
    /// The population file is invalid.
    #[error("read the population: {0}")]
    Population(String),
    /// A population names a product, a version or a state without a recording.
    #[error("no recording matches {what}; catalog/fixtures has {have}")]
    NoRecording {
        /// The requested recording.
        what: String,
        /// The existing recordings.
        have: String,
    },
    /// More servers than addresses or ports.
    #[error("{count} servers from {from} do not fit: {why}")]
    DoesNotFit {
        /// The number of servers.
        count: usize,
        /// The first address.
        from: SocketAddr,
        /// The limit.
        why: &'static str,
    },
    /// An address that is not loopback.
    #[error("{0} is not in 127.0.0.0/8: the fleet listens on loopback only")]
    NotLoopback(SocketAddr),
    /// Two personalities with the same address and port.
    #[error("{0} is used twice: give each personality its own address or port")]
    Twice(SocketAddr),
    /// More listeners than file descriptors.
    #[error(
        "{wanted} listeners need a file descriptor each, and {left} of {limit} are left: plan fewer servers, raise the limit (ulimit -n), or use a separate network namespace, where one listener serves all addresses"
    )]
    Descriptors {
        /// Number of listeners.
        wanted: usize,
        /// File descriptors available for listeners.
        left: usize,
        /// The limit of the process.
        limit: usize,
    },
    /// The system refused a listener.
    #[error("listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A runtime or a thread could not be started.
    #[error("cannot start a thread of the fleet: {0}")]
    Thread(std::io::Error),
    /// The process is not in a separate network namespace.
    #[error("not in a separate network namespace: {0}")]
    Namespace(String),
}
