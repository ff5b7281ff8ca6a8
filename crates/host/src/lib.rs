//! This machine: its addresses, its listening TCP sockets and who owns them.
//!
//! [`LocalHost::inspect`] asks the operating system and connects to nothing. What follows from the answer (which sockets are
//! one server, who can reach it, where to knock) is worked out by pure functions over [`ListeningSocket`]s and is tested with
//! tables.

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
