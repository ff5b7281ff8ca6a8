//! `[limits]`: where the counts of keys are kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the counts of keys are kept. Absent: in this gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// `redis://HOST:PORT[/DATABASE]`, or `rediss://` over TLS: the Redis that several gateways share.
    pub redis: String,
    /// The user, where Redis has users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A file with the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PathBuf>,
    /// A PEM file with the authorities of its certificate. Absent: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedisPlace {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: u32,
}

impl LimitsConfig {
    pub(crate) fn place(&self) -> Option<RedisPlace> {
        let (tls, rest) = match self.redis.split_once("://")? {
            ("redis", rest) => (false, rest),
            ("rediss", rest) => (true, rest),
            _ => return None,
        };
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_host = !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'));
        Some(RedisPlace {
            tls,
            host: Some(host).filter(|_| is_host)?.to_owned(),
            port: port.parse().ok()?,
            database: if database.is_empty() { 0 } else { database.parse().ok()? },
        })
    }

    /// The key of the line that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let Some(place) = self.place() else {
            let why = format!(
                "{:?} is no redis://HOST:PORT or redis://HOST:PORT/DATABASE; a password goes into a file",
                self.redis
            );
            return Err(("redis", why));
        };
        if self.ca.is_some() && !place.tls {
            return Err(("ca", "Redis without TLS has no certificate: write rediss:// in its URL".to_owned()));
        }
        if self.user.is_some() && self.password.is_none() {
            return Err(("user", "a user needs a password: name its file".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_redis_is() {
        let place = |url: &str| {
            let config = LimitsConfig {
                redis: url.to_owned(),
                user: None,
                password: None,
                ca: None,
            };
            config.place().map(|place| (place.tls, place.host, place.port, place.database))
        };
        assert_eq!(place("redis://127.0.0.1:6379"), Some((false, "127.0.0.1".to_owned(), 6379, 0)));
        assert_eq!(place("rediss://[::1]:6380/3"), Some((true, "::1".to_owned(), 6380, 3)));
        for wrong in [
            "127.0.0.1:6379",
            "redis://:secret@127.0.0.1:6379",
            "redis://a",
            "http://a:1",
            "redis://a:1/x",
            "redis://:1",
        ] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
