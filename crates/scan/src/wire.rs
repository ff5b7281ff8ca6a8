//! One connection, one exchange: hyper at connection level, with caps on everything a hostile server could make endless.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use vigie_catalog::ReplyEnd;
use vigie_model::{Certificate, Failure, FailureKind, Reply, RequestLine};

use crate::body::{Allowance, Filled, Reading, Stop};

/// The most bytes of headers.
const MAX_HEAD: usize = 64 * 1024;
/// The bytes kept of an answer that is no HTTP.
const MAX_BANNER: usize = 256;

/// How a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// HTTP/1.1 over TCP.
    Plain,
    /// HTTP/2 over TCP, by prior knowledge.
    PlainTwo,
    /// TLS, and what ALPN chose.
    Tls,
}

/// What every request says of its sender.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    /// `Host`.
    pub(crate) authority: String,
    /// `User-Agent`, with a contact.
    pub(crate) user_agent: Rc<str>,
}

type Body = Full<Bytes>;

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// An open connection.
pub(crate) struct Wire {
    sender: Sender,
    driver: tokio::task::JoinHandle<()>,
    first_bytes: Rc<RefCell<Vec<u8>>>,
    used: bool,
    /// What the server's certificate says.
    pub(crate) certificate: Option<Certificate>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        // The driver holds the socket: without this a server that never closes would keep it.
        self.driver.abort();
    }
}

/// A body that is still open: the event stream of an MCP session.
pub(crate) struct Stream {
    reading: Reading,
    /// Keeps the connection alive.
    _wire: Wire,
}

/// What one request gave.
pub(crate) enum Outcome {
    /// A reply in full (or to its cap); the connection may serve another request if it is given back.
    Reply(Reply, Option<Wire>),
    /// The head of a stream and its first event; the rest is still to come.
    Stream(Reply, Box<Stream>),
    /// No reply. `stale`: the connection had served before and was closed by the server, so the request may be tried on a new one.
    Failure { failure: Failure, stale: bool },
}

fn failure(kind: FailureKind, detail: impl Into<String>, banner: &[u8]) -> Failure {
    Failure {
        kind,
        detail: detail.into(),
        banner: banner.to_vec(),
    }
}

impl Wire {
    /// Opens a connection's HTTP side on a socket that is already connected.
    pub(crate) async fn open(stream: TcpStream, speech: Speech, name: &str, deadline: Instant) -> Result<Self, Failure> {
        let first_bytes = Rc::new(RefCell::new(Vec::new()));
        // Small requests should not wait for one another.
        let _ = stream.set_nodelay(true);
        let listening = Listening {
            inner: stream,
            first: Rc::clone(&first_bytes),
        };
        match speech {
            Speech::Plain => Self::one(listening, first_bytes, None).await,
            Speech::PlainTwo => Self::two(listening, first_bytes, None).await,
            Speech::Tls => {
                let server = rustls::pki_types::ServerName::try_from(name.to_owned())
                    .map_err(|_| failure(FailureKind::Tls, "the name is none that TLS can carry", &[]))?;
                let connector = tokio_rustls::TlsConnector::from(crate::tls::config());
                let tls = match timeout_at(deadline, connector.connect(server, listening)).await {
                    Err(_) => return Err(failure(FailureKind::Timeout, "the TLS handshake took too long", &[])),
                    Ok(Err(error)) => return Err(failure(FailureKind::Tls, error.to_string(), &first_bytes.borrow())),
                    Ok(Ok(tls)) => tls,
                };
                let (_, session) = tls.get_ref();
                let certificate = session
                    .peer_certificates()
                    .and_then(|chain| chain.first())
                    .map(|der| crate::tls::certificate(der));
                let two = session.alpn_protocol() == Some(b"h2");
                if two {
                    Self::two(tls, first_bytes, certificate).await
                } else {
                    Self::one(tls, first_bytes, certificate).await
                }
            }
        }
    }

