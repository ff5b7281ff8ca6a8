//! The base URL of a service, and URL encoding.

use std::net::IpAddr;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The base URL of a service. Plain HTTP is accepted for loopback only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The path before each request path, without a trailing slash.
    pub(crate) prefix: String,
}

/// Why a text is not a base URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// It does not parse.
    #[error("is not a URL: write https://HOST or https://HOST/PREFIX")]
    NoUrl,
    /// It is not encrypted.
    #[error("would carry the key in clear: plain http is for loopback only")]
    Plain,
    /// It has parts that a base URL must not have.
    #[error("has a user, a query or a fragment; a key is read from the environment or a file")]
    More,
}

impl std::str::FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.trim().parse().map_err(|_| BaseUrlError::NoUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(BaseUrlError::NoUrl);
        };
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(BaseUrlError::More);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match scheme {
            "https" => true,
            // A name could resolve to another machine; a loopback address cannot.
            "http" if host.parse::<IpAddr>().is_ok_and(vigie_scope::is_loopback) => false,
            "http" => return Err(BaseUrlError::Plain),
            _ => return Err(BaseUrlError::NoUrl),
        };
        Ok(Self {
            tls,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            host,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl BaseUrl {
    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// A text percent-encoded for a URL's query.
pub(crate) fn encode(text: &str) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The query string of these pairs.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback() {
        let read = |text: &str| text.parse::<BaseUrl>();
        let base = read("https://search.example.net/api/").expect("a URL");
        assert_eq!((base.tls, base.port, base.prefix.as_str()), (true, 443, "/api"));
        assert_eq!(base.authority(), "search.example.net");
        assert_eq!(read("http://127.0.0.1:8080").expect("loopback").authority(), "127.0.0.1:8080");
        assert_eq!(read("http://[::1]:8080/x").expect("loopback").authority(), "[::1]:8080");
        assert_eq!(read("http://192.0.2.1"), Err(BaseUrlError::Plain));
        assert_eq!(read("http://localhost"), Err(BaseUrlError::Plain));
        for wrong in ["", "search.example.net", "ftp://192.0.2.1", "https://"] {
            assert_eq!(read(wrong), Err(BaseUrlError::NoUrl), "{wrong:?}");
        }
        for more in ["https://user:pass@example.net", "https://example.net/?key=x"] {
            assert_eq!(read(more), Err(BaseUrlError::More), "{more:?}");
        }
    }

    #[test]
    fn values_are_encoded() {
        assert_eq!(
            query(&[("query", "http.title:\"A&B\" é"), ("page", "2")]),
            "query=http.title%3A%22A%26B%22%20%C3%A9&page=2"
        );
    }
}
