//! `[upstream]` and `[[servers]]`: the servers behind the gateway.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::key::Pattern;

/// A server behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its name in the log and the metrics. Absent: its URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub url: String,
    /// The product, by its id in the catalogue.
    pub product: String,
    /// Its version when the file was written; it is looked at again. Absent: not known, and the strictest table holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The longest wait for an answer to begin, and between two pieces of it, in seconds.
    #[serde(default = "wait")]
    pub wait: u64,
    /// How many requests it gets compared with the other servers.
    #[serde(default = "weight", skip_serializing_if = "is_one")]
    pub weight: NonZeroU32,
    /// The models that it gets requests for, as names and patterns. Absent: those that it lists; of a single server all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<Pattern>>,
    /// How many models' requests it gets at a time; others wait. Absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<NonZeroU32>,
    /// A PEM file with the certificates that its own has to come from. Absent: the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// A file with the key that the gateway sends it as a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<PathBuf>,
}

fn wait() -> u64 {
    600
}

fn weight() -> NonZeroU32 {
    NonZeroU32::MIN
}

// Serde asks by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(weight: &NonZeroU32) -> bool {
    *weight == NonZeroU32::MIN
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whether over TLS.
    pub tls: bool,
    /// The host, an address without brackets or a name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The host and port as they are written, the value of `Host`.
    pub authority: String,
}

impl Place {
    /// Reads a scheme, `http` or `https`, and what is between its slashes: `HOST` or `HOST:PORT`.
    pub(crate) fn parse(scheme: &str, authority: &str) -> Option<Self> {
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None => (authority, if tls { 443 } else { 80 }),
        };
        let is_name = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            !text.is_empty() && text.bytes().all(plain)
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host.parse::<std::net::Ipv6Addr>().ok().map(|_| host)?,
            None => Some(host).filter(|host| is_name(host))?,
        };
        Some(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
        })
    }

    /// The address; `None`: the host is a name, to be looked up for each connection.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host.as_str() {
            "localhost" => Some(SocketAddr::from(([127, 0, 0, 1], self.port))),
            host => Some(SocketAddr::new(host.parse().ok()?, self.port)),
        }
    }
}

impl UpstreamConfig {
    /// A server with nothing but what every server has.
    #[must_use]
    pub fn new(url: String, product: String, version: Option<String>) -> Self {
        Self {
            name: None,
            url,
            product,
            version,
            wait: wait(),
            weight: weight(),
            models: None,
            parallel: None,
            ca: None,
            bearer: None,
        }
    }

    /// Where the server is.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let (scheme, rest) = self.url.split_once("://")?;
        let authority = rest.trim_end_matches('/');
        // The port is written out.
        authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'))?;
        Place::parse(scheme, authority)
    }

    /// The address of the server, and its authority; `None`: its host is a name.
    #[must_use]
    pub fn address(&self) -> Option<(SocketAddr, String)> {
        let place = self.place()?;
        Some((place.address()?, place.authority))
    }

    /// The key of the line that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let Some(place) = self.place() else {
            return Err((
                "url",
                format!("{:?} is no http://HOST:PORT or https://HOST:PORT of a server", self.url),
            ));
        };
        if self.wait == 0 {
            return Err(("wait", "the wait is at least a second".to_owned()));
        }
        if self.ca.is_some() && !place.tls {
            return Err(("ca", "a server without TLS has no certificate: write https in its url".to_owned()));
        }
        let is_here = place.address().is_some_and(|address| address.ip().is_loopback());
        if self.bearer.is_some() && !place.tls && !is_here {
            let why = "without TLS the key would cross the network in the clear: write https in its url";
            return Err(("bearer", why.to_owned()));
        }
        if self.models.as_ref().is_some_and(Vec::is_empty) {
            return Err((
                "models",
                "a server without models gets no request; leave it out to ask the server".to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_server_is() {
        let place = |url: &str| UpstreamConfig::new(url.to_owned(), "ollama".to_owned(), None).place();
        for (url, tls, host, port, is_address) in [
            ("http://127.0.0.1:11434", false, "127.0.0.1", 11434, true),
            ("http://localhost:11434/", false, "localhost", 11434, true),
            ("https://[::1]:443", true, "::1", 443, true),
            ("http://ollama:11434", false, "ollama", 11434, false),
        ] {
            let place = place(url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!((place.tls, place.host.as_str(), place.port), (tls, host, port), "{url}");
            assert_eq!(place.address().is_some(), is_address, "{url}");
        }
        for wrong in [
            "",
            "ftp://a:1",
            "http://a",
            "http://a:0",
            "http://a:b",
            "http://a/b:1",
            "http://u@a:1",
            "http://a b:1",
            "http://[a]:1",
            "http://:1",
        ] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_crosses_no_network_in_the_clear() {
        let mut server = UpstreamConfig::new("http://192.0.2.1:8000".to_owned(), "vllm".to_owned(), None);
        server.bearer = Some("key".into());
        assert_eq!(server.check().map_err(|(key, _)| key), Err("bearer"));
        server.url = "https://192.0.2.1:8000".to_owned();
        assert_eq!(server.check(), Ok(()));
        server.url = "http://[::1]:8000".to_owned();
        assert_eq!(server.check(), Ok(()));
        server.ca = Some("ca.pem".into());
        assert_eq!(server.check().map_err(|(key, _)| key), Err("ca"));
    }
}
