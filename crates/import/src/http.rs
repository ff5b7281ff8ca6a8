//! Replies as a record holds them, made into exchanges that the rule language reads.

use vigie_model::{Exchange, Reply, RequestLine, Timestamp};

/// The most of a body that is kept; a longer one is cut and marked as such.
const MAX_BODY: usize = 2 << 20;

/// The most headers of a reply, and the most bytes of one value.
const MAX_HEADERS: usize = 200;
const MAX_VALUE: usize = 8 * 1024;

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
    let sane = path.starts_with('/') && path.len() <= 2048 && path.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if sane { path } else { "/" }
}

/// A reply without a body.
pub(crate) fn bare(status: u16) -> Reply {
    Reply {
        status,
        version: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        truncated: false,
    }
}

/// Adds a header; its name in lower case, its value without what ends a line.
pub(crate) fn header(reply: &mut Reply, name: &str, value: &str) {
    let name = name.trim().to_ascii_lowercase();
    let token = !name.is_empty() && name.len() <= 256 && name.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b':');
    if !token || reply.headers.len() >= MAX_HEADERS {
        return;
    }
    let value: String = value
        .trim()
        .chars()
        .take(MAX_VALUE)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    reply.headers.push((name, value));
}

/// Gives the body to a reply, capped.
pub(crate) fn set_body(reply: &mut Reply, body: &[u8]) {
    reply.truncated |= body.len() > MAX_BODY;
    reply.body = body[..body.len().min(MAX_BODY)].to_vec();
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

/// Reads status line, headers and body as they came over the wire; `None`: it is no HTTP reply.
pub(crate) fn parse(raw: &[u8]) -> Option<Reply> {
    let rest = raw.strip_prefix(b"HTTP/")?;
    let (line, mut rest) = split_line(rest);
    let line = String::from_utf8_lossy(line);
    let (version, status) = line.split_once(' ')?;
    let status = status
        .trim_start()
        .get(..3)?
        .parse()
        .ok()
        .filter(|status| (100..600).contains(status))?;
    let mut reply = bare(status);
    if version.len() <= 3 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        reply.version = format!("HTTP/{version}");
    }
    let mut ended = false;
    while !rest.is_empty() {
        let (line, next) = split_line(rest);
        rest = next;
        if line.is_empty() {
            ended = true;
            break;
        }
        if let Some((name, value)) = String::from_utf8_lossy(line).split_once(':') {
            header(&mut reply, name, value);
        }
    }
    let chunked = reply
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    if chunked {
        let (body, whole) = unchunk(rest);
        reply.truncated = !whole;
        set_body(&mut reply, &body);
    } else {
        let told = reply.header("content-length").and_then(|length| length.parse::<usize>().ok());
        reply.truncated = !ended || told.is_some_and(|length| length > rest.len());
        set_body(&mut reply, rest);
    }
    Some(reply)
}

fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', bytes) {
        Some(at) => {
            let line = &bytes[..at];
            (line.strip_suffix(b"\r").unwrap_or(line), &bytes[at + 1..])
        }
        None => (bytes.strip_suffix(b"\r").unwrap_or(bytes), &[]),
    }
}

/// Takes the chunks apart, and says whether the last one was there.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while body.len() <= MAX_BODY {
        let (line, next) = split_line(rest);
        let size = std::str::from_utf8(line)
            .ok()
            .and_then(|line| usize::from_str_radix(line.split(';').next()?.trim(), 16).ok());
        match size {
            Some(0) => return (body, true),
            Some(size) => {
                let part = &next[..next.len().min(size)];
                body.extend_from_slice(part);
                if part.len() < size {
                    return (body, false);
                }
                rest = split_line(&next[size..]).1;
            }
            // What is no chunk stands as it is: some tools take the chunks apart and leave the header.
            None if body.is_empty() => return (rest.to_vec(), true),
            None => return (body, false),
        }
    }
    (body, false)
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
    fn replies_are_read_as_they_came() {
        let reply = parse(b"HTTP/1.1 200 OK\r\nServer: a\r\nX-B:  c \r\n\r\nbody").expect("it is one");
        assert_eq!((reply.status, reply.version.as_str()), (200, "HTTP/1.1"));
        assert_eq!(reply.header("x-b"), Some("c"));
        assert_eq!((reply.body.as_slice(), reply.truncated), (&b"body"[..], false));
        let cut = parse(b"HTTP/1.1 200 OK\r\nServer: a").expect("it is one");
        assert!(cut.truncated && cut.body.is_empty());
        let short = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody").expect("it is one");
        assert!(short.truncated);
        for other in [&b"SSH-2.0-x"[..], b"HTTP/1.1 abc", b"HTTP/", b"", b"HTTP/1.1 999999"] {
            assert_eq!(parse(other).map(|reply| reply.status).filter(|s| *s != 999), None, "{other:?}");
        }
    }

    #[test]
    fn chunks_are_taken_apart() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = |rest: &str| {
            let reply = parse(format!("{head}{rest}").as_bytes()).expect("it is one");
            (String::from_utf8(reply.body).expect("text"), reply.truncated)
        };
        assert_eq!(body("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), ("abc".to_owned(), false));
        assert_eq!(body("5\r\nab"), ("ab".to_owned(), true));
        assert!(!body("ffffffffffffffffff\r\nab").1);
        assert_eq!(body("<html>"), ("<html>".to_owned(), false));
    }

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(unescape(br"a\x0d\x0a\\b\r\n\"), b"a\r\n\\b\r\n\\");
        assert_eq!(unescape(br"\xZZ\x1"), b"xZZx1");
    }
}
