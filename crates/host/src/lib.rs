//! This machine: its addresses, its listening TCP sockets and their owners.
//!
//! [`LocalHost::inspect`] asks the operating system and connects to nothing. [`group_sockets`] then works out which sockets are one
//! server, who can reach it, and which address to probe. It is a pure function over [`ListeningSocket`]s, tested with tables.

mod error;
mod group;
mod host;
mod server;
mod socket;
mod system;

pub use error::Error;
pub use group::group_sockets;
pub use host::{LocalHost, own_addresses};
pub use server::LocalServer;
pub use socket::{ListeningSocket, Owner};
