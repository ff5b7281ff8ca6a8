//! Transcripts: the exchanges with one endpoint, which are the evidence for all conclusions.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Endpoint, Timestamp};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestLine {
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Headers besides those of every request, with names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    #[serde(default)]
    pub version: String,
    /// The headers in the order received, with names in lower case; invalid UTF-8 in values is replaced.
    pub headers: Vec<(String, String)>,
    /// The body after content decoding, capped.
    #[serde(with = "bytes_as_text")]
    pub body: Vec<u8>,
    /// Whether the cap, a deadline or a decoding error cut the body short.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl Reply {
    /// The first header with this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// No data within the deadline.
    Timeout,
    /// The connection was refused or failed.
    Connect,
    /// The peer closed or reset the connection.
    Reset,
    /// The data was not HTTP.
    NotHttp,
    /// TLS failed.
    Tls,
    /// The headers exceeded a limit.
    TooLarge,
}

/// The failure of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// A short text for people.
    pub detail: String,
    /// The first bytes received instead of HTTP, at most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "bytes_as_text")]
    pub banner: Vec<u8>,
}

/// A request with its reply or failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The request.
    pub request: RequestLine,
    /// When it was sent.
    pub at: Timestamp,
    /// From sending to the end of the reply, in microseconds.
    pub micros: u64,
    /// The reply, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// The failure, if there is no reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The exchanges with one endpoint, in order, bytes capped, times kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
}

/// Serialises bytes as a JSON string if they are UTF-8, else as `{"base64": text}`.
mod bytes_as_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{self, MapAccess, Visitor};
    use serde::ser::SerializeMap as _;

    use super::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            serializer.serialize_str(text)
        } else {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry("base64", &STANDARD.encode(bytes))?;
            map.end()
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text or {\"base64\": text}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(text.as_bytes().to_vec())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                match map.next_entry::<String, String>()? {
                    Some((key, text)) if key == "base64" => STANDARD.decode(text).map_err(de::Error::custom),
                    _ => Err(de::Error::custom("expected {\"base64\": text}")),
                }
            }
        }

        deserializer.deserialize_any(BytesVisitor)
    }
}
