//! The proxy: connections of clients, connections to the server behind, and what happens between them.

mod behind;
mod connect;
mod exchange;
mod gate;
mod origin;
mod serve;
mod tls;
mod upstream;
mod wire;

pub use connect::{Connect, ConnectError};
pub(crate) use gate::Gate;
pub use serve::{Gateway, StartError, needed_files};
pub use upstream::UpstreamError;
pub use wire::Bounds;
pub(crate) use wire::{read_head, reason, write};
