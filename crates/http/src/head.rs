//! Heads of messages (RFC 9112, sections 2 to 5): as servers send them, for a client that reads whatever it can, and strict, for a
//! gateway behind which another program reads the same bytes.

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};

use crate::body::{Body, Chunks, Rules, digits, has_no_body};
use crate::headers::{self, Header, is_token};

/// The most bytes of a head.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most headers of a head.
pub const MAX_HEADERS: usize = 100;
/// Room for the headers of most requests.
const USUAL_HEADERS: usize = 12;
/// Interim replies (RFC 9110, section 15.2) that are skipped before the final one.
const MAX_INTERIM: u8 = 8;

/// Why bytes are no message, read as forgivingly as they can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They do not begin as HTTP/1 does, or the head is malformed.
    #[error("what came is not HTTP/1")]
    NotHttp,
    /// The head is longer than [`MAX_HEAD`] or has more than [`MAX_HEADERS`] headers.
    #[error("the head of the message is too large")]
    TooLarge,
    /// The Content-Length is not a number, or there are two that differ.
    #[error("the Content-Length is not a number, or there are two that differ")]
    Length,
    /// The chunks of the body are malformed.
    #[error("the chunks of the body are malformed")]
    Chunk,
}

/// Why a gateway refuses a head: the program behind it could read another one from the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// The head is longer than [`MAX_HEAD`].
    #[error("the head is longer than 64 KiB")]
    TooLong,
    /// It has more than [`MAX_HEADERS`] headers.
    #[error("the head has more than 100 headers")]
    TooManyHeaders,
    /// It has no empty line at its end, or bytes after it.
    #[error("the head does not end with an empty line")]
    NoEnd,
    /// A line ends with LF and no CR.
    #[error("a line of the head ends with LF alone")]
    BareLf,
    /// A CR without LF after it.
    #[error("the head holds a CR without LF")]
    BareCr,
    /// A header line that starts with white space: it may go on with the line before it (obs-fold).
    #[error("a header line starts with white space")]
    Folded,
    /// White space between a header's name and its colon.
    #[error("white space is between a header's name and its colon")]
    SpaceBeforeColon,
    /// A header line without a colon.
    #[error("a header line has no colon")]
    NoColon,
    /// The name of a header is not a token.
    #[error("the name of a header is not a token")]
    Name,
    /// The value of a header holds a control character, or is not UTF-8.
    #[error("the value of a header holds a control character or is not UTF-8")]
    Value,
    /// The first line is not of three parts with one space between them, or a part is malformed.
    #[error("the first line of the head is malformed")]
    FirstLine,
    /// The version is not HTTP/1.1 or HTTP/1.0.
    #[error("the version is not HTTP/1.1 or HTTP/1.0")]
    Version,
    /// A request has no `Host` or more than one (RFC 9112, section 3.2).
    #[error("the request has no `Host` header or more than one")]
    Host,
    /// A length and a transfer coding.
    #[error("the head has a Content-Length and a Transfer-Encoding")]
    LengthAndCoding,
    /// More than one length, even if they are equal.
    #[error("the head has more than one Content-Length")]
    TwoLengths,
    /// A length that is not decimal digits, or too large.
    #[error("the Content-Length is not a number")]
    Length,
    /// A transfer coding that is not `chunked`, or in HTTP/1.0.
    #[error("the Transfer-Encoding is not `chunked`, or the version is HTTP/1.0")]
    Coding,
}

/// Why a gateway does not pass a reply on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no HTTP/1, or too large.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Two programs could read it in two ways.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It changes the protocol, which nobody asked for.
    #[error("the server changes the protocol (status 101)")]
    Upgrade,
}

/// The head of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// `HTTP/1.0` or `HTTP/1.1`; of a head that was not read here, its own.
    pub version: &'static str,
    /// Names in lower case, in the order received; in values, bytes that are no UTF-8 are replaced.
    pub headers: Vec<Header>,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method as it was sent.
    pub method: String,
    /// The request target as it was sent; [`crate::path::strict`] reads it.
    pub target: String,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: &'static str,
    /// Names in lower case, in the order received; in values, bytes that are no UTF-8 are replaced.
    pub headers: Vec<Header>,
}

