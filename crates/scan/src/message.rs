//! HTTP/1 replies as they come off the wire (RFC 9112), without I/O: bytes are added at one end, heads and pieces of bodies come
//! out at the other. Whatever is added, the work is linear in its length and nothing is kept but the bytes.
//!
//! A client library's view of a reply leaves out what a scan looks for (what came instead of HTTP, the order of headers), and its
//! machinery for many requests at once costs more than the rest of a probe; the parser of heads is its own, `httparse`.

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};

/// The most bytes of a head.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most headers of a head.
const MAX_HEADERS: usize = 100;
/// The longest line that announces a chunk, in bytes.
const MAX_CHUNK_LINE: usize = 4 * 1024;
/// The most bytes that chunks may cost besides their data.
const MAX_CHUNKING: usize = 256 * 1024;
/// Interim replies (RFC 9110, section 15.2) that are skipped before the final one.
const MAX_INTERIM: u8 = 8;

/// Why bytes are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They do not begin as HTTP/1 does, or the head is none.
    #[error("what came is not HTTP/1")]
    NotHttp,
    /// The head is longer than [`MAX_HEAD`] or has too many headers.
    #[error("the head of the reply is too large")]
    TooLarge,
    /// The body's length cannot be told.
    #[error("the length of the body cannot be told")]
    Length,
    /// The chunks are none.
    #[error("the chunks of the body are malformed")]
    Chunk,
}

/// The head of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: &'static str,
    /// Names in lower case, in the order received; in values, bytes that are no UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
}

impl Head {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The elements of a header that is a list.
    fn elements<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|e| !e.is_empty())
    }

    /// Whether the server keeps the connection open after the body (RFC 9112, section 9.3).
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let says = |word: &str| self.elements("connection").any(|element| element.eq_ignore_ascii_case(word));
        !says("close") && self.status != 101 && (self.version == "HTTP/1.1" || says("keep-alive"))
    }
}

/// Finds the head in bytes that come in pieces.
#[derive(Debug, Default)]
pub struct HeadReader {
    /// Up to here no end of the head was found.
    searched: usize,
    interim: u8,
}

impl HeadReader {
    /// The head of the final reply, once it is there whole; its bytes are taken away.
    ///
    /// # Errors
    ///
    /// If these bytes never become one.
    pub fn read(&mut self, bytes: &mut BytesMut) -> Result<Option<Head>, Malformed> {
        loop {
            // Empty lines before a reply are overlooked, as everywhere.
            if self.searched == 0 {
                let empty = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                bytes.advance(empty);
            }
            let begin = bytes.len().min(5);
            if bytes[..begin] != b"HTTP/"[..begin] {
                return Err(Malformed::NotHttp);
            }
            let Some(length) = end_of_head(bytes, self.searched) else {
                // The end may be split between two pieces.
                self.searched = bytes.len().saturating_sub(2);
                return if bytes.len() > MAX_HEAD {
                    Err(Malformed::TooLarge)
                } else {
                    Ok(None)
                };
            };
            if length > MAX_HEAD {
                return Err(Malformed::TooLarge);
            }
            let head = parse(&bytes[..length])?;
            bytes.advance(length);
            self.searched = 0;
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Ok(Some(head));
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Malformed::TooLarge);
            }
        }
    }
}

/// Where the empty line that ends a head ends.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr(b'\n', &bytes[at..])? + 1;
        match bytes.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            _ => {}
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Head, Malformed> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let mut config = httparse::ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    match config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooLarge),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed::NotHttp),
    }
    Ok(Head {
        status: response.code.ok_or(Malformed::NotHttp)?,
        version: if response.version == Some(0) { "HTTP/1.0" } else { "HTTP/1.1" },
        headers: response
            .headers
            .iter()
            .map(|header| (header.name.to_ascii_lowercase(), text(header.value)))
            .collect(),
    })
}

/// A value as text; nearly all are, and need no second look.
fn text(value: &[u8]) -> String {
    std::str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value).into_owned(), str::to_owned)
}

/// What comes next in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes at the front are data; the caller takes them away before it asks again.
    Data(usize),
    /// The body is over.
    End,
    /// More bytes are needed.
    More,
}

