//! Messages on a connection: heads and bodies read within bounds, answers written.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use vigie_http::body::{Body, Piece};
use vigie_http::head::{EndFinder, RequestHead};

use crate::policy::Refusal;

/// What is written to a client must go on within this time.
pub(super) const WRITE: Duration = Duration::from_secs(60);
/// Room for a head that is read, in bytes.
const READ: usize = 4 * 1024;
/// Room for a body that is announced, in bytes: more is made as it comes, so that announcing a large one costs nothing.
const ANNOUNCED: usize = 128 * 1024;
/// Empty lines that may be before a request.
const EMPTY_LINES: usize = 4;

/// Bounds of what a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a body.
    pub body: usize,
    /// From the first byte of a head to its end.
    pub head_time: Duration,
    /// For the whole body.
    pub body_time: Duration,
    /// How long a connection without a request stays open.
    pub idle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body: 32 << 20,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            idle: Duration::from_secs(75),
        }
    }
}

/// Reads a head. `None`: the client has closed, or sent nothing for too long.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(
    io: &mut S,
    buffer: &mut BytesMut,
    bounds: &Bounds,
) -> Result<Option<(RequestHead, Body)>, Refusal> {
    let mut finder = EndFinder::default();
    let mut empty_lines = 0;
    let mut deadline = Instant::now() + if buffer.is_empty() { bounds.idle } else { bounds.head_time };
    loop {
        // An empty line before a request is skipped (RFC 9112, section 2.2); many of them would hold the connection without a request.
        if buffer.starts_with(b"\r\n") && empty_lines < EMPTY_LINES {
            empty_lines += 1;
            buffer.advance(2);
            continue;
        }
        match finder.find(buffer) {
            Err(_) => return Err(Refusal::TooLarge),
            Ok(Some(length)) => {
                let bytes = buffer.split_to(length);
                return RequestHead::strict(&bytes)
                    .map(Some)
                    .map_err(|why| Refusal::Ambiguous(why.to_string()));
            }
            Ok(None) => {}
        }
        let was_empty = buffer.is_empty();
        // What is left of the room for it shrinks with each request that is taken out, down to reads of a few bytes.
        buffer.reserve(READ);
        match timeout_at(deadline, io.read_buf(buffer)).await {
            Ok(Ok(0)) if buffer.is_empty() => return Ok(None),
            Ok(Ok(0)) => return Err(Refusal::Ambiguous("the request ends in its head".to_owned())),
            Ok(Ok(_)) if was_empty => deadline = Instant::now() + bounds.head_time,
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Ok(None),
            Err(_) if buffer.is_empty() => return Ok(None),
            Err(_) => return Err(Refusal::TooSlow),
        }
    }
}

/// Reads a body to its end.
pub(crate) async fn read_body<S: AsyncRead + Unpin>(
    io: &mut S,
    buffer: &mut BytesMut,
    mut framed: Body,
    bounds: &Bounds,
) -> Result<BytesMut, Refusal> {
    let deadline = Instant::now() + bounds.body_time;
    let mut body = BytesMut::new();
    if let Body::Length(length) = framed {
        match usize::try_from(length) {
            Ok(length) if length <= bounds.body => {
                if buffer.len() >= length {
                    return Ok(buffer.split_to(length));
                }
                body.reserve(length.min(ANNOUNCED));
            }
            _ => return Err(Refusal::TooLarge),
        }
    }
    loop {
        match framed.next(buffer).map_err(|why| Refusal::Ambiguous(why.to_string()))? {
            Piece::End => return Ok(body),
            Piece::Data(count) if count > 0 => {
                if body.len() + count > bounds.body {
                    return Err(Refusal::TooLarge);
                }
                body.extend_from_slice(&buffer.split_to(count));
            }
            Piece::Data(_) | Piece::More => match timeout_at(deadline, io.read_buf(buffer)).await {
                Ok(Ok(0)) => return Err(Refusal::Ambiguous("the request ends in its body".to_owned())),
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(Refusal::Ambiguous("the connection broke in the body".to_owned())),
                Err(_) => return Err(Refusal::TooSlow),
            },
        }
    }
}

/// Writes all bytes to a client; `false`: it is gone, or takes nothing.
pub(crate) async fn write<S: AsyncWrite + Unpin>(io: &mut S, bytes: &[u8]) -> bool {
    matches!(timeout(WRITE, io.write_all(bytes)).await, Ok(Ok(())))
}

/// The reason phrase of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