impl ResponseHead {
    /// Reads a whole head, up to the empty line, as clients do: lines may end with LF alone and be folded, white space may be before
    /// a colon, and malformed headers are left out.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooLarge`] for too many headers, else [`Malformed::NotHttp`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let mut config = httparse::ParserConfig::default();
        config
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
        whole(config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers))?;
        Ok(Self {
            status: response.code.ok_or(Malformed::NotHttp)?,
            version: version(response.version),
            headers: owned(response.headers),
        })
    }

    /// Reads a whole head and refuses what two programs could read in two ways; with it, its body after a request of this method.
    ///
    /// # Errors
    ///
    /// The first reason.
    pub fn strict(bytes: &[u8], method: &str) -> Result<(Self, Body), Refused> {
        let (first, headers) = strict_lines(bytes)?;
        let mut words = first.splitn(3, ' ');
        let (Some(name), Some(code), Some(reason)) = (words.next(), words.next(), words.next()) else {
            return Err(Refused::FirstLine);
        };
        let version = strict_version(name)?;
        let status = code
            .parse()
            .ok()
            .filter(|status| code.len() == 3 && (100..1000).contains(status))
            .ok_or(Refused::FirstLine)?;
        if reason.bytes().any(|b| b != b'\t' && (b < b' ' || b == 0x7f)) {
            return Err(Refused::FirstLine);
        }
        let framed = strict_body(&headers, version)?;
        let body = match framed {
            _ if has_no_body(status, method) => Body::Length(0),
            Some(body) => body,
            None => Body::UntilClose,
        };
        Ok((Self { status, version, headers }, body))
    }

    /// Whether the server keeps the connection open after the body (RFC 9112, section 9.3).
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let says = |word: &str| headers::elements(&self.headers, "connection").any(|element| element.eq_ignore_ascii_case(word));
        !says("close") && self.status != 101 && (self.version == "HTTP/1.1" || says("keep-alive"))
    }
}

impl RequestHead {
    /// Reads a whole head, up to the empty line, as servers do: lines may end with LF alone, malformed headers are left out.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooLarge`] for too many headers, else [`Malformed::NotHttp`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        let mut config = httparse::ParserConfig::default();
        config
            .allow_multiple_spaces_in_request_line_delimiters(true)
            .ignore_invalid_headers_in_requests(true);
        whole(config.parse_request_with_uninit_headers(&mut request, bytes, &mut headers))?;
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Err(Malformed::NotHttp);
        };
        Ok(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: version(request.version),
            headers: owned(request.headers),
        })
    }

    /// Reads a whole head and refuses what two programs could read in two ways; with it, the request's body.
    ///
    /// The target is only checked for characters; [`crate::path::strict`] refuses what is ambiguous in it.
    ///
    /// # Errors
    ///
    /// The first reason.
    pub fn strict(bytes: &[u8]) -> Result<(Self, Body), Refused> {
        let (first, headers) = strict_lines(bytes)?;
        let words = first
            .split_once(' ')
            .and_then(|(method, rest)| Some((method, rest.split_once(' ')?)));
        let Some((method, (target, name))) = words.filter(|(_, (_, name))| !name.contains(' ')) else {
            return Err(Refused::FirstLine);
        };
        if !is_token(method.as_bytes()) || target.is_empty() || !target.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Refused::FirstLine);
        }
        let version = strict_version(name)?;
        let hosts = headers::all(&headers, "host").count();
        if hosts > 1 || (hosts == 0 && version == "HTTP/1.1") {
            return Err(Refused::Host);
        }
        let body = strict_body(&headers, version)?.unwrap_or(Body::Length(0));
        let (method, target) = (method.to_owned(), target.to_owned());
        Ok((
            Self {
                method,
                target,
                version,
                headers,
            },
            body,
        ))
    }
}

fn whole(parsed: httparse::Result<usize>) -> Result<(), Malformed> {
    match parsed {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(Malformed::TooLarge),
        Ok(httparse::Status::Partial) | Err(_) => Err(Malformed::NotHttp),
    }
}

fn version(minor: Option<u8>) -> &'static str {
    if minor == Some(0) { "HTTP/1.0" } else { "HTTP/1.1" }
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<Header> {
    headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), text(header.value)))
        .collect()
}

