//! The messages of Envoy's `envoy.service.auth.v3.Authorization/Check`.
//!
//! Source of the field numbers: Envoy's `api/envoy/service/auth/v3/external_auth.proto` and `attribute_context.proto`,
//! `api/envoy/config/core/v3/base.proto` and `address.proto`, `api/envoy/type/v3/http_status.proto`; `google/rpc/status.proto`;
//! `google/protobuf/struct.proto`.

use std::net::SocketAddr;

use bytes::Bytes;
use vigie_http::head::{MAX_HEAD, MAX_HEADERS};

use super::protobuf::{Fields, Malformed, Message, Value, once};
use crate::policy::Refusal;

/// Pseudo headers, and what Envoy itself may add, beside the headers of a client.
const MORE_HEADERS: usize = 16;

/// The request that Envoy asks about, as its message has it; nothing of it is checked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Check {
    /// The method.
    pub(crate) method: String,
    /// The target, with its query.
    pub(crate) path: String,
    /// `Host` or `:authority`.
    pub(crate) host: String,
    /// Always empty, says Envoy.
    pub(crate) query: String,
    /// Always empty, says Envoy.
    pub(crate) fragment: String,
    /// Names and values, pseudo headers included.
    pub(crate) headers: Vec<(String, Bytes)>,
    /// Whether headers of one name were joined with a comma, and bytes that are no UTF-8 replaced.
    pub(crate) is_joined: bool,
    /// The body in bytes, as far as Envoy shows it.
    pub(crate) body: Bytes,
    /// Whether Envoy shows the body as a text instead.
    pub(crate) has_text: bool,
    /// The address of the client, and its port.
    pub(crate) client: Option<SocketAddr>,
}

/// Why a message is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is no message of that type.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// It has more headers, or longer ones, than a request may have.
    #[error("the request has too many headers, or too long ones")]
    TooMany,
}

impl Check {
    /// Reads a `CheckRequest`.
    ///
    /// # Errors
    ///
    /// It is none, or has too many headers.
    pub(crate) fn read(message: Bytes) -> Result<Self, Unreadable> {
        let mut attributes = None;
        each(Fields(message), |field, value| match field {
            1 => Ok(once(&mut attributes, value.fields()?)?),
            _ => Ok(()),
        })?;
        let (mut source, mut request) = (None, None);
        each(attributes.unwrap_or(Fields(Bytes::new())), |field, value| match field {
            1 => Ok(once(&mut source, value.fields()?)?),
            4 => Ok(once(&mut request, value.fields()?)?),
            _ => Ok(()),
        })?;
        let mut http = None;
        each(request.unwrap_or(Fields(Bytes::new())), |field, value| match field {
            2 => Ok(once(&mut http, value.fields()?)?),
            _ => Ok(()),
        })?;
        let client = match source {
            None => None,
            Some(source) => client(source)?,
        };
        let check = http.map(Self::http).transpose()?.unwrap_or_default();
        Ok(Self { client, ..check })
    }

    /// Reads an `AttributeContext.HttpRequest`.
    fn http(fields: Fields) -> Result<Self, Unreadable> {
        let [mut method, mut path, mut host, mut query, mut fragment] = [const { None::<String> }; 5];
        let (mut raw, mut text, mut map) = (None, None, None);
        let (mut joined, mut apart) = (Headers::default(), Headers::default());
        each(fields, |field, value| {
            match field {
                2 => once(&mut method, value.text()?)?,
                3 => joined.add(value.fields()?)?,
                4 => once(&mut path, value.text()?)?,
                5 => once(&mut host, value.text()?)?,
                7 => once(&mut query, value.text()?)?,
                8 => once(&mut fragment, value.text()?)?,
                11 => once(&mut text, value.bytes()?)?,
                12 => once(&mut raw, value.bytes()?)?,
                13 => once(&mut map, value.fields()?)?,
                _ => {}
            }
            Ok(())
        })?;
        if let Some(map) = map {
            each(map, |field, value| match field {
                1 => apart.add(value.fields()?),
                _ => Ok(()),
            })?;
        }
        let is_joined = apart.all.is_empty();
        // One of the two is there. If both were, the one with each line by itself says more, and the other is read beside it.
        let mut headers = joined.all;
        headers.append(&mut apart.all);
        Ok(Self {
            method: method.unwrap_or_default(),
            path: path.unwrap_or_default(),
            host: host.unwrap_or_default(),
            query: query.unwrap_or_default(),
            fragment: fragment.unwrap_or_default(),
            headers,
            is_joined,
            body: raw.unwrap_or_default(),
            has_text: text.is_some_and(|text| !text.is_empty()),
            client: None,
        })
    }
}

