//! Where a server answers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Known, PathPrefix};

/// The transport under HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
}

impl Transport {
    /// The word by which it stands in JSON and in the tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
        }
    }
}

/// Address, port, transport, TLS or not, and the name it was reached by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address that was connected to.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
    /// The host name it was reached by; `None`: by its address.
    pub name: Option<String>,
    /// The path under which the server answers there; `None`: at the root. Paths that a record names (of a request, of a leak) are the
    /// server's own, below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PathPrefix>,
    /// Whether it speaks TLS.
    pub tls: Known<bool>,
    /// What its certificate says, if it showed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// What tells two endpoints apart: (address, port, transport, name, prefix).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointKey {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
    /// The name, if it was reached by one.
    pub name: Option<String>,
    /// The path under which the server answers, if not at the root.
    pub prefix: Option<PathPrefix>,
}

impl Endpoint {
    /// An endpoint reached by its address, of which nothing more is known.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address: address.ip(),
            port: address.port(),
            transport: Transport::Tcp,
            name: None,
            prefix: None,
            tls: Known::unknown(crate::Why::NotAsked),
            certificate: None,
        }
    }

    /// The key: (address, port, transport, name, prefix).
    #[must_use]
    pub fn key(&self) -> EndpointKey {
        EndpointKey {
            address: self.address,
            port: self.port,
            transport: self.transport,
            name: self.name.clone(),
            prefix: self.prefix.clone(),
        }
    }

    /// Address and port as a socket address.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.socket(), self.name.as_deref(), self.prefix.as_ref())
    }
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = SocketAddr::new(self.address, self.port);
        place(f, socket, self.name.as_deref(), self.prefix.as_ref())
    }
}

/// `10.0.0.1:80/ollama`, `host.example/ollama (10.0.0.1:80)`.
fn place(f: &mut fmt::Formatter<'_>, socket: SocketAddr, name: Option<&str>, prefix: Option<&PathPrefix>) -> fmt::Result {
    let prefix = prefix.map_or("", PathPrefix::as_str);
    match name {
        Some(name) => write!(f, "{name}{prefix} ({socket})"),
        None => write!(f, "{socket}{prefix}"),
    }
}

/// What a TLS certificate says of itself. Recorded, never enforced and never followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-256 of the certificate in DER, `sha256:<hex>`.
    pub sha256: String,
    /// The subject, as text.
    pub subject: String,
    /// The issuer, as text.
    pub issuer: String,
    /// The names it is for.
    pub names: Vec<String>,
    /// The first instant at which it is valid.
    pub not_before: Option<crate::Timestamp>,
    /// The last instant at which it is valid.
    pub not_after: Option<crate::Timestamp>,
    /// Whether subject and issuer are the same.
    pub self_signed: bool,
}

/// Who can reach a listener, as seen from the machine it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Bound to loopback: only programs on this machine.
    Loopback,
    /// Bound to an address of a private or link-local range: others on that network.
    Private,
    /// Bound to a public address or to every address of a machine that has one.
    Public,
}
