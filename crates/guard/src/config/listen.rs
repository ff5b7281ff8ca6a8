//! `[listen]`: where clients connect to.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::acme::Acme;

/// Where clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The address and port.
    pub address: SocketAddr,
    /// Whether without TLS. On any address but loopback it has to be said.
    #[serde(default)]
    pub plain_http: bool,
    /// The certificate chain and its key, in PEM, beside this file or anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// A certificate from an authority that speaks ACME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
    /// A PEM file with the authorities whose certificates clients may present. Absent: clients are not asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// A PEM file with what those authorities revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_crl: Option<PathBuf>,
    /// Whether clients without a certificate are turned away in the handshake.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub client_required: bool,
    /// Whether a key is taken from the path: `/k/KEY/api/chat`. Paths end up in the logs of clients and of proxies on the way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_keys: bool,
    /// The name of the key in the query that a credential is taken from: `key` for `?key=`. Absent: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_key: Option<String>,
    /// The names, or names with a port, under which clients reach the gateway; a request for another host is refused.
    pub hosts: Vec<String>,
    /// Threads that serve, each with its own connections to the server behind; absent: one for each core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u16>,
    /// Connections at a time; more wait. Absent: as many as the system lets this process have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<NonZeroU32>,
    /// Connections at a time from one address, or one network (/64) of IPv6; more are closed. Absent: seven eighths of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections_per_address: Option<NonZeroU32>,
    /// The origins whose pages may use the gateway.
    #[serde(default)]
    pub origins: Vec<String>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// The key, in PEM.
    pub key: PathBuf,
}

impl Listen {
    /// The key of the line that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.tls.is_none() && self.acme.is_none() && !self.plain_http {
            let why = "without a certificate clients would send their keys in the clear: name one under [listen.tls], have one made under \
                       [listen.acme], or say plain_http = true";
            return Err(("address", why.to_owned()));
        }
        if self.plain_http && (self.tls.is_some() || self.acme.is_some()) {
            return Err(("plain_http", "there is a certificate as well: choose one of the two".to_owned()));
        }
        if self.tls.is_some() && self.acme.is_some() {
            return Err((
                "[listen.acme]",
                "there is a certificate under [listen.tls] as well: choose one of the two".to_owned(),
            ));
        }
        if let Some(acme) = &self.acme {
            acme.check()?;
        }
        if let (Some(all), Some(one)) = (self.max_connections, self.max_connections_per_address)
            && one > all
        {
            return Err(("max_connections_per_address", "it is more than max_connections".to_owned()));
        }
        if self.client_ca.is_some() && self.plain_http {
            return Err(("client_ca", "without TLS no client presents a certificate".to_owned()));
        }
        if self.client_ca.is_none() && (self.client_required || self.client_crl.is_some()) {
            let key = if self.client_required { "client_required" } else { "client_crl" };
            return Err((key, "name the authorities of the certificates: client_ca".to_owned()));
        }
        let is_plain =
            |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if self.query_key.as_ref().is_some_and(|name| !is_plain(name)) {
            return Err(("query_key", "the name is letters, digits, _ and -".to_owned()));
        }
        if self.hosts.is_empty() {
            return Err(("hosts", "name the hosts under which clients reach the gateway".to_owned()));
        }
        if self.workers == Some(0) {
            return Err(("workers", "at least one thread serves".to_owned()));
        }
        Ok(())
    }
}
