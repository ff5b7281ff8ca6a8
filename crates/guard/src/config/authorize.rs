//! `[authorize]`: questions of a proxy that is already there.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::key::Network;

/// How a proxy asks whether it may pass a request on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    /// The address and port where the proxy asks.
    #[serde(default = "address")]
    pub address: SocketAddr,
    /// Which proxy asks: each says the method and the target of the request in headers of its own.
    pub proxy: Proxy,
    /// Whether the proxy shows the body of the request, whole.
    #[serde(default)]
    pub body: bool,
    /// The addresses and networks that the proxy asks from.
    #[serde(default = "trusted")]
    pub trusted: Vec<Network>,
    /// Whether an address that is not of loopback is meant: the keys of clients cross the network in the clear.
    #[serde(default)]
    pub plain_http: bool,
    /// Whether the proxy asks over TLS, with the certificate of `[listen.tls]`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// The names, or names with a port, under which clients reach the proxy; absent: those of `[listen]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// A proxy whose questions are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proxy {
    /// nginx with `auth_request`.
    Nginx,
    /// Caddy with `forward_auth`.
    Caddy,
    /// Traefik with `forwardAuth`.
    Traefik,
    /// Envoy with `ext_authz`, over HTTP or gRPC.
    Envoy,
    /// HAProxy with the Lua script of the documentation.
    HAProxy,
}

impl Proxy {
    /// Its word in the configuration and the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
            Self::HAProxy => "haproxy",
        }
    }
}

impl Authorize {
    /// The key of the line that is wrong, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.tls && self.plain_http {
            return Err(("plain_http", "the proxy asks over TLS: choose one of the two".to_owned()));
        }
        if !self.address.ip().is_loopback() && !self.plain_http && !self.tls {
            let why = "the proxy asks in plain HTTP, with the keys of clients: use an address of loopback, or say tls = true, or plain_http = \
                       true";
            return Err(("[authorize]", why.to_owned()));
        }
        if self.trusted.is_empty() {
            return Err(("trusted", "name the addresses that the proxy asks from".to_owned()));
        }
        if self.body && matches!(self.proxy, Proxy::Nginx | Proxy::Caddy) {
            return Err(("body", format!("{} asks without the body", self.proxy.word())));
        }
        Ok(())
    }
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 11_480))
}

fn trusted() -> Vec<Network> {
    ["127.0.0.1", "::1"]
        .into_iter()
        .filter_map(|address| address.parse().ok())
        .collect()
}
