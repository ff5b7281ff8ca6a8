//! Which hosts and origins a request may name: a page of a stranger must not use the gateway through its visitor's browser.

use vigie_http::headers::{self, Header};

use crate::policy::Refusal;

/// What is allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    /// In lower case, each with or without a port.
    hosts: Vec<String>,
    origins: Vec<String>,
    /// The port of the gateway: a host without a port stands for this one.
    port: u16,
}

impl Allowed {
    pub(crate) fn new(hosts: &[String], origins: &[String], port: u16) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        Self {
            hosts: lower(hosts),
            origins: lower(origins),
            port,
        }
    }

    /// Checks `Host`, `Origin` and `Sec-Fetch-Site`.
    pub(crate) fn check(&self, headers: &[Header]) -> Result<(), Refusal> {
        if let Some(host) = headers::first(headers, "host")
            && !self.is_own(host)
        {
            return Err(Refusal::WrongOrigin(format!("the host {host:?}")));
        }
        if let Some(site) = headers::all(headers, "sec-fetch-site").find(|site| !matches!(*site, "same-origin" | "same-site" | "none")) {
            return Err(Refusal::WrongOrigin(format!("a request from another site ({site:?})")));
        }
        for origin in headers::all(headers, "origin") {
            let origin = origin.to_ascii_lowercase();
            let http = origin.strip_prefix("http://").map(|host| (host, 80));
            let own = http.or_else(|| origin.strip_prefix("https://").map(|host| (host, 443)));
            if !self.origins.contains(&origin) && !own.is_some_and(|(host, usual)| self.is_own_page(host, usual)) {
                return Err(Refusal::WrongOrigin(format!("the origin {origin:?}")));
            }
        }
        Ok(())
    }

    /// Whether the gateway itself would serve the pages of an origin. Without a port it has the usual one of its scheme, and what is
    /// there is another service unless it is the gateway's.
    fn is_own_page(&self, host: &str, usual: u16) -> bool {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        self.is_own(host) && (has_port || self.port == usual)
    }

    fn is_own(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let with_port = |own: &String| *own == host || host.strip_suffix(&format!(":{}", self.port)) == Some(own);
        self.hosts.iter().any(with_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_refused() {
        let allowed = Allowed::new(
            &["gpu.example.org".to_owned(), "[::1]".to_owned()],
            &["app://editor".to_owned()],
            8443,
        );
        let check = |lines: &[(&str, &str)]| {
            let headers: Vec<Header> = lines
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            allowed.check(&headers).is_ok()
        };
        for good in [
            &[("host", "gpu.example.org")][..],
            &[("host", "GPU.example.org:8443")],
            &[("host", "[::1]:8443")],
            &[("host", "gpu.example.org"), ("sec-fetch-mode", "cors")],
            &[
                ("host", "gpu.example.org"),
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://gpu.example.org:8443"),
            ],
            &[("host", "gpu.example.org"), ("origin", "app://editor")],
        ] {
            assert!(check(good), "{good:?}");
        }
        for bad in [
            &[("host", "evil.example")][..],
            &[("host", "gpu.example.org:80")],
            &[("host", "gpu.example.org.evil.example")],
            &[("host", "")],
            &[("host", "gpu.example.org"), ("origin", "https://gpu.example.org")],
            &[("host", "gpu.example.org"), ("origin", "http://[::1]")],
            &[("host", "gpu.example.org"), ("origin", "null")],
            &[("host", "gpu.example.org"), ("origin", "https://evil.example")],
            &[("host", "gpu.example.org"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!check(bad), "{bad:?}");
        }
    }
}