/// A value as text, in one line: a client makes a folded one whole with spaces (RFC 9112, section 5.2).
fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    if memchr::memchr2(b'\r', b'\n', value).is_some() {
        text.split(['\r', '\n'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    } else {
        text.into_owned()
    }
}

/// The first line of a head and its headers. `httparse` is not asked: it takes lines that end with LF alone, and does not say which
/// of these reasons it had.
fn strict_lines(bytes: &[u8]) -> Result<(&str, Vec<Header>), Refused> {
    if bytes.len() > MAX_HEAD {
        return Err(Refused::TooLong);
    }
    let (first, mut rest) = strict_line(bytes)?;
    let first = std::str::from_utf8(first).map_err(|_| Refused::FirstLine)?;
    if first.is_empty() {
        return Err(Refused::FirstLine);
    }
    let mut headers = Vec::with_capacity(USUAL_HEADERS);
    loop {
        let (line, after) = strict_line(rest)?;
        rest = after;
        if line.is_empty() {
            break;
        }
        if headers.len() == MAX_HEADERS {
            return Err(Refused::TooManyHeaders);
        }
        headers.push(strict_header(line)?);
    }
    if rest.is_empty() {
        Ok((first, headers))
    } else {
        Err(Refused::NoEnd)
    }
}

fn strict_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), Refused> {
    let end = memchr::memchr(b'\n', bytes).ok_or(Refused::NoEnd)?;
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Refused::BareLf)?;
    match memchr::memchr(b'\r', line) {
        Some(_) => Err(Refused::BareCr),
        None => Ok((line, &bytes[end + 1..])),
    }
}

fn strict_header(line: &[u8]) -> Result<Header, Refused> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Refused::Folded);
    }
    let colon = memchr::memchr(b':', line).ok_or(Refused::NoColon)?;
    let name = &line[..colon];
    if !is_token(name) {
        return Err(match name {
            [start @ .., b' ' | b'\t'] if is_token(start.trim_ascii_end()) => Refused::SpaceBeforeColon,
            _ => Refused::Name,
        });
    }
    let value = std::str::from_utf8(&line[colon + 1..]).map_err(|_| Refused::Value)?;
    let value = value.trim_matches([' ', '\t']);
    if value.bytes().any(|b| b != b'\t' && (b < b' ' || b == 0x7f)) {
        return Err(Refused::Value);
    }
    // A token is ASCII.
    let mut name = String::from_utf8(name.to_vec()).map_err(|_| Refused::Name)?;
    name.make_ascii_lowercase();
    Ok((name, value.to_owned()))
}

fn strict_version(name: &str) -> Result<&'static str, Refused> {
    match name {
        "HTTP/1.1" => Ok("HTTP/1.1"),
        "HTTP/1.0" => Ok("HTTP/1.0"),
        _ => Err(Refused::Version),
    }
}

/// The body that a head frames in one way only; `None`: it frames none.
fn strict_body(headers: &[Header], version: &str) -> Result<Option<Body>, Refused> {
    let mut codings = headers::all(headers, "transfer-encoding");
    let mut lengths = headers::all(headers, "content-length");
    match (codings.next(), lengths.next()) {
        (Some(_), Some(_)) => Err(Refused::LengthAndCoding),
        (Some(coding), None) => {
            let chunked = coding.eq_ignore_ascii_case("chunked") && codings.next().is_none() && version == "HTTP/1.1";
            let chunks = || Some(Body::Chunks(Chunks::new(Rules::Strict)));
            chunked.then(chunks).ok_or(Refused::Coding)
        }
        (None, Some(length)) if lengths.next().is_some() || length.contains(',') => Err(Refused::TwoLengths),
        (None, Some(length)) => digits(length).map(|length| Some(Body::Length(length))).ok_or(Refused::Length),
        (None, None) => Ok(None),
    }
}

/// Finds the end of a head in bytes that come in pieces; the work is linear in the bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndFinder {
    /// Up to here there is no end.
    searched: usize,
}

impl EndFinder {
    /// How long the head at the front of these bytes is, its empty line included; `None`: its end has not come. The next call gets the
    /// same bytes and more.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooLarge`] if it is longer than [`MAX_HEAD`].
    pub fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        match end_of_head(bytes, self.searched) {
            Some(length) if length > MAX_HEAD => Err(Malformed::TooLarge),
            Some(length) => {
                self.searched = 0;
                Ok(Some(length))
            }
            None if bytes.len() > MAX_HEAD => Err(Malformed::TooLarge),
            None => {
                // The end may be split between two pieces.
                self.searched = bytes.len().saturating_sub(2);
                Ok(None)
            }
        }
    }
}

