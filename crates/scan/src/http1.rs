//! HTTP/1 on one connection: one request at a time, without pipelining.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use vigie_http::body::{Body, Piece};
use vigie_http::head::{Malformed, ResponseHead, ResponseReader};
use vigie_model::{FailureKind, RequestLine};

use crate::body::BodyError;
use crate::wire::{ClientHeaders, FirstBytesTap, MAX_BANNER};

/// Bytes read at a time: most replies fit.
const READ: usize = 4 * 1024;

/// The transport under HTTP/1.
pub(crate) enum Socket {
    /// TCP.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<FirstBytesTap<TcpStream>>>),
}

/// A connection that is ready for a request.
pub(crate) struct Connection {
    socket: Socket,
    /// Bytes that were received and not parsed yet.
    buffer: BytesMut,
    used: bool,
}

/// A reply whose head was parsed and whose body is not read yet.
pub(crate) struct PendingReply {
    connection: Connection,
    body: Body,
    keeps_alive: bool,
}

/// The reason why no reply was received.
pub(crate) struct NoReply {
    pub(crate) kind: FailureKind,
    pub(crate) detail: String,
    /// The connection served an earlier request and was closed without a reply to this one: the request may be sent again.
    pub(crate) stale: bool,
}

impl NoReply {
    fn malformed(malformed: Malformed) -> Self {
        let kind = match malformed {
            Malformed::TooLarge => FailureKind::TooLarge,
            Malformed::NotHttp | Malformed::Length | Malformed::Chunk => FailureKind::NotHttp,
        };
        let (detail, stale) = (malformed.to_string(), false);
        Self { kind, detail, stale }
    }
}

impl Connection {
    pub(crate) fn new(socket: Socket) -> Self {
        Self {
            socket,
            buffer: BytesMut::new(),
            used: false,
        }
    }

    /// Sends a request and reads the head of the reply.
    pub(crate) async fn ask(&mut self, request: &RequestLine, client_headers: &ClientHeaders) -> Result<(ResponseHead, Body), NoReply> {
        let bytes = serialize_request(request, client_headers).map_err(|detail| NoReply {
            kind: FailureKind::Connect,
            detail,
            stale: false,
        })?;
        let reused = std::mem::replace(&mut self.used, true);
        if reused && !self.is_idle().await {
            return Err(NoReply {
                kind: FailureKind::Reset,
                detail: "the server closed the connection between two requests".to_owned(),
                stale: true,
            });
        }
        // A server may send an error reply and close before it has read the whole request: the reply counts, not the write error.
        let sent = match self.socket.write_all(&bytes).await {
            Ok(()) => self.socket.flush().await,
            Err(error) => Err(error),
        };
        let mut reader = ResponseReader::default();
        loop {
            match (self.fill().await, &sent) {
                (Ok(true), _) => {}
                (_, Err(error)) => return Err(self.closed(error.to_string(), reused)),
                (Err(error), _) => return Err(self.closed(error.to_string(), reused)),
                (Ok(false), _) => {
                    return Err(self.closed("the server closed the connection before the end of the reply".to_owned(), reused));
                }
            }
            if let Some(head) = reader.read(&mut self.buffer).map_err(NoReply::malformed)? {
                let body = Body::after(&head, &request.method).map_err(NoReply::malformed)?;
                return Ok((head, body));
            }
        }
    }

    fn closed(&self, detail: String, reused: bool) -> NoReply {
        NoReply {
            kind: FailureKind::Reset,
            detail,
            stale: reused && self.buffer.is_empty(),
        }
    }

    /// Whether nothing arrived since the last reply: neither the end of the stream nor bytes that would be read as the next reply.
    async fn is_idle(&mut self) -> bool {
        let mut byte = [0];
        poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut byte);
            Poll::Ready(Pin::new(&mut self.socket).poll_read(cx, &mut buffer).is_pending())
        })
        .await
    }

    /// Reads the bytes that are available; `false` at the end of the stream.
    async fn fill(&mut self) -> std::io::Result<bool> {
        self.buffer.reserve(READ);
        Ok(self.socket.read_buf(&mut self.buffer).await? > 0)
    }

    /// The first of the bytes that could not be parsed as a reply.
    pub(crate) fn banner(&self) -> &[u8] {
        &self.buffer[..self.buffer.len().min(MAX_BANNER)]
    }

    /// The reply to this head, ready to read its body.
    pub(crate) fn into_pending_reply(self, head: &ResponseHead, body: Body) -> PendingReply {
        PendingReply {
            connection: self,
            body,
            keeps_alive: head.keeps_alive(),
        }
    }
}

impl PendingReply {
    /// The next chunk of the body; `None` at its end.
    pub(crate) async fn next_chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            match self.body.next(&mut self.connection.buffer) {
                Err(_) => return Some(Err(BodyError)),
                Ok(Piece::End) => return None,
                Ok(Piece::Data(length)) => return Some(Ok(self.connection.buffer.split_to(length).freeze())),
                Ok(Piece::More) => match self.connection.fill().await {
                    Ok(true) => {}
                    Ok(false) if self.body.may_close() => return None,
                    Ok(false) | Err(_) => return Some(Err(BodyError)),
                },
            }
        }
    }

    /// The connection, if the body was read to its end and the server keeps the connection alive.
    pub(crate) fn into_connection(self) -> Option<Connection> {
        // Bytes after the body would be read as the next reply.
        let clean = self.connection.buffer.is_empty() && self.body != Body::UntilClose;
        (self.keeps_alive && clean).then_some(self.connection)
    }
}

/// The bytes of a request, or which part of it is invalid.
fn serialize_request(request: &RequestLine, client_headers: &ClientHeaders) -> Result<Vec<u8>, String> {
    fn put(out: &mut Vec<u8>, parts: &[&str]) {
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
    }
    let token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let value = |text: &str| text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f));
    if !token(&request.method) || !token(&request.path) {
        return Err("the method or the path contains a character that HTTP does not allow".to_owned());
    }
    if let Some((name, _)) = request
        .headers
        .iter()
        .find(|(name, text)| !token(name) || name.contains(':') || !value(text))
    {
        return Err(format!("the header {name:?} contains a character that HTTP does not allow"));
    }
    if !value(&client_headers.authority) || !value(&client_headers.user_agent) {
        return Err("the host name or the user agent contains a character that HTTP does not allow".to_owned());
    }
    let has = |name: &str| request.headers.iter().any(|(n, _)| n == name);
    let mut out = Vec::with_capacity(512 + request.body.len());
    put(
        &mut out,
        &[
            &request.method,
            " ",
            &request.path,
            " HTTP/1.1\r\nhost: ",
            &client_headers.authority,
        ],
    );
    put(&mut out, &["\r\nuser-agent: ", &client_headers.user_agent]);
    if !has("accept") {
        put(&mut out, &["\r\naccept: */*"]);
    }
    for (name, text) in &request.headers {
        put(&mut out, &["\r\n", name, ": ", text]);
    }
    if !request.body.is_empty() && !has("content-type") {
        put(&mut out, &["\r\ncontent-type: application/json"]);
    }
    if !request.body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
        put(&mut out, &["\r\ncontent-length: ", &request.body.len().to_string()]);
    }
    put(&mut out, &["\r\n\r\n", &request.body]);
    Ok(out)
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
