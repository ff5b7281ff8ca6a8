//! The gateway: keys and grants, a strict proxy, metering and an audit log.
//!
//! A request is taken apart strictly, compared with the catalogue's route table and the key's grant, and written anew from what was
//! compared. What is not known is refused.

mod acme;
mod admin;
mod authorize;
pub mod config;
pub mod credential;
mod der;
mod dump;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod init;
pub mod key;
pub mod known;
pub mod limit;
pub mod log;
mod meter;
pub mod policy;
mod pool;
mod proxy;
mod service;
mod telemetry;
pub mod token;
pub mod top;
mod watch;
pub mod ways;

pub use dump::keep_memory_private;
pub use proxy::{Bounds, Checked, Connect, ConnectError, Control, Gateway, Sockets, StartError, UpstreamError, check};
