//! Replies as a record holds them, made into exchanges that the rule language reads.

use vigie_http::stored::is_version;
pub(crate) use vigie_http::stored::{push_header as header, without_headers as bare};
use vigie_model::{Exchange, Reply, RequestLine, Timestamp};

/// The most of a body that is kept; a longer one is cut and marked as such.
const MAX_BODY: usize = 2 << 20;

/// A GET that a source made, and its reply.
pub(crate) fn get(path: &str, reply: Reply, at: Timestamp) -> Exchange {
    asked("GET", path, reply, at)
}

/// A request that a source made, and its reply.
pub(crate) fn asked(method: &str, path: &str, reply: Reply, at: Timestamp) -> Exchange {
    Exchange {
        request: RequestLine {
            method: method.to_owned(),
            path: sane_path(path).to_owned(),
            headers: Vec::new(),
            body: String::new(),
        },
        at,
        // The sources do not say how long it took.
        micros: 0,
        reply: Some(reply),
        failure: None,
    }
}

/// The path of a request, or `/` where it is none.
fn sane_path(path: &str) -> &str {
    if vigie_http::path::is_sendable(path) { path } else { "/" }
}

/// The beginning of a reply that a source took apart: status, version and headers. A version that no status line has is left out. In
/// the names of headers `_` stands for `-`, as in JSON.
pub(crate) fn head(status: u16, version: Option<&str>, headers: impl IntoIterator<Item = (String, String)>) -> Reply {
    let mut reply = bare(status);
    reply.version = version.filter(|text| is_version(text)).unwrap_or_default().to_owned();
    for (name, value) in headers {
        header(&mut reply, &name.replace('_', "-"), &value);
    }
    reply
}

/// Gives the body to a reply, capped.
pub(crate) fn set_body(reply: &mut Reply, body: &[u8]) {
    vigie_http::stored::set_body(reply, body, MAX_BODY);
}

/// Reads status line, headers and body as they came over the wire; `None`: it is no HTTP reply.
pub(crate) fn parse(raw: &[u8]) -> Option<Reply> {
    vigie_http::stored::reply(raw, MAX_BODY)
}

/// Says of a reply that its body is not in the record. A title that is in it stands for the page, so that rules on titles hold.
pub(crate) fn without_body(reply: &mut Reply, title: Option<&str>) {
    reply.truncated = true;
    if let Some(title) = title.map(str::trim).filter(|title| !title.is_empty()) {
        let title: String = title.chars().take(1024).collect();
        reply.body = format!("<title>{}</title>", title.replace('&', "&amp;").replace('<', "&lt;")).into_bytes();
    }
}

/// The text of a title as it stands in a page: the entities that XML knows, and numbers, are resolved.
pub(crate) fn entities(text: &str) -> String {
    crate::xml::unescape(text).into_owned()
}

/// The text in which `\xHH`, `\r`, `\n` and `\t` stand for bytes, as masscan and nmap write it.
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            out.push(first);
            continue;
        }
        match after {
            [b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
                out.push((digit(*high) * 16 + digit(*low)) as u8);
                rest = tail;
            }
            [b'r', tail @ ..] => {
                out.push(b'\r');
                rest = tail;
            }
            [b'n', tail @ ..] => {
                out.push(b'\n');
                rest = tail;
            }
            [b't', tail @ ..] => {
                out.push(b'\t');
                rest = tail;
            }
            [b'0', tail @ ..] => {
                out.push(0);
                rest = tail;
            }
            [other, tail @ ..] => {
                out.push(*other);
                rest = tail;
            }
            [] => out.push(b'\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_reply_has_the_names_of_http() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [
            pair("Content_Type", "text/html"),
            pair("set_cookie", "a=1"),
            pair("set_cookie", "b=2"),
        ];
        let reply = head(200, Some("HTTP/1.1"), headers);
        assert_eq!((reply.status, reply.version.as_str(), reply.truncated), (200, "HTTP/1.1", false));
        assert_eq!(
            reply.headers,
            [
                pair("content-type", "text/html"),
                pair("set-cookie", "a=1"),
                pair("set-cookie", "b=2")
            ]
        );
        for version in [None, Some(""), Some("h2"), Some("HTTP/one")] {
            assert_eq!(head(200, version, []).version, "", "{version:?}");
        }
    }

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(unescape(br"a\x0d\x0a\\b\r\n\"), b"a\r\n\\b\r\n\\");
        assert_eq!(unescape(br"\xZZ\x1"), b"xZZx1");
    }
}