/// Headers that are read within their bounds.
#[derive(Default)]
struct Headers {
    all: Vec<(String, Bytes)>,
    bytes: usize,
}

impl Headers {
    /// Adds a `HeaderValue`, or an entry of a map of texts: the name is 1, the value 2, and in bytes 3.
    fn add(&mut self, fields: Fields) -> Result<(), Unreadable> {
        let (mut name, mut text, mut raw) = (None, None, None);
        each(fields, |field, value| match field {
            1 => Ok(once(&mut name, value.text()?)?),
            2 => Ok(once(&mut text, value.bytes()?)?),
            3 => Ok(once(&mut raw, value.bytes()?)?),
            _ => Ok(()),
        })?;
        let (name, text) = (name.unwrap_or_default(), text.unwrap_or_default());
        let value = match raw {
            Some(_) if !text.is_empty() => return Err(Malformed::Twice.into()),
            Some(raw) => raw,
            None => text,
        };
        self.bytes += name.len() + value.len() + 4;
        if self.all.len() >= MAX_HEADERS + MORE_HEADERS || self.bytes > MAX_HEAD {
            return Err(Unreadable::TooMany);
        }
        self.all.push((name, value));
        Ok(())
    }
}

/// Reads the address of an `AttributeContext.Peer`. `None`: it has none of the network.
fn client(peer: Fields) -> Result<Option<SocketAddr>, Unreadable> {
    let (mut address, mut socket) = (None, None);
    each(peer, |field, value| match field {
        1 => Ok(once(&mut address, value.fields()?)?),
        _ => Ok(()),
    })?;
    each(address.unwrap_or(Fields(Bytes::new())), |field, value| match field {
        1 => Ok(once(&mut socket, value.fields()?)?),
        _ => Ok(()),
    })?;
    let (mut text, mut port) = (None, None);
    each(socket.unwrap_or(Fields(Bytes::new())), |field, value| match field {
        2 => Ok(once(&mut text, value.text()?)?),
        3 => Ok(once(&mut port, value.number()?)?),
        _ => Ok(()),
    })?;
    let address = text.and_then(|text| text.parse().ok());
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    Ok(address.map(|address| SocketAddr::new(address, port)))
}

fn each(mut fields: Fields, mut read: impl FnMut(u32, Value) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
    while let Some((field, value)) = fields.next()? {
        read(field, value)?;
    }
    Ok(())
}

/// Headers that are passed on to the server behind; Envoy takes out whatever else a client sent.
const KEPT: [&str; 5] = ["accept", "content-type", "content-length", "transfer-encoding", "x-request-id"];
/// Headers that are taken out even if Envoy does not show them.
const REMOVED: [&str; 7] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "x-vigie-proxy",
    "x-vigie-key",
];
/// `HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD`.
const OVERWRITE: u64 = 2;

/// The `CheckResponse` that lets a request with these headers pass. Nothing is added to it: the id of the key is in the metadata of the
/// request, where no client can put one.
pub(crate) fn allowed(names: impl Iterator<Item = impl AsRef<str>>, key: Option<&str>) -> Vec<u8> {
    let mut ok = Message::default();
    for name in REMOVED {
        ok = ok.text(5, name);
    }
    for name in names {
        let name = name.as_ref();
        if !KEPT.contains(&name) && !REMOVED.contains(&name) && name != "host" {
            ok = ok.text(5, name);
        }
    }
    let mut response = Message::default().message(1, Message::default()).message(3, ok);
    if let Some(key) = key {
        let value = Message::default().text(3, key);
        let entry = Message::default().text(1, "key").message(2, value);
        response = response.message(4, Message::default().message(1, entry));
    }
    response.into_bytes()
}

/// The `CheckResponse` that gives the client this answer. `lines`: header lines, each with its line end.
pub(crate) fn denied(status: u16, lines: &str, body: &str) -> Vec<u8> {
    let mut http = Message::default().message(1, Message::default().number(1, u64::from(status)));
    let own = lines.lines().filter_map(|line| line.split_once(": "));
    for (name, value) in [("content-type", "application/json")].into_iter().chain(own) {
        let header = Message::default().text(1, name).text(2, value);
        http = http.message(2, Message::default().message(1, header).number(3, OVERWRITE));
    }
    let status = Message::default().number(1, u64::from(code(status)));
    Message::default().message(1, status).message(2, http.text(3, body)).into_bytes()
}

