//! What can go wrong.

use std::net::SocketAddr;

/// Why a fleet could not be planned or raised.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The embedded recordings do not read.
    #[error("read the recordings: {0}")]
    Recordings(String),
    /// The population file does not read or asks for what cannot be.
    #[error("read the population: {0}")]
    Population(String),
    /// A population names a product, a version or a state that was never recorded.
    #[error("no recording fits {what}; catalog/fixtures has {have}")]
    NoRecording {
        /// What was asked for.
        what: String,
        /// What there is.
        have: String,
    },
    /// More addresses or ports than there are from there on.
    #[error("{count} servers from {from} do not fit: {why}")]
    DoesNotFit {
        /// How many.
        count: usize,
        /// From which address.
        from: SocketAddr,
        /// What is in the way.
        why: &'static str,
    },
    /// An address that is not loopback.
    #[error("{0} is not in 127.0.0.0/8: the fleet answers on loopback only")]
    NotLoopback(SocketAddr),
    /// Two personalities for one address and port.
    #[error("{0} is planned twice: give each personality an address or a port of its own")]
    Twice(SocketAddr),
    /// More listeners than descriptors.
    #[error(
        "{wanted} listeners need a descriptor each and {left} are left of {limit}: plan fewer, raise the limit (ulimit -n), or serve in a network namespace of its own, where one listener does for all addresses"
    )]
    Descriptors {
        /// Listeners wanted.
        wanted: usize,
        /// Descriptors that may be used for listeners.
        left: usize,
        /// The limit of the process.
        limit: usize,
    },
    /// The system refused a listener.
    #[error("listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A runtime or a thread could not be started.
    #[error("start a thread of the fleet: {0}")]
    Thread(std::io::Error),
    /// This is not a network namespace of its own.
    #[error("not in a network namespace of its own: {0}")]
    Namespace(String),
}
