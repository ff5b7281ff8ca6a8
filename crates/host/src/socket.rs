//! Listening sockets as the operating system lists them.

use std::net::IpAddr;

use vigie_model::Known;

/// A listening TCP socket as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListeningSocket {
    /// The address it is bound to.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Whether an IPv6 socket leaves IPv4 to others; of no meaning for an IPv4 socket.
    pub v6only: Known<bool>,
    /// The user whose socket it is, where the system tells.
    pub uid: Option<u32>,
    /// The process behind it, where the system tells.
    pub owner: Known<Owner>,
}

/// The process behind a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// Its name, as the system shortens it.
    pub name: String,
}
