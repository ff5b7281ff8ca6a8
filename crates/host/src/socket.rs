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
    /// Whether an IPv6 socket is limited to IPv6 (`IPV6_V6ONLY`). Without meaning for an IPv4 socket.
    pub v6only: Known<bool>,
    /// The user that owns it, where the system reports it.
    pub uid: Option<u32>,
    /// The process that owns it, where the system reports it.
    pub owner: Known<Owner>,
}

/// The process that owns a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// Its name, as shortened by the system.
    pub name: String,
}
