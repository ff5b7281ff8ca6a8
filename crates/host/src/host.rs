//! This machine at one instant.

use std::net::IpAddr;

use crate::error::Error;
use crate::group::group_sockets;
use crate::server::LocalServer;
use crate::socket::ListeningSocket;
use crate::system;

/// The addresses of this machine's interfaces, sorted. Much cheaper than [`LocalHost::inspect`]: no process is looked at.
///
/// # Errors
///
/// If the system does not list its interfaces.
pub fn own_addresses() -> Result<Vec<IpAddr>, Error> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()
        .map_err(Error::Addresses)?
        .iter()
        .map(if_addrs::Interface::ip)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// What this machine says of itself at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalHost {
    addresses: Vec<IpAddr>,
    sockets: Vec<ListeningSocket>,
}

impl LocalHost {
    /// Asks the operating system for addresses and listening TCP sockets. No socket is opened towards any of them.
    ///
    /// On Linux every listening socket of the network namespace is listed, whoever owns it; an owner that may not be
    /// read is unknown. macOS and Windows list the sockets of the processes that they let this user see.
    ///
    /// # Errors
    ///
    /// If the system lists neither addresses nor sockets.
    pub fn inspect() -> Result<Self, Error> {
        Ok(Self {
            addresses: own_addresses()?,
            sockets: system::listening()?,
        })
    }

    /// A host that has these addresses and sockets, for tests and simulations.
    #[must_use]
    pub fn new(addresses: Vec<IpAddr>, sockets: Vec<ListeningSocket>) -> Self {
        Self { addresses, sockets }
    }

    /// The machine's own addresses, loopback among them, sorted.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The listening sockets as the system lists them.
    #[must_use]
    pub fn sockets(&self) -> &[ListeningSocket] {
        &self.sockets
    }

    /// Whether an address is this machine's own: loopback, or one of its interfaces'.
    #[must_use]
    pub fn owns(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        vigie_scope::is_loopback(address) || self.addresses.contains(&address)
    }

    /// The servers of this machine, by port: one listener is one server, however many addresses it answers on.
    #[must_use]
    pub fn servers(&self) -> Vec<LocalServer> {
        group_sockets(&self.sockets, &self.addresses)
    }
}
