//! Errors of this crate.

/// Why this machine could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network interfaces could not be listed.
    #[error("list the addresses of this machine: {0}")]
    Addresses(#[source] std::io::Error),
    /// The listening sockets could not be listed.
    #[error("list the listening sockets of this machine ({what}): {why}; name the addresses to look at instead")]
    Sockets {
        /// What was read.
        what: &'static str,
        /// What the system said.
        why: String,
    },
}
