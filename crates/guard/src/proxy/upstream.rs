//! The server behind the gateway: connections to it, and what it answers.

use std::cell::{Cell, RefCell};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use vigie_http::body::{Body, Piece};
use vigie_http::head::{ResponseHead, ResponseReader};
use vigie_http::headers;

use super::http1::write_number;
use super::patience::{Patience, within};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Room for a piece of an answer, in bytes. It is made before each read: what is left of the last one shrinks, down to reads of two bytes.
const READ: usize = 8 * 1024;
/// Room for the head of a request.
const HEAD: usize = 256;
/// A body up to this many bytes is sent in one piece with its head.
const SHORT: usize = 8 * 1024;
/// Idle connections that a thread keeps.
const IDLE: usize = 64;

/// Why the server behind gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("no connection to the server: {0}")]
    Connect(String),
    /// The connection broke.
    #[error("the server closed the connection")]
    Broken,
    /// It did not answer in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// What it sent is no answer.
    #[error("the server's answer is malformed: {0}")]
    Malformed(String),
}

/// Connections of one thread to the server behind.
pub(crate) struct Upstream {
    target: Target,
    /// The value of `Host`: its own, never the client's.
    authority: String,
    /// The longest wait for the head of an answer, and between two pieces of its body.
    pub(crate) wait: Duration,
    /// TLS to it, under this name.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Header lines of every request, each with its end: the credential that it is sent.
    lines: String,
    idle: RefCell<Vec<Connection>>,
    /// Whether the server closed a connection that was kept, since this was asked last.
    closed: Cell<bool>,
}

/// Where a server is.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Address(SocketAddr),
    /// A name and a port, looked up for each connection.
    Name(String, u16),
}

