//! Endpoints: address, port and name of a server.

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
    /// The word in JSON and in the tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
        }
    }
}

/// An address, port and transport, and the name by which it was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address that was connected to.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
    /// The host name by which it was reached; `None`: it was reached by its address.
    pub name: Option<String>,
    /// The path under which the server answers; `None`: at the root. Other paths in a record (of a request, of a leak) are relative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PathPrefix>,
    /// Whether it uses TLS.
    pub tls: Known<bool>,
    /// Its certificate, if it showed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// The identity of an endpoint: (address, port, transport, name, prefix).
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
    /// An endpoint reached by its address; all else is unknown.
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

/// The contents of a TLS certificate. They are recorded, but not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-256 of the certificate in DER, `sha256:<hex>`.
    pub sha256: String,
    /// The subject, as text.
    pub subject: String,
    /// The issuer, as text.
    pub issuer: String,
    /// The names for which it is issued.
    pub names: Vec<String>,
    /// The first instant at which it is valid.
    pub not_before: Option<crate::Timestamp>,
    /// The last instant at which it is valid.
    pub not_after: Option<crate::Timestamp>,
    /// Whether subject and issuer are the same.
    pub self_signed: bool,
}

/// Who can reach a listener, from the view of its own machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Bound to loopback: only programs on this machine can.
    Loopback,
    /// Bound to a private or link-local address: other machines on that network can.
    Private,
    /// Bound to a public address, or to all addresses of a machine that has one.
    Public,
}
