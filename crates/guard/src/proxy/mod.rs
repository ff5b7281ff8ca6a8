//! The proxy: connections of clients, connections to the server behind, and what happens between them.

mod behind;
mod client;
mod connect;
mod connection;
mod exchange;
mod gate;
mod gateway;
mod http1;
mod http2;
mod look;
mod origin;
mod relay;
mod tls;
mod upstream;
mod wire;
mod worker;

pub use connect::{Connect, ConnectError};
pub(crate) use gate::Gate;
pub use gateway::{Gateway, StartError, needed_files};
pub use upstream::UpstreamError;
pub use wire::Bounds;
pub(crate) use wire::{read_head, reason, write};
