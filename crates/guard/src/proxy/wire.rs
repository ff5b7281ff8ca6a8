//! Messages on a connection: heads and bodies read within bounds, answers written.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use vigie_http::body::{Body, Piece};
use vigie_http::head::{EndFinder, RequestHead};

use super::patience::{Patience, within};
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
    patience: &mut Patience,
) -> Result<Option<(RequestHead, Body)>, Refusal> {
    let mut finder = EndFinder::default();
    let mut empty_lines = 0;
    let mut limit = if buffer.is_empty() { bounds.idle } else { bounds.head_time };
    let mut deadline = None;
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
        let end = || *deadline.get_or_insert_with(|| Instant::now() + limit);
        match patience.until(end, io.read_buf(buffer)).await {
            Ok(Ok(0)) if buffer.is_empty() => return Ok(None),
            Ok(Ok(0)) => return Err(Refusal::Ambiguous("the request ends in its head".to_owned())),
            // From its first byte on a head has its own time.
            Ok(Ok(_)) if was_empty => {
                limit = bounds.head_time;
                deadline = Some(Instant::now() + limit);
            }
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
    if let Body::Length(length) = framed {
        return match usize::try_from(length) {
            Ok(length) if length > bounds.body => Err(Refusal::TooLarge),
            Ok(length) if buffer.len() >= length => Ok(buffer.split_to(length)),
            Ok(length) => read_length(io, buffer, length, bounds).await,
            Err(_) => Err(Refusal::TooLarge),
        };
    }
    let deadline = Instant::now() + bounds.body_time;
    let mut body = BytesMut::new();
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

/// Reads a body whose length is known. All but what came with its head is read to where it stays.
async fn read_length<S: AsyncRead + Unpin>(io: &mut S, buffer: &mut BytesMut, length: usize, bounds: &Bounds) -> Result<BytesMut, Refusal> {
    let deadline = Instant::now() + bounds.body_time;
    let mut body = BytesMut::with_capacity(length.min(ANNOUNCED));
    body.extend_from_slice(&buffer.split());
    while body.len() < length {
        // Room for no more than is announced: what comes behind it is the next request's.
        let left = length - body.len();
        body.reserve(left.min(ANNOUNCED));
        let mut rest = (&mut body).limit(left);
        match timeout_at(deadline, io.read_buf(&mut rest)).await {
            Ok(Ok(0)) => return Err(Refusal::Ambiguous("the request ends in its body".to_owned())),
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Refusal::Ambiguous("the connection broke in the body".to_owned())),
            Err(_) => return Err(Refusal::TooSlow),
        }
    }
    Ok(body)
}

/// Writes all bytes to a client; `false`: it is gone, or takes nothing.
pub(crate) async fn write<S: AsyncWrite + Unpin>(io: &mut S, bytes: &[u8]) -> bool {
    matches!(within(WRITE, io.write_all(bytes)).await, Ok(Ok(())))
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
