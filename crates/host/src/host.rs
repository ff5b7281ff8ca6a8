//! This machine at one instant.

use std::net::IpAddr;

use crate::error::Error;
use crate::group::group_sockets;
use crate::server::LocalServer;
use crate::socket::ListeningSocket;
use crate::system;

/// The addresses of this machine's interfaces, sorted. Much cheaper than [`LocalHost::inspect`], because no process is read.
///
/// # Errors
///
/// The system does not list its interfaces.
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

/// The addresses and listening sockets of this machine at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalHost {
    addresses: Vec<IpAddr>,
    sockets: Vec<ListeningSocket>,
}

impl LocalHost {
    /// Asks the operating system for addresses and listening TCP sockets. Nothing is connected to.
    ///
    /// Linux lists every listening socket of the network namespace; an owner that this user may not read is unknown. macOS and Windows
    /// list the sockets of the processes that this user may see.
    ///
    /// # Errors
    ///
    /// The system does not list its addresses or its sockets.
    pub fn inspect() -> Result<Self, Error> {
        Ok(Self {
            addresses: own_addresses()?,
            sockets: system::listening()?,
        })
    }

    /// A host with these addresses and sockets, for tests and simulations.
    #[must_use]
    pub fn new(addresses: Vec<IpAddr>, sockets: Vec<ListeningSocket>) -> Self {
        Self { addresses, sockets }
    }

    /// The addresses of the machine, including loopback, sorted.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The listening sockets as the system lists them.
    #[must_use]
    pub fn sockets(&self) -> &[ListeningSocket] {
        &self.sockets
    }

    /// Whether an address belongs to this machine: loopback, or an address of an interface.
    #[must_use]
    pub fn owns(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        vigie_scope::is_loopback(address) || self.addresses.contains(&address)
    }

    /// The servers of this machine, sorted by port. A server that answers on several addresses is listed once.
    #[must_use]
    pub fn servers(&self) -> Vec<LocalServer> {
        group_sockets(&self.sockets, &self.addresses)
    }
}
