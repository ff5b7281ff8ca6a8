//! `[listen.acme]`: a certificate from an authority that speaks ACME (RFC 8555).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A certificate from an authority that speaks ACME. It is asked for, kept in the gateway's folder, and renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// The URL of the authority's directory.
    #[serde(default = "directory")]
    pub directory: String,
    /// The names of the certificate. Each must lead to this gateway.
    pub domains: Vec<String>,
    /// Where the authority can reach its owner: `mailto:` and an address.
    #[serde(default)]
    pub contact: Vec<String>,
    /// Whether its owner has read the authority's terms and agrees to them.
    #[serde(default)]
    pub accept_terms: bool,
    /// Certificates that the authority's own is checked with, in PEM; absent: those that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// An address where the authority is answered in plain HTTP (HTTP-01), which it reaches as port 80; absent: it is answered on the
    /// port of clients (TLS-ALPN-01), which it reaches as port 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
}

/// Let's Encrypt.
fn directory() -> String {
    "https://acme-v02.api.letsencrypt.org/directory".to_owned()
}

impl Acme {
    /// The key of the line that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |key, why: String| Err((key, why));
        if !self.accept_terms {
            return wrong(
                "[listen.acme]",
                "read the authority's terms; if you agree to them, say accept_terms = true".to_owned(),
            );
        }
        if !self.directory.starts_with("https://") {
            return wrong("directory", format!("{:?} is no https:// URL of a directory", self.directory));
        }
        if self.domains.is_empty() {
            return wrong("domains", "name the domains of the certificate".to_owned());
        }
        let is_name = |name: &&String| {
            let labels = name.split('.');
            name.len() <= 253
                && name.parse::<IpAddr>().is_err()
                && labels.clone().count() > 1
                && labels
                    .clone()
                    .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        };
        if let Some(name) = self.domains.iter().find(|name| !is_name(name)) {
            return wrong(
                "domains",
                format!("{name:?} is no domain name that an authority can look up; wildcards need a proof over DNS, which is not there"),
            );
        }
        if let Some(contact) = self.contact.iter().find(|contact| !contact.starts_with("mailto:")) {
            return wrong("contact", format!("{contact:?} does not begin with mailto:"));
        }
        Ok(())
    }
}
