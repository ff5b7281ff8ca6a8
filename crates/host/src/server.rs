//! A server of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use vigie_model::{Known, Reach};
use vigie_scope::is_loopback;

use crate::socket::Owner;

/// One server of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalServer {
    pub(crate) port: u16,
    pub(crate) bound: Vec<IpAddr>,
    pub(crate) answers_on: Vec<IpAddr>,
    pub(crate) probe: Vec<SocketAddr>,
    pub(crate) reach: Reach,
    pub(crate) owner: Known<Owner>,
}

impl LocalServer {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The addresses it is bound to, as the system lists them. `0.0.0.0` and `::` mean every address.
    #[must_use]
    pub fn bound(&self) -> &[IpAddr] {
        &self.bound
    }

    /// The process that owns it. Of several that share the port, the one with the lowest id.
    #[must_use]
    pub fn owner(&self) -> &Known<Owner> {
        &self.owner
    }

    /// The address to connect to: loopback, if the server answers there.
    #[must_use]
    pub fn probe_address(&self) -> SocketAddr {
        // A server has at least one bound address, and each gives at least one address to connect to.
        self.probe
            .first()
            .copied()
            .unwrap_or_else(|| SocketAddr::new(self.bound.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), self.port))
    }

    /// Every address to connect to, the best first. Each of them reaches this server.
    #[must_use]
    pub fn probe_addresses(&self) -> &[SocketAddr] {
        &self.probe
    }

    /// Who can reach it, judged by the binding alone: firewalls are not considered.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether connecting to that address of this machine reaches this server.
    #[must_use]
    pub fn answers_at(&self, address: SocketAddr) -> bool {
        address.port() == self.port
            && (self.probe.contains(&address)
                || self.answers_on.contains(&address.ip().to_canonical())
                || self.bound.contains(&address.ip())
                || (is_loopback(address.ip())
                    && self
                        .bound
                        .iter()
                        .any(|bound| bound.is_unspecified() && bound.is_ipv4() == address.is_ipv4())))
    }

    /// The form of it in a record.
    #[must_use]
    pub fn to_model(&self) -> vigie_model::Listener {
        vigie_model::Listener {
            bound: self.bound.clone(),
            answers_on: self.answers_on.clone(),
            process: self.owner.as_ref().map(|owner| owner.name.clone()),
            pid: self.owner.as_ref().map(|owner| owner.pid),
        }
    }
}