/// How a body's end is told (RFC 9112, section 6.3), and how much of it is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunks(Chunk, usize),
    /// It ends when the server closes.
    UntilClose,
}

/// Where in the chunks a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Before the line that says how long the next one is.
    Size,
    /// So many bytes of data are left.
    Data(u64),
    /// Before the end of line after data.
    Line,
    /// After the last chunk: trailers, up to an empty line.
    Trailers,
    /// Over.
    End,
}

impl Body {
    /// How the body after this head is told.
    ///
    /// # Errors
    ///
    /// If the head contradicts itself about the length.
    pub fn after(head: &Head, method: &str) -> Result<Self, Malformed> {
        if method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304) {
            return Ok(Self::Length(0));
        }
        if let Some(coding) = head.elements("transfer-encoding").last() {
            return Ok(if coding.eq_ignore_ascii_case("chunked") {
                Self::Chunks(Chunk::Size, 0)
            } else {
                Self::UntilClose
            });
        }
        let mut length = None;
        for text in head.elements("content-length") {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let this: u64 = text.parse().ok().filter(|_| digits).ok_or(Malformed::Length)?;
            if length.is_some_and(|before| before != this) {
                return Err(Malformed::Length);
            }
            length = Some(this);
        }
        Ok(length.map_or(Self::UntilClose, Self::Length))
    }

    /// Whether the body may end with the connection.
    #[must_use]
    pub fn may_close(&self) -> bool {
        matches!(self, Self::UntilClose | Self::Length(0) | Self::Chunks(Chunk::End, _))
    }

    /// What is at the front of the bytes; what frames the data is taken away.
    ///
    /// # Errors
    ///
    /// If the chunks are none, or cost too much.
    pub fn next(&mut self, bytes: &mut BytesMut) -> Result<Piece, Malformed> {
        match self {
            Self::Length(0) => Ok(Piece::End),
            Self::Length(left) => Ok(data(left, bytes)),
            Self::UntilClose if bytes.is_empty() => Ok(Piece::More),
            Self::UntilClose => Ok(Piece::Data(bytes.len())),
            Self::Chunks(at, cost) => loop {
                let before = bytes.len();
                *at = match at {
                    Chunk::Data(0) => Chunk::Line,
                    Chunk::Data(left) => return Ok(data(left, bytes)),
                    Chunk::End => return Ok(Piece::End),
                    Chunk::Size => match line(bytes)? {
                        None => return Ok(Piece::More),
                        Some(line) => match size(&line)? {
                            0 => Chunk::Trailers,
                            size => Chunk::Data(size),
                        },
                    },
                    Chunk::Line => match line(bytes)? {
                        None => return Ok(Piece::More),
                        Some(line) if line.is_empty() => Chunk::Size,
                        Some(_) => return Err(Malformed::Chunk),
                    },
                    Chunk::Trailers => match line(bytes)? {
                        None => return Ok(Piece::More),
                        Some(line) if line.is_empty() => Chunk::End,
                        Some(_) => Chunk::Trailers,
                    },
                };
                *cost += before - bytes.len();
                if *cost > MAX_CHUNKING {
                    return Err(Malformed::Chunk);
                }
            },
        }
    }
}

fn data(left: &mut u64, bytes: &BytesMut) -> Piece {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= here as u64;
    if here == 0 { Piece::More } else { Piece::Data(here) }
}

/// The next line without its end, taken away.
fn line(bytes: &mut BytesMut) -> Result<Option<BytesMut>, Malformed> {
    let searched = &bytes[..bytes.len().min(MAX_CHUNK_LINE)];
    match memchr::memchr(b'\n', searched) {
        None if searched.len() == MAX_CHUNK_LINE => Err(Malformed::Chunk),
        None => Ok(None),
        Some(end) => {
            let mut line = bytes.split_to(end + 1);
            line.truncate(if end > 0 && line[end - 1] == b'\r' { end - 1 } else { end });
            Ok(Some(line))
        }
    }
}

/// The length of a chunk: hexadecimal digits, then perhaps extensions.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii_end();
    let text = std::str::from_utf8(digits).map_err(|_| Malformed::Chunk)?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Malformed::Chunk);
    }
    u64::from_str_radix(text, 16).map_err(|_| Malformed::Chunk)
}
