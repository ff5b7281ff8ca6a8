//! Replies as other tools store them: perhaps cut anywhere, with lines ended otherwise, chunks taken apart or not.

use vigie_model::Reply;

use crate::body::{Chunks, Piece, Rules};
use crate::headers;

/// The most headers of a reply, and the most characters of a value.
const MAX_HEADERS: usize = 200;
const MAX_VALUE: usize = 8 * 1024;
/// The most bytes of a header's name.
const MAX_NAME: usize = 256;

/// Reads status line, headers and body, with at most so many bytes of the body; `None`: it is no HTTP reply.
///
/// `truncated` says that the head or the body was not all there.
#[must_use]
pub fn reply(raw: &[u8], most_body: usize) -> Option<Reply> {
    let (line, mut rest) = split_line(raw.strip_prefix(b"HTTP/")?);
    let line = String::from_utf8_lossy(line);
    let (version, status) = line.split_once(' ')?;
    let status = status
        .trim_start()
        .get(..3)?
        .parse()
        .ok()
        .filter(|status| (100..600).contains(status))?;
    let mut reply = without_headers(status);
    let version = format!("HTTP/{version}");
    if is_version(&version) {
        reply.version = version;
    }
    let mut ended = false;
    while !rest.is_empty() {
        let (line, next) = split_line(rest);
        rest = next;
        if line.is_empty() {
            ended = true;
            break;
        }
        let text = String::from_utf8_lossy(line);
        let colon = text.split_once(':');
        let folded = text.starts_with([' ', '\t']) && colon.is_none_or(|(name, _)| !headers::is_token(name.trim().as_bytes()));
        match (reply.headers.last_mut(), colon) {
            (Some((_, value)), _) if folded => push_value(value, &text),
            (_, Some((name, value))) => push_header(&mut reply, name, value),
            (_, None) => {}
        }
    }
    let chunked = headers::first(&reply.headers, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    if chunked {
        let (body, whole) = unchunk(rest, most_body);
        reply.truncated = !whole;
        set_body(&mut reply, &body, most_body);
    } else {
        let told = headers::first(&reply.headers, "content-length").and_then(|length| length.parse::<usize>().ok());
        reply.truncated = !ended || told.is_some_and(|length| length > rest.len());
        set_body(&mut reply, rest, most_body);
    }
    Some(reply)
}

/// A reply of which only the status is known.
#[must_use]
pub fn without_headers(status: u16) -> Reply {
    Reply {
        status,
        version: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        truncated: false,
    }
}

/// Adds a header; its name in lower case, its value without what ends a line. A malformed name is left out, and what is past the limit.
pub fn push_header(reply: &mut Reply, name: &str, value: &str) {
    let name = name.trim().to_ascii_lowercase();
    let sane = !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !sane || reply.headers.len() >= MAX_HEADERS {
        return;
    }
    reply.headers.push((name, String::new()));
    if let Some((_, own)) = reply.headers.last_mut() {
        push_value(own, value);
    }
}

/// Adds text to a value, after a space where it goes on with another line.
fn push_value(value: &mut String, text: &str) {
    let text = text.trim();
    let space = if value.is_empty() || text.is_empty() { "" } else { " " };
    let room = MAX_VALUE.saturating_sub(value.len());
    let text = space.chars().chain(text.chars()).take(room);
    value.extend(text.map(|c| if c.is_control() { ' ' } else { c }));
}

/// Whether a text is a version as a status line has it, `HTTP/1.1`.
#[must_use]
pub fn is_version(text: &str) -> bool {
    text.strip_prefix("HTTP/")
        .is_some_and(|number| (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Gives the body to a reply; of one that is longer than `most` bytes the beginning.
pub fn set_body(reply: &mut Reply, body: &[u8], most: usize) {
    reply.truncated |= body.len() > most;
    reply.body = body[..body.len().min(most)].to_vec();
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

/// Takes the chunks apart until more than `most` bytes are there, and says whether the last one was.
fn unchunk(bytes: &[u8], most: usize) -> (Vec<u8>, bool) {
    let (mut chunks, mut body, mut rest) = (Chunks::new(Rules::Lenient), Vec::new(), bytes);
    while body.len() <= most {
        match chunks.next(rest) {
            Ok((framing, Piece::Data(length))) => {
                let (data, after) = rest[framing..].split_at(length);
                body.extend_from_slice(data);
                rest = after;
            }
            Ok((_, Piece::End)) => return (body, true),
            Ok((_, Piece::More)) => {
                // Some tools cut white space off the end of what they store.
                let line_end = chunks.next(b"\n");
                return (body, line_end.is_ok() && chunks.saw_last());
            }
            // What is no chunk stays as it is: some tools take the chunks apart and leave the header.
            Err(_) if body.is_empty() => return (bytes.to_vec(), true),
            Err(_) => return (body, false),
        }
    }
    (body, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1_000;

    #[test]
    fn replies_are_read_as_they_came() {
        let read = reply(b"HTTP/1.1 200 OK\r\nServer: a\r\nX-B:  c \r\n\r\nbody", MOST).expect("it is one");
        assert_eq!((read.status, read.version.as_str()), (200, "HTTP/1.1"));
        assert_eq!(read.header("x-b"), Some("c"));
        assert_eq!((read.body.as_slice(), read.truncated), (&b"body"[..], false));
        let cut = reply(b"HTTP/1.1 200 OK\r\nServer: a", MOST).expect("it is one");
        assert!(cut.truncated && cut.body.is_empty());
        let short = reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody", MOST).expect("it is one");
        assert!(short.truncated);
        for other in [&b"SSH-2.0-x"[..], b"HTTP/1.1 abc", b"HTTP/", b"", b"HTTP/1.1 999999"] {
            assert_eq!(reply(other, MOST).map(|reply| reply.status), None, "{other:?}");
        }
        let long = reply(b"HTTP/1.1 200 OK\n\n0123456789", 4).expect("it is one");
        assert_eq!((long.body.as_slice(), long.truncated), (&b"0123"[..], true));
    }

    #[test]
    fn lines_may_go_on() {
        let read = reply(b"HTTP/1.1 200 OK\n X: a\nY: b\n\t(c) d: e\n  \n f\n Z: g\nnone\n\n", MOST).expect("it is one");
        let headers: Vec<_> = read.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            headers,
            [("x", "a"), ("y", "b (c) d: e f"), ("z", "g")],
            "indented headers are headers"
        );
        let long = reply(format!("HTTP/1.1 200 OK\nX: a\n{}", " (b\n".repeat(9_000)).as_bytes(), MOST).expect("it is one");
        assert_eq!(long.headers[0].1.len(), MAX_VALUE);
    }

    #[test]
    fn versions() {
        for text in ["HTTP/1.1", "HTTP/2", "HTTP/2.0"] {
            assert!(is_version(text), "{text}");
        }
        for text in ["HTTP/", "HTTP/1.1\r", "HTTP/10.1", "HTTP/x", "http/1.1", "1.1"] {
            assert!(!is_version(text), "{text}");
        }
    }

    #[test]
    fn chunks_are_taken_apart() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = |rest: &str| {
            let reply = reply(format!("{head}{rest}").as_bytes(), MOST).expect("it is one");
            (String::from_utf8(reply.body).expect("text"), reply.truncated)
        };
        let whole = ("abc".to_owned(), false);
        assert_eq!(body("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), whole);
        assert_eq!(body("2\nab\n1\nc\n0\n\n"), whole);
        assert_eq!(body("2\r\nab\r\n1\r\nc\r\n0"), whole, "white space was cut off");
        assert_eq!(body("5\r\nab"), ("ab".to_owned(), true));
        assert_eq!(body("2\r\nab\r\n"), ("ab".to_owned(), true));
        assert_eq!(body("2\r\nab\r\nxyz"), ("ab".to_owned(), true));
        assert_eq!(body("2\r\nabc\r\n0\r\n\r\n"), ("ab".to_owned(), true), "the size is another one's");
        assert!(!body("ffffffffffffffffff\r\nab").1);
        assert_eq!(body("<html>"), ("<html>".to_owned(), false));
        assert_eq!(body(""), (String::new(), true));
        let long = body(&format!("7d0\r\n{}\r\n0\r\n\r\n", "a".repeat(2_000)));
        assert_eq!((long.0.len(), long.1), (MOST, true));
    }
}
