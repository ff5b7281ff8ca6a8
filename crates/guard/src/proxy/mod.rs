//! The proxy: connections of clients, connections to the server behind, and what happens between them.

mod connect;
mod exchange;
mod gate;
mod origin;
mod serve;
mod tls;
mod upstream;
mod wire;

pub use connect::{Connect, ConnectError};
pub use serve::{Gateway, StartError, needed_files};
pub use upstream::UpstreamError;
pub use wire::Bounds;
