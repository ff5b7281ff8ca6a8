//! `guard.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The schema of the file.
pub const SCHEMA: &str = "vigie.guard/1";

/// The gateway's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `vigie.guard/1`.
    pub schema: String,
    /// Where clients connect to.
    pub listen: Listen,
    /// The server behind the gateway.
    pub upstream: UpstreamConfig,
    /// The audit log.
    #[serde(default)]
    pub log: LogConfig,
    /// Metrics and health. Absent: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
}

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
    /// The names, or names with a port, under which clients reach the gateway; a request for another host is refused.
    pub hosts: Vec<String>,
    /// Threads that serve, each with its own connections to the server behind; absent: one for each core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u16>,
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

/// The server behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// `http://ADDRESS:PORT`.
    pub url: String,
    /// The product, by its id in the catalogue.
    pub product: String,
    /// Its version when the file was written; it is looked at again. Absent: not known, and the strictest table holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The longest wait for an answer to begin, and between two pieces of it, in seconds.
    #[serde(default = "wait")]
    pub wait: u64,
}

/// Metrics and health. They hold no secret and nothing that a client wrote but the names of models; no key is asked for, so they
/// belong on loopback or a network of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The address and port of `/metrics`, `/healthz` and `/readyz`, in plain HTTP. Its hosts are addresses, `localhost` and those under
    /// `[listen]`.
    pub address: SocketAddr,
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Its folder, beside this file or anywhere.
    #[serde(default = "log_dir")]
    pub dir: PathBuf,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { dir: log_dir() }
    }
}

fn wait() -> u64 {
    600
}

fn log_dir() -> PathBuf {
    PathBuf::from("log")
}

/// The names of the files in the gateway's folder.
pub mod files {
    /// The configuration.
    pub const CONFIG: &str = "guard.toml";
    /// The key store.
    pub const KEYS: &str = "keys.json";
    /// What keys with a daily quota have used; without it, it is read from the log.
    pub const COUNTS: &str = "counts.json";
    /// The key that signs the log, in PKCS #8, readable by its owner only.
    pub const SIGNING_KEY: &str = "log-signing.pk8";
    /// The key that signatures of the log are checked with.
    pub const PUBLIC_KEY: &str = "log-signing.pub";
    /// The certificate that `init` makes.
    pub const CERTIFICATE: &str = "certificate.pem";
    /// Its key.
    pub const CERTIFICATE_KEY: &str = "certificate-key.pem";
}

/// What is wrong with a configuration: the line, if it is known, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, from 1.
    pub line: Option<usize>,
    /// Why.
    pub why: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a configuration and checks it as far as it can be without the files that it names.
    ///
    /// # Errors
    ///
    /// What is wrong first, with its line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let line_of = |at: usize| text.get(..at).map(|before| before.matches('\n').count() + 1);
        let config: Self = toml::from_str(text).map_err(|error| ConfigError {
            line: error.span().and_then(|span| line_of(span.start)),
            why: error.message().to_owned(),
        })?;
        config.check().map_err(|(key, why)| ConfigError {
            line: text
                .lines()
                .position(|line| line.trim_start().starts_with(key))
                .map(|line| line + 1),
            why,
        })?;
        Ok(config)
    }

    /// The key of the line that is wrong, and why.
    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.schema != SCHEMA {
            return Err(("schema", format!("the schema is {:?}; this vigie reads {SCHEMA:?}", self.schema)));
        }
        let listen = &self.listen;
        if listen.tls.is_none() && !listen.plain_http {
            let why =
                "without a certificate clients would send their keys in the clear: name one under [listen.tls], or say plain_http = true";
            return Err(("address", why.to_owned()));
        }
        if listen.tls.is_some() && listen.plain_http {
            return Err(("plain_http", "there is a certificate as well: choose one of the two".to_owned()));
        }
        if listen.hosts.is_empty() {
            return Err(("hosts", "name the hosts under which clients reach the gateway".to_owned()));
        }
        if listen.workers == Some(0) {
            return Err(("workers", "at least one thread serves".to_owned()));
        }
        if self.upstream.address().is_none() {
            let why = format!("{:?} is no http://ADDRESS:PORT of a server", self.upstream.url);
            return Err(("url", why));
        }
        if self
            .admin
            .as_ref()
            .is_some_and(|admin| admin.address == listen.address && listen.address.port() != 0)
        {
            return Err(("[admin]", "metrics need an address that is not that of clients".to_owned()));
        }
        if self.upstream.wait == 0 {
            return Err(("wait", "the wait is at least a second".to_owned()));
        }
        Ok(())
    }

    /// A file that the configuration names, as seen from its folder.
    #[must_use]
    pub fn beside(dir: &Path, file: &Path) -> PathBuf {
        dir.join(file)
    }
}

impl UpstreamConfig {
    /// The address of the server, and its authority.
    #[must_use]
    pub fn address(&self) -> Option<(SocketAddr, String)> {
        let authority = self.url.strip_prefix("http://")?.trim_end_matches('/');
        let address = match authority.strip_prefix("localhost:") {
            Some(port) => SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)),
            None => authority.parse().ok()?,
        };
        Some((address, authority.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "schema = \"vigie.guard/1\"\n\n[listen]\naddress = \"127.0.0.1:8443\"\nplain_http = true\nhosts = [\"localhost\"]\n\n\
                        [upstream]\nurl = \"http://127.0.0.1:11434\"\nproduct = \"ollama\"\n";

    #[test]
    fn a_configuration_reads_and_errors_name_the_line() {
        let config = Config::parse(GOOD).expect("it reads");
        assert_eq!(config.upstream.address().map(|(address, _)| address.port()), Some(11434));
        let written = toml::to_string(&config).expect("it is written");
        assert_eq!(Config::parse(&written), Ok(config));
        for (from, to, line) in [
            ("vigie.guard/1", "vigie.guard/9", 1),
            ("plain_http = true\n", "", 4),
            ("plain_http = true", "plain_http = 7", 5),
            ("plain_http = true", "plane_http = true", 5),
            ("[\"localhost\"]", "[]", 6),
            ("http://127.0.0.1:11434", "ftp://x", 9),
            ("\"ollama\"", "ollama", 10),
        ] {
            let error = Config::parse(&GOOD.replace(from, to)).expect_err(to);
            assert_eq!(error.line, Some(line), "{to:?}: {error}");
        }
        let with_admin = |address: &str| Config::parse(&format!("{GOOD}\n[admin]\naddress = \"{address}\"\n"));
        let config = with_admin("127.0.0.1:9464").expect("it reads");
        assert_eq!(config.admin.map(|admin| admin.address.port()), Some(9464));
        assert_eq!(with_admin("127.0.0.1:8443").map_err(|error| error.line), Err(Some(12)));
    }
}
