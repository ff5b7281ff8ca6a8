//! Which hosts and origins a request may name: a page of a stranger must not use the gateway through its visitor's browser.

use vigie_http::head::RequestHead;
use vigie_http::headers::{self, Header};

use crate::policy::Refusal;

/// Methods of the requests that an allowed page may send.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// Headers of the gateway's own that a page may read.
const EXPOSED: &str = "retry-after, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
                       x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";
/// The longest list of headers that a browser asks for.
const MAX_WANTED: usize = 1_024;

/// What is allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    /// In lower case, each with or without a port.
    hosts: Vec<String>,
    origins: Vec<String>,
    /// The port of the gateway: a host without a port stands for this one.
    port: u16,
    /// The port as a host names it.
    suffix: String,
}

impl Allowed {
    pub(crate) fn new(hosts: &[String], origins: &[String], port: u16) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        Self {
            hosts: lower(hosts),
            origins: lower(origins),
            port,
            suffix: format!(":{port}"),
        }
    }

    /// Checks `Host`, `Origin` and `Sec-Fetch-Site`.
    pub(crate) fn check(&self, headers: &[Header]) -> Result<(), Refusal> {
        if let Some(host) = headers::first(headers, "host")
            && !self.is_own(host)
        {
            return Err(Refusal::WrongOrigin(format!("the host {host:?}")));
        }
        let foreign = headers::all(headers, "sec-fetch-site").find(|site| !matches!(*site, "same-origin" | "same-site" | "none"));
        if let Some(site) = foreign
            && self.allowed_origin(headers).is_none()
        {
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

    /// The origin of a page that may use the gateway, as it was sent; the gateway's own pages need no leave of a browser.
    fn allowed_origin<'h>(&self, headers: &'h [Header]) -> Option<&'h str> {
        let mut origins = headers::all(headers, "origin");
        let origin = origins
            .next()
            .filter(|origin| self.origins.contains(&origin.to_ascii_lowercase()))?;
        origins.next().is_none().then_some(origin)
    }

    /// Header lines that let a browser give an answer to an allowed page; empty for everybody else.
    pub(crate) fn cors_lines(&self, headers: &[Header]) -> String {
        match self.allowed_origin(headers) {
            None => String::new(),
            Some(origin) => {
                format!("access-control-allow-origin: {origin}\r\naccess-control-expose-headers: {EXPOSED}\r\nvary: origin\r\n")
            }
        }
    }

    /// Header lines of the answer to a browser that asks whether an allowed page may send a request. They are the same for every path: no
    /// key comes with such a question. `None`: it is none, or not of an allowed page.
    pub(crate) fn preflight_lines(&self, head: &RequestHead) -> Option<String> {
        let origin = self.allowed_origin(&head.headers).filter(|_| head.method == "OPTIONS")?;
        headers::first(&head.headers, "access-control-request-method")?;
        let mut lines = format!("access-control-allow-origin: {origin}\r\naccess-control-allow-methods: {METHODS}\r\n");
        // Of the headers that a client sends nothing reaches the server but what the gateway writes anew.
        if let Some(wanted) = headers::first(&head.headers, "access-control-request-headers")
            && wanted.len() <= MAX_WANTED
            && wanted.split(',').all(|name| headers::is_token(name.trim().as_bytes()))
        {
            lines.push_str(&format!("access-control-allow-headers: {wanted}\r\n"));
        }
        if headers::first(&head.headers, "access-control-request-private-network") == Some("true") {
            lines.push_str("access-control-allow-private-network: true\r\n");
        }
        lines.push_str("access-control-max-age: 600\r\nvary: origin\r\n");
        Some(lines)
    }

    /// Whether the gateway itself would serve the pages of an origin. Without a port it has the usual one of its scheme, and what is
    /// there is another service unless it is the gateway's.
    fn is_own_page(&self, host: &str, usual: u16) -> bool {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        self.is_own(host) && (has_port || self.port == usual)
    }

    fn is_own(&self, host: &str) -> bool {
        let bare = host.strip_suffix(&*self.suffix);
        let is = |own: &String| own.eq_ignore_ascii_case(host) || bare.is_some_and(|host| own.eq_ignore_ascii_case(host));
        self.hosts.iter().any(is)
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
            &[
                ("host", "gpu.example.org"),
                ("origin", "app://editor"),
                ("sec-fetch-site", "cross-site"),
            ],
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
            &[
                ("host", "gpu.example.org"),
                ("origin", "app://editor"),
                ("origin", "app://editor"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert!(!check(bad), "{bad:?}");
        }
    }
}