    async fn one<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        stream: S,
        first_bytes: Rc<RefCell<Vec<u8>>>,
        certificate: Option<Certificate>,
    ) -> Result<Self, Failure> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .ignore_invalid_headers_in_responses(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failure(FailureKind::Reset, error.to_string(), &[]))?;
        Ok(Self::driven(Sender::One(sender), connection, first_bytes, certificate))
    }

    async fn two<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        stream: S,
        first_bytes: Rc<RefCell<Vec<u8>>>,
        certificate: Option<Certificate>,
    ) -> Result<Self, Failure> {
        let (sender, connection) = http2::Builder::new(OnThisThread)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .initial_stream_window_size(256 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failure(FailureKind::Reset, error.to_string(), &[]))?;
        Ok(Self::driven(Sender::Two(sender), connection, first_bytes, certificate))
    }

    fn driven(
        sender: Sender,
        connection: impl Future<Output = hyper::Result<()>> + 'static,
        first_bytes: Rc<RefCell<Vec<u8>>>,
        certificate: Option<Certificate>,
    ) -> Self {
        let driver = tokio::task::spawn_local(async move {
            // The error also reaches the request that waits for a reply.
            let _ = connection.await;
        });
        Self {
            sender,
            driver,
            first_bytes,
            used: false,
            certificate,
        }
    }

    /// Sends one request and reads the reply.
    pub(crate) async fn exchange(
        mut self,
        request: &RequestLine,
        manners: &Manners,
        secure: bool,
        end: ReplyEnd,
        allowance: &Allowance,
        deadline: Instant,
    ) -> Outcome {
        let reused = std::mem::replace(&mut self.used, true);
        let built = match build(request, manners, secure, matches!(self.sender, Sender::Two(_))) {
            Ok(built) => built,
            Err(detail) => {
                return Outcome::Failure {
                    failure: failure(FailureKind::Connect, detail, &[]),
                    stale: false,
                };
            }
        };
        let waited = timeout_at(deadline, async {
            match &mut self.sender {
                Sender::One(sender) => {
                    sender.ready().await?;
                    sender.send_request(built).await
                }
                Sender::Two(sender) => {
                    sender.ready().await?;
                    sender.send_request(built).await
                }
            }
        })
        .await;
        let response = match waited {
            Err(_) => {
                return Outcome::Failure {
                    failure: failure(FailureKind::Timeout, "no answer in time", &self.first_bytes.borrow()),
                    stale: false,
                };
            }
            Ok(Err(error)) => {
                let banner = if reused { Vec::new() } else { self.first_bytes.borrow().clone() };
                let (kind, stale) = classify(&error, &banner, reused);
                return Outcome::Failure {
                    failure: failure(kind, error.to_string(), &banner),
                    stale,
                };
            }
            Ok(Ok(response)) => response,
        };
        let (parts, body) = response.into_parts();
        let mut reply = Reply {
            status: parts.status.as_u16(),
            version: format!("{:?}", parts.version),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            body: Vec::new(),
            truncated: false,
        };
        let is_stream = reply
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        // An event stream has no end of its own: whatever was asked for, its first event is what there is to read.
        let stop = match end {
            _ if !is_stream => Stop::End,
            ReplyEnd::EventStream => Stop::Answer,
            ReplyEnd::Session | ReplyEnd::Body => Stop::Event,
        };
        let mut stream = Stream {
            reading: Reading::new(body, allowance.clone()),
            _wire: self,
        };
        let whole = stream.reading.fill(stop, deadline).await;
        reply.body = stream.reading.buffer.to_vec();
        reply.truncated = whole != Filled::Whole && stop == Stop::End;
        crate::body::decode(&mut reply, allowance, deadline).await;
        if is_stream && end == ReplyEnd::Session && whole == Filled::Stopped {
            stream.reading.buffer.clear();
            return Outcome::Stream(reply, Box::new(stream));
        }
        // A connection whose body was not read to the end is not used again.
        let Stream { _wire: wire, .. } = stream;
        Outcome::Reply(reply, (whole == Filled::Whole && !wire.closed()).then_some(wire))
    }

    fn closed(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        }
    }
}

impl Stream {
    /// The next event that is a JSON-RPC answer, as event text.
    pub(crate) async fn answer(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        let filled = self.reading.fill(Stop::Answer, deadline).await;
        let text = self.reading.buffer.to_vec();
        self.reading.buffer.clear();
        (filled == Filled::Stopped).then_some(text)
    }
}

fn build(request: &RequestLine, manners: &Manners, secure: bool, two: bool) -> Result<http::Request<Body>, String> {
    fn value(text: &str) -> Result<HeaderValue, String> {
        HeaderValue::from_str(text).map_err(|error| error.to_string())
    }
    let mut built = http::Request::new(Full::new(Bytes::from(request.body.clone())));
    *built.method_mut() = request
        .method
        .parse()
        .map_err(|error: http::method::InvalidMethod| error.to_string())?;
    let uri = if two {
        let scheme = if secure { "https" } else { "http" };
        format!("{scheme}://{}{}", manners.authority, request.path)
    } else {
        request.path.clone()
    };
    *built.uri_mut() = http::Uri::try_from(uri).map_err(|error| error.to_string())?;
    let headers = built.headers_mut();
    if !two {
        headers.insert(http::header::HOST, value(&manners.authority)?);
    }
    headers.insert(http::header::USER_AGENT, value(&manners.user_agent)?);
    if !request.headers.iter().any(|(name, _)| name == "accept") {
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("*/*"));
    }
    for (name, text) in &request.headers {
        let name = http::HeaderName::try_from(name).map_err(|error| error.to_string())?;
        headers.append(name, value(text)?);
    }
    if !request.body.is_empty() && !request.headers.iter().any(|(name, _)| name == "content-type") {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(built)
}

fn classify(error: &hyper::Error, banner: &[u8], reused: bool) -> (FailureKind, bool) {
    // Too many or too long headers are a parse error whose answer did start as HTTP.
    if (error.is_parse() || error.is_parse_status()) && banner.starts_with(b"HTTP/") {
        (FailureKind::TooLarge, false)
    } else if error.is_parse() || (!banner.is_empty() && !banner.starts_with(b"HTTP/")) {
        (FailureKind::NotHttp, false)
    } else {
        (FailureKind::Reset, reused)
    }
}

/// Runs HTTP/2's own tasks on the thread of the connection.
#[derive(Clone, Copy)]
struct OnThisThread;

impl<F: std::future::Future + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Remembers the first bytes that come, so that an answer that is no HTTP can be told.
struct Listening<S> {
    inner: S,
    first: Rc<RefCell<Vec<u8>>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let mut first = self.first.borrow_mut();
        if first.len() < MAX_BANNER {
            let new = &buf.filled()[before..];
            let room = MAX_BANNER - first.len();
            first.extend_from_slice(&new[..new.len().min(room)]);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[std::io::IoSlice<'_>]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
