//! `[telemetry]`: metrics and traces for an OpenTelemetry collector.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Place;

/// Attributes of the resource that may be set, at most.
const MOST_ATTRIBUTES: usize = 32;
/// The longest interval, in seconds.
const LONGEST: u64 = 3_600;

/// Metrics and traces for an OpenTelemetry collector. They hold no prompt, no answer and no secret: of what clients write, the names of models
/// alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The collector, for OTLP over HTTP: `https://HOST[:PORT][/PATH]`; `/v1/metrics` and `/v1/traces` are added. `http` is for a collector
    /// that gets no secret, and on this machine.
    pub endpoint: String,
    /// A file with headers for the collector, one `NAME: VALUE` a line: its credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<PathBuf>,
    /// A PEM file with the authorities of its certificate. Absent: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How often metrics are sent, in seconds.
    #[serde(default = "interval")]
    pub interval: u64,
    /// Whether metrics are sent.
    #[serde(default = "yes")]
    pub metrics: bool,
    /// Whether traces are sent: a span for each request.
    #[serde(default)]
    pub traces: bool,
    /// The part of the requests that have a span.
    #[serde(default, skip_serializing_if = "Ratio::is_all")]
    pub sample: Ratio,
    /// `service.name` of the resource.
    #[serde(default = "service_name")]
    pub service_name: String,
    /// More attributes of the resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resource: BTreeMap<String, String>,
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio(u32);

/// A ratio is kept in parts of this.
const PARTS: u32 = 1_000_000;

impl Ratio {
    /// Everything.
    pub const ALL: Self = Self(PARTS);

    /// Whether one of many is taken, for a random number of its own.
    #[must_use]
    pub fn takes(self, random: u64) -> bool {
        random % u64::from(PARTS) < u64::from(self.0)
    }

    fn is_all(&self) -> bool {
        *self == Self::ALL
    }
}

impl Default for Ratio {
    fn default() -> Self {
        Self::ALL
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / f64::from(PARTS))
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&value) {
            return Err(serde::de::Error::custom(format!(
                "{value} is no part of a whole: write a number from 0 to 1"
            )));
        }
        Ok(Self((value * f64::from(PARTS)).round() as u32))
    }
}

impl TelemetryConfig {
    /// Where the collector is, and the path before `/v1/`.
    pub(crate) fn place(&self) -> Option<(Place, String)> {
        let (tls, rest) = match self.endpoint.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let is_path = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None => (authority, if tls { 443 } else { 80 }),
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host.parse::<std::net::Ipv6Addr>().ok().map(|_| host)?,
            None => Some(host).filter(|host| {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
                !host.is_empty() && host.bytes().all(plain)
            })?,
        };
        let place = Place {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
        };
        is_path.then(|| (place, path.trim_end_matches('/').to_owned()))
    }

    /// The key of the line that is wrong, and why. What the endpoint says is not repeated: somebody may have written a secret into it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let Some((place, _)) = self.place() else {
            let why = "it is no https://HOST[:PORT][/PATH] of a collector; credentials go into a file that headers names";
            return Err(("endpoint", why.to_owned()));
        };
        if self.ca.is_some() && !place.tls {
            return Err((
                "ca",
                "a collector without TLS has no certificate: write https in its endpoint".to_owned(),
            ));
        }
        let is_here = place.address().is_some_and(|address| address.ip().is_loopback());
        if self.headers.is_some() && !place.tls && !is_here {
            let why = "without TLS the headers would cross the network in the clear: write https in the endpoint";
            return Err(("headers", why.to_owned()));
        }
        if !(1..=LONGEST).contains(&self.interval) {
            return Err(("interval", format!("the interval is 1 to {LONGEST} seconds")));
        }
        if !self.metrics && !self.traces {
            return Err(("metrics", "neither metrics nor traces are sent: leave [telemetry] out".to_owned()));
        }
        if self.service_name.is_empty() || self.service_name.len() > 255 {
            return Err(("service_name", "the name of the service has 1 to 255 bytes".to_owned()));
        }
        let is_wrong = |(name, value): (&String, &String)| name.is_empty() || name.len() > 255 || value.len() > 1_024;
        if self.resource.len() > MOST_ATTRIBUTES || self.resource.iter().any(is_wrong) {
            let why = format!("a resource has at most {MOST_ATTRIBUTES} attributes, with names of 1 to 255 and values of up to 1024 bytes");
            return Err(("resource", why));
        }
        Ok(())
    }
}

fn interval() -> u64 {
    60
}

fn yes() -> bool {
    true
}

fn service_name() -> String {
    "vigie-guard".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> TelemetryConfig {
        toml::from_str(lines).expect("it reads")
    }

    #[test]
    fn where_a_collector_is() {
        let place = |endpoint: &str| read(&format!("endpoint = {endpoint:?}")).place();
        for (endpoint, tls, host, port, path) in [
            ("http://127.0.0.1:4318", false, "127.0.0.1", 4318, ""),
            ("http://otel-collector:4318/", false, "otel-collector", 4318, ""),
            ("https://otlp.example.org/otlp", true, "otlp.example.org", 443, "/otlp"),
            ("https://[::1]:4318/a/b/", true, "::1", 4318, "/a/b"),
        ] {
            let (place, before) = place(endpoint).expect(endpoint);
            assert_eq!(
                (place.tls, place.host.as_str(), place.port, before.as_str()),
                (tls, host, port, path)
            );
        }
        for wrong in [
            "127.0.0.1:4318",
            "grpc://a:4317",
            "https://user:secret@a/",
            "https://a?key=secret",
            "https://a/\r\nx: y",
            "https://",
            "https://a:0",
        ] {
            assert!(place(wrong).is_none(), "{wrong}");
            let why = read(&format!("endpoint = {wrong:?}")).check().expect_err(wrong);
            assert!(why.0 == "endpoint" && !why.1.contains("secret"), "{why:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |lines: &str| read(lines).check().map_err(|(key, _)| key);
        assert_eq!(wrong("endpoint = \"http://collector:4318\"\ntraces = true\nsample = 1"), Ok(()));
        assert_eq!(wrong("endpoint = \"http://collector:4318\"\nheaders = \"h\""), Err("headers"));
        assert_eq!(wrong("endpoint = \"http://127.0.0.1:4318\"\nheaders = \"h\""), Ok(()));
        assert_eq!(wrong("endpoint = \"http://collector:4318\"\nca = \"ca.pem\""), Err("ca"));
        assert_eq!(wrong("endpoint = \"http://a:1\"\ninterval = 0"), Err("interval"));
        assert_eq!(wrong("endpoint = \"http://a:1\"\nmetrics = false"), Err("metrics"));
        assert_eq!(wrong("endpoint = \"http://a:1\"\nresource = { \"\" = \"x\" }"), Err("resource"));
        for sample in ["1.5", "-0.1", "nan", "\"all\""] {
            assert!(
                toml::from_str::<TelemetryConfig>(&format!("endpoint = \"http://a:1\"\nsample = {sample}")).is_err(),
                "{sample}"
            );
        }
        let tenth = read("endpoint = \"http://a:1\"\nsample = 0.1").sample;
        assert_eq!(
            (0..10_000_000).step_by(99).filter(|number| tenth.takes(*number)).count() / 1_000,
            10
        );
        assert_eq!(
            toml::to_string(&read("endpoint = \"http://a:1\"\nsample = 0.25")).map(|text| text.contains("sample = 0.25")),
            Ok(true)
        );
    }
}
