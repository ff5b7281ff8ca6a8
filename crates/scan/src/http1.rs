//! HTTP/1 on one connection: a request out, a reply in, one after the other.

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

use crate::body::Broken;
use crate::wire::{Listening, MAX_BANNER, Manners};

/// Read at once, in bytes: most replies fit.
const READ: usize = 4 * 1024;

/// What HTTP/1 is spoken over.
pub(crate) enum Socket {
    /// TCP.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<Listening<TcpStream>>>),
}

/// A connection on which a request may be sent.
pub(crate) struct Connection {
    socket: Socket,
    /// What was read and belongs to no reply yet.
    buffer: BytesMut,
    used: bool,
}

/// A reply whose body is still to be read.
pub(crate) struct Receiving {
    connection: Connection,
    body: Body,
    keeps_alive: bool,
}

/// Why there is no reply.
pub(crate) struct NoReply {
    pub(crate) kind: FailureKind,
    pub(crate) detail: String,
    /// The connection had served before and was closed without a word: the request may be sent once more.
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

    /// Sends a request and reads the head of its reply.
    pub(crate) async fn ask(&mut self, request: &RequestLine, manners: &Manners) -> Result<(ResponseHead, Body), NoReply> {
        let wanted = written(request, manners).map_err(|detail| NoReply {
            kind: FailureKind::Connect,
            detail,
            stale: false,
        })?;
        let reused = std::mem::replace(&mut self.used, true);
        if reused && !self.is_quiet().await {
            return Err(NoReply {
                kind: FailureKind::Reset,
                detail: "closed between two requests".to_owned(),
                stale: true,
            });
        }
        // A server that closes may have said why before: what it said counts more than what could not be sent.
        let sent = match self.socket.write_all(&wanted).await {
            Ok(()) => self.socket.flush().await,
            Err(error) => Err(error),
        };
        let mut reader = ResponseReader::default();
        loop {
            match (self.fill().await, &sent) {
                (Ok(true), _) => {}
                (_, Err(error)) => return Err(self.ended(error.to_string(), reused)),
                (Err(error), _) => return Err(self.ended(error.to_string(), reused)),
                (Ok(false), _) => return Err(self.ended("closed before the end of a reply".to_owned(), reused)),
            }
            if let Some(head) = reader.read(&mut self.buffer).map_err(NoReply::malformed)? {
                let body = Body::after(&head, &request.method).map_err(NoReply::malformed)?;
                return Ok((head, body));
            }
        }
    }

    fn ended(&self, detail: String, reused: bool) -> NoReply {
        NoReply {
            kind: FailureKind::Reset,
            detail,
            stale: reused && self.buffer.is_empty(),
        }
    }

    /// Whether nothing has come since the last reply: neither an end nor words that would be taken for the next one.
    async fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut byte);
            Poll::Ready(Pin::new(&mut self.socket).poll_read(cx, &mut buffer).is_pending())
        })
        .await
    }

    /// Reads what there is; `false` at the end.
    async fn fill(&mut self) -> std::io::Result<bool> {
        self.buffer.reserve(READ);
        Ok(self.socket.read_buf(&mut self.buffer).await? > 0)
    }

    /// The first bytes of what was read and became no reply.
    pub(crate) fn banner(&self) -> &[u8] {
        &self.buffer[..self.buffer.len().min(MAX_BANNER)]
    }

    /// Goes on to the body.
    pub(crate) fn receiving(self, head: &ResponseHead, body: Body) -> Receiving {
        Receiving {
            connection: self,
            body,
            keeps_alive: head.keeps_alive(),
        }
    }
}

impl Receiving {
    /// The next piece of the body; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Option<Result<Bytes, Broken>> {
        loop {
            match self.body.next(&mut self.connection.buffer) {
                Err(_) => return Some(Err(Broken)),
                Ok(Piece::End) => return None,
                Ok(Piece::Data(length)) => return Some(Ok(self.connection.buffer.split_to(length).freeze())),
                Ok(Piece::More) => match self.connection.fill().await {
                    Ok(true) => {}
                    Ok(false) if self.body.may_close() => return None,
                    Ok(false) | Err(_) => return Some(Err(Broken)),
                },
            }
        }
    }

    /// The connection, once the body was read to its end and if it serves another request.
    pub(crate) fn over(self) -> Option<Connection> {
        // Bytes that nobody asked for would be taken for the next reply.
        let clean = self.connection.buffer.is_empty() && self.body != Body::UntilClose;
        (self.keeps_alive && clean).then_some(self.connection)
    }
}

/// The bytes of a request.
fn written(request: &RequestLine, manners: &Manners) -> Result<Vec<u8>, String> {
    fn put(out: &mut Vec<u8>, parts: &[&str]) {
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
    }
    let token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let value = |text: &str| text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f));
    if !token(&request.method) || !token(&request.path) {
        return Err("the method or the path holds what HTTP cannot carry".to_owned());
    }
    if let Some((name, _)) = request
        .headers
        .iter()
        .find(|(name, text)| !token(name) || name.contains(':') || !value(text))
    {
        return Err(format!("the header {name:?} holds what HTTP cannot carry"));
    }
    if !value(&manners.authority) || !value(&manners.user_agent) {
        return Err("the host's name or the user agent holds what HTTP cannot carry".to_owned());
    }
    let has = |name: &str| request.headers.iter().any(|(n, _)| n == name);
    let mut out = Vec::with_capacity(512 + request.body.len());
    put(
        &mut out,
        &[&request.method, " ", &request.path, " HTTP/1.1\r\nhost: ", &manners.authority],
    );
    put(&mut out, &["\r\nuser-agent: ", &manners.user_agent]);
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