/// Where the empty line that ends a head ends.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr(b'\n', bytes.get(at..)?)? + 1;
        match bytes.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            _ => {}
        }
    }
}

/// Finds the head of the final reply in bytes that come in pieces.
#[derive(Debug, Default)]
pub struct ResponseReader {
    end: EndFinder,
    interim: u8,
}

impl ResponseReader {
    /// The head of the final reply, once it is there whole, read as [`ResponseHead::parse`] does; its bytes are taken away.
    ///
    /// # Errors
    ///
    /// If these bytes never become one.
    pub fn read(&mut self, bytes: &mut BytesMut) -> Result<Option<ResponseHead>, Malformed> {
        self.read_as(bytes, |bytes| {
            let head = ResponseHead::parse(bytes)?;
            Ok((head.status, head))
        })
    }

    /// The same, read as [`ResponseHead::strict`] does, and its body.
    ///
    /// # Errors
    ///
    /// As [`ResponseReader::read`], and what two programs could read in two ways, interim replies included.
    pub fn read_strict(&mut self, bytes: &mut BytesMut, method: &str) -> Result<Option<(ResponseHead, Body)>, Unfit> {
        self.read_as(bytes, |bytes| {
            let (head, body) = ResponseHead::strict(bytes, method)?;
            if head.status == 101 {
                Err(Unfit::Upgrade)
            } else {
                Ok((head.status, (head, body)))
            }
        })
    }

