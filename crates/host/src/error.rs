//! Errors of this crate.

/// Why this machine could not be inspected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network interfaces could not be listed.
    #[error("list the addresses of this machine: {0}")]
    Addresses(#[source] std::io::Error),
    /// The listening sockets could not be listed.
    #[error("list the listening sockets of this machine ({what}): {why}; name the addresses to scan instead")]
    Sockets {
        /// The table that was read.
        what: &'static str,
        /// The error of the system.
        why: String,
    },
}
