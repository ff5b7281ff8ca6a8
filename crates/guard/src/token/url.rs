//! The URLs of an issuer.

use crate::config::Place;

/// A URL over TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub(super) place: Place,
    /// The path, from its slash on; empty for none.
    pub(super) path: String,
}

impl Url {
    /// Reads a URL: `https`, or `http` on loopback; without a query, a fragment or a user.
    ///
    /// # Errors
    ///
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no https://HOST/PATH of an issuer");
        let is_plain = text.len() <= 1_000
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@' | b'\\'));
        if !is_plain {
            return Err(wrong());
        }
        let (tls, rest) = match text.split_once("://").ok_or_else(wrong)? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return Err(wrong()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?),
            None => (authority, if tls { 443 } else { 80 }),
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host.parse::<std::net::Ipv6Addr>().map(|_| host).map_err(|_| wrong())?,
            None => host,
        };
        if host.is_empty()
            || !host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'))
        {
            return Err(wrong());
        }
        let url = Self {
            place: Place {
                tls,
                host: host.to_owned(),
                port,
                authority: authority.to_owned(),
            },
            path: path.to_owned(),
        };
        if !tls && !url.place.address().is_some_and(|address| address.ip().is_loopback()) {
            return Err(format!(
                "{text:?}: without TLS anybody on the way could give other keys; write https"
            ));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_over_tls_or_on_this_machine() {
        for (text, host, port, path) in [
            ("https://login.example.org", "login.example.org", 443, ""),
            ("https://login.example.org/realms/x", "login.example.org", 443, "/realms/x"),
            ("https://[2001:db8::1]:8443/", "2001:db8::1", 8443, "/"),
            ("http://127.0.0.1:3000/op", "127.0.0.1", 3000, "/op"),
            ("http://localhost:3000", "localhost", 3000, ""),
            ("http://[::1]:3000", "::1", 3000, ""),
        ] {
            let url = Url::parse(text).expect(text);
            assert_eq!((url.place.host.as_str(), url.place.port, url.path.as_str()), (host, port, path));
        }
        for wrong in [
            "login.example.org",
            "ftp://login.example.org",
            "http://login.example.org",
            "http://127.0.0.1.evil.example",
            "https://user@login.example.org",
            "https://login.example.org?x",
            "https://login.example.org#x",
            "https://",
            "https://a b",
            "https://login.example.org:0",
            "https://login.example.org\r\nx",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