    /// `parse` gets a whole head, and says its status.
    fn read_as<T, E: From<Malformed>>(
        &mut self,
        bytes: &mut BytesMut,
        parse: impl Fn(&[u8]) -> Result<(u16, T), E>,
    ) -> Result<Option<T>, E> {
        loop {
            // Empty lines before a reply are overlooked, as everywhere.
            if self.end.searched == 0 {
                let empty = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                bytes.advance(empty);
            }
            let begin = bytes.len().min(5);
            if bytes[..begin] != b"HTTP/"[..begin] {
                return Err(Malformed::NotHttp.into());
            }
            let Some(length) = self.end.find(bytes)? else { return Ok(None) };
            let (status, head) = parse(&bytes[..length])?;
            bytes.advance(length);
            if !(100..200).contains(&status) || status == 101 {
                return Ok(Some(head));
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Malformed::TooLarge.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<(RequestHead, Body), Refused> {
        RequestHead::strict(text.as_bytes())
    }

    #[test]
    fn a_strict_request() {
        let (head, body) = request("POST /api/show?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length:  2 \r\nX-Empty:\r\nX-B: a\tb: c\r\n\r\n")
            .expect("a request");
        assert_eq!(
            (head.method.as_str(), head.target.as_str(), head.version),
            ("POST", "/api/show?x=1", "HTTP/1.1")
        );
        let headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            headers,
            [("host", "a"), ("content-length", "2"), ("x-empty", ""), ("x-b", "a\tb: c")]
        );
        assert_eq!(body, Body::Length(2));
        let body = |text: &str| request(text).map(|(_, body)| body);
        assert_eq!(body("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Body::Length(0)));
        assert_eq!(body("GET / HTTP/1.0\r\n\r\n"), Ok(Body::Length(0)));
        assert_eq!(
            body("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"),
            Ok(Body::Chunks(Chunks::new(Rules::Strict)))
        );
    }

    #[test]
    fn ambiguous_requests_are_rejected() {
        use Refused::*;
        let with = |lines: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let long = with(&format!("X: {}\r\n", "a".repeat(MAX_HEAD)));
        let many = with(&"X: y\r\n".repeat(MAX_HEADERS));
        let cases = [
            (long.as_str(), TooLong),
            (&many, TooManyHeaders),
            ("", NoEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\n", NoEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nX", NoEnd),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", BareLf),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", BareLf),
            (&with("X: a\nY: b\r\n"), BareLf),
            (&with("X: a\rY: b\r\n"), BareCr),
            (&with("X: a\r\r\n"), BareCr),
            (&with("X: a\r\n b\r\n"), Folded),
            (&with("X: a\r\n\tContent-Length: 1\r\n"), Folded),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Folded),
            (&with("Content-Length : 1\r\n"), SpaceBeforeColon),
            (&with("Content-Length\t: 1\r\n"), SpaceBeforeColon),
            (&with("X\r\n"), NoColon),
            (&with(": x\r\n"), Name),
            (&with("X Y: z\r\n"), Name),
            (&with("X\0: z\r\n"), Name),
            (&with("X\u{e9}: z\r\n"), Name),
            (&with("X: \0\r\n"), Value),
            (&with("X: a\u{7f}\r\n"), Value),
            (&with("X: a\u{c}\r\n"), Value),
            ("GET /\r\nHost: a\r\n\r\n", FirstLine),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", FirstLine),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", FirstLine),
            (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", FirstLine),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", FirstLine),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", FirstLine),
            ("GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", FirstLine),
            ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", FirstLine),
            ("GET / HTTP/2\r\nHost: a\r\n\r\n", Version),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", Version),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", Version),
            ("GET / HTTP/1.1\r\n\r\n", Host),
            (&with("HOST: b\r\n"), Host),
            (&with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), LengthAndCoding),
            (&with("transfer-encoding: identity\r\ncontent-length: 1\r\n"), LengthAndCoding),
            (&with("Content-Length: 1\r\nContent-Length: 2\r\n"), TwoLengths),
            (&with("Content-Length: 1\r\nContent-length: 1\r\n"), TwoLengths),
            (&with("Content-Length: 1, 1\r\n"), TwoLengths),
            (&with("Content-Length: +1\r\n"), Length),
            (&with("Content-Length: 0x1\r\n"), Length),
            (&with("Content-Length:\r\n"), Length),
            (&with("Content-Length: 99999999999999999999\r\n"), Length),
            (&with("Transfer-Encoding: gzip, chunked\r\n"), Coding),
            (&with("Transfer-Encoding: xchunked\r\n"), Coding),
            (&with("Transfer-Encoding:\r\n"), Coding),
            (&with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Coding),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Coding),
        ];
        for (text, why) in cases {
            assert_eq!(request(text), Err(why), "{:?}", &text[..text.len().min(80)]);
        }
        assert_eq!(RequestHead::strict(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n"), Err(Value));
    }

    #[test]
    fn a_strict_reply() {
        let reply = |text: &str, method| ResponseHead::strict(text.as_bytes(), method).map(|(head, body)| (head.status, body));
        assert_eq!(reply("HTTP/1.1 200 OK\r\n\r\n", "GET"), Ok((200, Body::UntilClose)));
        assert_eq!(
            reply("HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\n\r\n", "GET"),
            Ok((404, Body::Length(3)))
        );
        assert_eq!(
            reply("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD"),
            Ok((200, Body::Length(0)))
        );
        assert_eq!(reply("HTTP/1.1 204 \r\n\r\n", "GET"), Ok((204, Body::Length(0))));
        for (text, why) in [
            ("HTTP/1.1 200\r\n\r\n", Refused::FirstLine),
            ("HTTP/1.1  200 OK\r\n\r\n", Refused::FirstLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", Refused::FirstLine),
            ("HTTP/1.1 +20 OK\r\n\r\n", Refused::FirstLine),
            ("HTTP/1.1 099 OK\r\n\r\n", Refused::FirstLine),
            ("HTTP/1.1 200 O\0K\r\n\r\n", Refused::FirstLine),
            ("HTTP/2 200 OK\r\n\r\n", Refused::Version),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                Refused::LengthAndCoding,
            ),
            (
                "HTTP/1.1 204 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
                Refused::TwoLengths,
            ),
        ] {
            assert_eq!(reply(text, "GET"), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_forgiving_request() {
        let read = |text: &str| RequestHead::parse(text.as_bytes());
        let head = read("GET  /x HTTP/1.1\nHost: a\nBad header\nX-Y: z\n\n").expect("a request");
        assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/x"));
        assert_eq!(headers::first(&head.headers, "X-Y"), Some("z"));
        for text in ["", "GET /x HTTP/1.1\r\n", "GET /x\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"] {
            assert_eq!(read(text), Err(Malformed::NotHttp), "{text:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(read(&many), Err(Malformed::TooLarge));
    }
}
