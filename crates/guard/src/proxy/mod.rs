//! The proxy: connections of clients, connections to the server behind, and what happens between them.

mod certificate;
mod client;
mod connect;
mod connection;
mod decision;
mod exchange;
mod flag;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod gateway;
mod grpc;
mod http1;
mod http2;
mod keeper;
mod life;
mod look;
mod models;
mod origin;
mod patience;
mod peer;
mod plan;
mod relay;
mod reload;
mod room;
mod sockets;
mod stamp;
#[cfg(unix)]
mod takeover;
mod tls;
mod upstream;
mod upstreams;
mod wire;
mod worker;

pub(crate) use certificate::Certificate;
pub use connect::{Connect, ConnectError};
pub(crate) use flag::Flag;
pub(crate) use gate::Gate;
pub use gateway::{Control, Gateway, StartError};
pub(crate) use life::Life;
pub(crate) use patience::Patience;
pub use plan::{Checked, check};
pub(crate) use reload::Running;
pub use sockets::Sockets;
pub(crate) use tls::connector;
pub use upstream::UpstreamError;
pub(crate) use upstream::{Forwarded, Target, Upstream};
pub use wire::Bounds;
pub(crate) use wire::{read_head, reason, write};