impl Target {
    async fn connect(&self) -> std::io::Result<TcpStream> {
        match self {
            Self::Address(address) => TcpStream::connect(address).await,
            Self::Name(host, port) => TcpStream::connect((host.as_str(), *port)).await,
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

struct Connection {
    stream: Box<dyn Io>,
    buffer: BytesMut,
    patience: Patience,
}

/// An answer whose body is still to come.
pub(crate) struct Answer {
    pub(crate) head: ResponseHead,
    body: Body,
    connection: Connection,
    keeps_alive: bool,
}

/// A request to the server behind.
pub(crate) struct Forwarded<'r> {
    pub(crate) method: &'r str,
    pub(crate) target: &'r str,
    /// The client's `Accept`, if it is plain.
    pub(crate) accept: Option<&'r str>,
    /// The trace that it belongs to, as the gateway writes it.
    pub(crate) traceparent: Option<&'r str>,
    pub(crate) body: Option<(&'r str, &'r [u8])>,
}

impl Upstream {
    pub(crate) fn new(target: Target, authority: String, wait: Duration) -> Self {
        Self {
            target,
            authority,
            wait,
            tls: None,
            lines: String::new(),
            idle: RefCell::default(),
            closed: Cell::new(false),
        }
    }

    /// Whether the server closed a connection that was kept, since this was asked last: it may have restarted.
    pub(crate) fn closed(&self) -> bool {
        self.closed.take()
    }

    /// The same over TLS, or with a credential of the gateway's own on every request.
    pub(crate) fn with(self, tls: Option<(TlsConnector, ServerName<'static>)>, bearer: Option<String>) -> Self {
        let lines = bearer
            .map(|bearer| format!("authorization: Bearer {bearer}\r\n"))
            .unwrap_or_default();
        Self { tls, lines, ..self }
    }

    /// The same with more header lines on every request, each with its end.
    pub(crate) fn with_lines(mut self, lines: &str) -> Self {
        self.lines.push_str(lines);
        self
    }

    /// Sends a request and waits for the head of the answer. A kept connection that the server has closed meanwhile is replaced once.
    pub(crate) async fn send(&self, request: &Forwarded<'_>) -> Result<Answer, UpstreamError> {
        let (head, body) = self.message(request);
        if let Some(connection) = self.kept() {
            match self.exchange(connection, &head, body, request.method).await {
                // Nothing came back: it was closed before the request arrived. A request on which a server closes every connection is
                // not tried on all that are kept.
                Err((UpstreamError::Broken, true)) => self.closed.set(true),
                Err((error, _)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
        let stream = match timeout(CONNECT, self.target.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(UpstreamError::Connect(error.to_string())),
            Err(_) => return Err(UpstreamError::Connect("it took too long".to_owned())),
        };
        // Small requests should not wait for one another.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Io> = match &self.tls {
            None => Box::new(stream),
            Some((tls, name)) => match timeout(CONNECT, tls.connect(name.clone(), stream)).await {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(error)) => return Err(UpstreamError::Connect(error.to_string())),
                Err(_) => return Err(UpstreamError::Connect("the TLS handshake took too long".to_owned())),
            },
        };
        let connection = Connection {
            stream,
            buffer: BytesMut::with_capacity(8 * 1024),
            patience: Patience::new(),
        };
        self.exchange(connection, &head, body, request.method)
            .await
            .map_err(|(error, _)| error)
    }

    /// The bytes to send: a head with a short body, and a body that is too long to be copied.
    fn message<'r>(&self, request: &Forwarded<'r>) -> (Vec<u8>, &'r [u8]) {
        let short = request.body.map(|(_, body)| body).filter(|body| body.len() <= SHORT);
        let mut bytes = Vec::with_capacity(HEAD + short.map_or(0, <[u8]>::len));
        for part in [request.method, " ", request.target, " HTTP/1.1\r\nhost: ", &self.authority, "\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(self.lines.as_bytes());
        if let Some(traceparent) = request.traceparent {
            for part in ["traceparent: ", traceparent, "\r\n"] {
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        if let Some(accept) = request.accept {
            for part in ["accept: ", accept, "\r\n"] {
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        match request.body {
            Some((content_type, body)) => {
                for part in ["content-type: ", content_type, "\r\n"] {
                    bytes.extend_from_slice(part.as_bytes());
                }
                write_number(&mut bytes, b"content-length: ", body.len() as u64);
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(short.unwrap_or_default());
            }
            None if matches!(request.method, "GET" | "HEAD") => bytes.extend_from_slice(b"\r\n"),
            None => bytes.extend_from_slice(b"content-length: 0\r\n\r\n"),
        }
        let long = request.body.filter(|_| short.is_none()).map(|(_, body)| body);
        (bytes, long.unwrap_or_default())
    }

    /// A kept connection that is still open.
    fn kept(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            // A server has nothing to say on an idle connection but that it closes it.
            let mut byte = [0];
            let mut read = ReadBuf::new(&mut byte);
            let polled = Pin::new(&mut connection.stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut read);
            if matches!(polled, Poll::Pending) {
                return Some(connection);
            }
            self.closed.set(true);
        }
    }

    /// The error says whether not a byte came back.
    async fn exchange(&self, mut connection: Connection, head: &[u8], body: &[u8], method: &str) -> Result<Answer, (UpstreamError, bool)> {
        let until = Instant::now() + self.wait;
        match within(self.wait, write_both(&mut connection.stream, head, body)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err((UpstreamError::Broken, true)),
            Err(_) => return Err((UpstreamError::Timeout, false)),
        }
        let malformed = |why: String| (UpstreamError::Malformed(why), false);
        let mut reader = ResponseReader::default();
        let (head, body) = loop {
            match reader.read_strict(&mut connection.buffer, method) {
                Err(error) => return Err(malformed(error.to_string())),
                Ok(Some(answer)) => break answer,
                Ok(None) => {}
            }
            connection.buffer.reserve(READ);
            // A server that sends its head byte by byte gets no more time for it.
            match connection
                .patience
                .until(|| until, connection.stream.read_buf(&mut connection.buffer))
                .await
            {
                Err(_) => return Err((UpstreamError::Timeout, false)),
                Ok(Ok(count)) if count > 0 => {}
                Ok(_) => return Err((UpstreamError::Broken, connection.buffer.is_empty())),
            }
        };
        // Nobody asked for one, and what is in it would be neither metered nor filtered.
        if headers::elements(&head.headers, "content-encoding").any(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(malformed("its body is encoded".to_owned()));
        }
        Ok(Answer {
            keeps_alive: head.keeps_alive(),
            head,
            body,
            connection,
        })
    }

    /// Keeps the connection of an answer that was read to its end.
    pub(crate) fn keep(&self, answer: Answer) {
        let mut idle = self.idle.borrow_mut();
        if answer.keeps_alive && answer.connection.buffer.is_empty() && !matches!(answer.body, Body::UntilClose) && idle.len() < IDLE {
            idle.push(answer.connection);
        }
    }
}

/// Writes two pieces, together as far as the connection takes them.
async fn write_both(stream: &mut Box<dyn Io>, mut head: &[u8], mut body: &[u8]) -> std::io::Result<()> {
    while !head.is_empty() && !body.is_empty() {
        let count = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        let of_head = count.min(head.len());
        head = &head[of_head..];
        body = &body[count - of_head..];
    }
    stream.write_all(head).await?;
    stream.write_all(body).await
}

impl Answer {
    /// How many bytes the body has, if its head says so.
    pub(crate) fn length(&self) -> Option<u64> {
        match self.body {
            Body::Length(length) => Some(length),
            Body::Chunks(_) | Body::UntilClose => None,
        }
    }

    /// The next piece of the body that is here already; `None`: there is none.
    pub(crate) fn here(&mut self) -> Result<Option<BytesMut>, UpstreamError> {
        let buffer = &mut self.connection.buffer;
        let piece = self
            .body
            .next(buffer)
            .map_err(|error| UpstreamError::Malformed(error.to_string()))?;
        Ok(match piece {
            Piece::Data(count) if count > 0 => Some(buffer.split_to(count)),
            Piece::Data(_) | Piece::More | Piece::End => None,
        })
    }

    /// The next piece of the body; `None`: it is over. It may be dropped while it waits and be called again.
    pub(crate) async fn piece(&mut self, wait: Duration) -> Result<Option<BytesMut>, UpstreamError> {
        loop {
            let Connection { stream, buffer, patience } = &mut self.connection;
            match self
                .body
                .next(buffer)
                .map_err(|error| UpstreamError::Malformed(error.to_string()))?
            {
                Piece::End => return Ok(None),
                Piece::Data(count) if count > 0 => return Ok(Some(buffer.split_to(count))),
                Piece::Data(_) | Piece::More => {}
            }
            buffer.reserve(READ);
            match patience.wait(wait, stream.read_buf(buffer)).await {
                Err(_) => return Err(UpstreamError::Timeout),
                Ok(Ok(count)) if count > 0 => {}
                Ok(_) if self.body.may_close() => return Ok(None),
                Ok(_) => return Err(UpstreamError::Broken),
            }
        }
    }
}