/// The code of `google.rpc.Code` for a status. None of them is `OK`.
fn code(status: u16) -> u8 {
    match status {
        400 => 3,
        401 => 16,
        404 => 5,
        408 => 4,
        413 | 429 => 8,
        503 => 14,
        _ => 7,
    }
}

/// The answer to a refusal.
pub(crate) fn refused(refusal: &Refusal, lines: &str) -> Vec<u8> {
    denied(refusal.status(), lines, refusal.body())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A `CheckRequest`.
    pub(crate) fn message(http: Message, client: &str) -> Bytes {
        let socket = Message::default().text(2, client).number(3, 4_000);
        let source = Message::default().message(1, Message::default().message(1, socket));
        let request = Message::default().message(2, http);
        let attributes = Message::default().message(1, source).message(4, request).text(9, "unknown");
        Message::default().message(1, attributes).into_bytes().into()
    }

    fn header(name: &str, value: &str) -> Message {
        Message::default().text(1, name).text(2, value)
    }

    #[test]
    fn a_request_is_read() {
        let http = Message::default()
            .text(2, "POST")
            .message(3, header("content-type", "application/json"))
            .message(3, header(":path", "/api/chat"))
            .text(4, "/api/chat")
            .text(5, "gpu")
            .bytes(12, b"{}\xff");
        let check = Check::read(message(http, "192.0.2.1")).expect("it reads");
        assert_eq!(
            (check.method.as_str(), check.path.as_str(), check.host.as_str()),
            ("POST", "/api/chat", "gpu")
        );
        assert_eq!(check.headers.len(), 2);
        assert!(check.is_joined && !check.has_text);
        assert_eq!(check.body, b"{}\xff"[..]);
        assert_eq!(check.client, Some("192.0.2.1:4000".parse().expect("an address")));
        let raw = Message::default().text(1, "authorization").bytes(3, b"Bearer a");
        let map = Message::default().message(1, raw).message(1, header("authorization", "Bearer b"));
        let check = Check::read(message(Message::default().message(13, map).text(11, "text"), "a/pipe")).expect("it reads");
        assert_eq!(check.headers.len(), 2);
        assert!(!check.is_joined && check.has_text);
        assert_eq!(check.client, None);
        assert_eq!(
            Check::read(Bytes::new()),
            Ok(Check {
                is_joined: false,
                ..Check::default()
            })
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let read = |http: Message| Check::read(message(http, "::1")).map(|_| ());
        for (http, why) in [
            (Message::default().text(2, "GET").text(2, "POST"), Malformed::Twice),
            (Message::default().number(2, 1), Malformed::Type),
            (Message::default().bytes(4, b"/\xff"), Malformed::Text),
            (Message::default().bytes(3, b"\x0a"), Malformed::Cut),
            (Message::default().bytes(12, b"a").bytes(12, b"b"), Malformed::Twice),
            (Message::default().message(3, header("a", "b").bytes(3, b"c")), Malformed::Twice),
        ] {
            assert_eq!(read(http), Err(Unreadable::Malformed(why)));
        }
        let many = (0..200).fold(Message::default(), |http, at| http.message(3, header(&format!("a{at}"), "")));
        assert_eq!(read(many), Err(Unreadable::TooMany));
        assert_eq!(
            read(Message::default().message(3, header("a", &"x".repeat(MAX_HEAD)))),
            Err(Unreadable::TooMany)
        );
    }

    #[test]
    fn an_answer_takes_out_what_a_client_sent() {
        let text = String::from_utf8_lossy(&allowed(["accept", "host", "x-evil", "cookie"].iter(), Some("key-1"))).into_owned();
        assert!(text.contains("authorization") && text.contains("x-evil") && text.contains("key-1"));
        assert!(!text.contains("accept") && !text.contains("host"));
        assert_eq!(text.matches("cookie").count(), 1);
        let text = String::from_utf8_lossy(&denied(429, "retry-after: 3\r\n", "{}")).into_owned();
        assert!(text.contains("retry-after") && text.contains("application/json"));
    }
}
