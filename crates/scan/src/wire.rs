//! One connection, one exchange: HTTP/1 or HTTP/2, over TCP or TLS, with caps on everything a hostile server could make endless.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use vigie_catalog::ReplyEnd;
use vigie_http::head::ResponseHead;
use vigie_http::headers;
use vigie_model::{Certificate, Failure, FailureKind, Reply, RequestLine};

use crate::body::{Allowance, Broken, Filled, Reading, Stop};
use crate::{http1, http2};

/// The bytes kept of an answer that is no HTTP.
pub(crate) const MAX_BANNER: usize = 256;

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

/// An open connection.
pub(crate) enum Wire {
    One(http1::Connection),
    Two(http2::Connection, FirstBytes),
}

/// A reply whose body is still to be read.
pub(crate) enum Receiving {
    One(http1::Receiving),
    Two(http2::Receiving, FirstBytes),
}

/// A body that is still open: the event stream of an MCP session.
pub(crate) struct Stream(Reading);

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
    /// Opens a connection's HTTP side on a socket that is already connected; tells what a certificate says besides.
    pub(crate) async fn open(
        stream: TcpStream,
        speech: Speech,
        name: &str,
        deadline: Instant,
    ) -> Result<(Self, Option<Certificate>), Failure> {
        // Small requests should not wait for one another.
        let _ = stream.set_nodelay(true);
        if speech == Speech::Plain {
            return Ok((Self::One(http1::Connection::new(http1::Socket::Plain(stream))), None));
        }
        let first = FirstBytes::default();
        let listening = Listening {
            inner: stream,
            first: first.clone(),
        };
        if speech == Speech::PlainTwo {
            return Ok((Self::two(listening, first).await?, None));
        }
        let server = rustls::pki_types::ServerName::try_from(name.to_owned())
            .map_err(|_| failure(FailureKind::Tls, "the name is none that TLS can carry", &[]))?;
        let connector = tokio_rustls::TlsConnector::from(crate::tls::config());
        let tls = match timeout_at(deadline, connector.connect(server, listening)).await {
            Err(_) => return Err(failure(FailureKind::Timeout, "the TLS handshake took too long", &[])),
            Ok(Err(error)) => return Err(failure(FailureKind::Tls, error.to_string(), &first.get())),
            Ok(Ok(tls)) => tls,
        };
        let (_, session) = tls.get_ref();
        let certificate = session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|der| crate::tls::certificate(der));
        let wire = if session.alpn_protocol() == Some(b"h2") {
            Self::two(tls, first).await?
        } else {
            Self::One(http1::Connection::new(http1::Socket::Tls(Box::new(tls))))
        };
        Ok((wire, certificate))
    }

    async fn two<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, first: FirstBytes) -> Result<Self, Failure> {
        match http2::Connection::open(stream).await {
            Ok(connection) => Ok(Self::Two(connection, first)),
            Err(error) => Err(failure(FailureKind::Reset, error.to_string(), &[])),
        }
    }

    /// Sends one request and reads the reply.
    pub(crate) async fn exchange(
        self,
        request: &RequestLine,
        manners: &Manners,
        secure: bool,
        end: ReplyEnd,
        allowance: &Allowance,
        deadline: Instant,
    ) -> Outcome {
        let (head, receiving) = match self.ask(request, manners, secure, deadline).await {
            Ok(answered) => answered,
            Err((failure, stale)) => return Outcome::Failure { failure, stale },
        };
        let mut reply = Reply {
            status: head.status,
            version: head.version.to_owned(),
            headers: head.headers,
            body: Vec::new(),
            truncated: false,
        };
        let is_stream = headers::is_event_stream(&reply.headers);
        // An event stream has no end of its own: whatever was asked for, its first event is what there is to read.
        let stop = match end {
            _ if !is_stream => Stop::End,
            ReplyEnd::EventStream => Stop::Answer,
            ReplyEnd::Session | ReplyEnd::Body => Stop::Event,
        };
        let mut reading = Reading::new(receiving, allowance.clone());
        let whole = reading.fill(stop, deadline).await;
        let goes_on = is_stream && end == ReplyEnd::Session && whole == Filled::Stopped;
        reply.body = if goes_on {
            reading.kept.take()
        } else {
            std::mem::take(&mut reading.kept.buffer)
        };
        reply.truncated = whole != Filled::Whole && stop == Stop::End;
        crate::body::decode(&mut reply, allowance, deadline).await;
        if goes_on {
            return Outcome::Stream(reply, Box::new(Stream(reading)));
        }
        // A connection whose body was not read to the end is not used again.
        let wire = if whole == Filled::Whole { reading.from.over() } else { None };
        Outcome::Reply(reply, wire)
    }

    async fn ask(
        self,
        request: &RequestLine,
        manners: &Manners,
        secure: bool,
        deadline: Instant,
    ) -> Result<(ResponseHead, Receiving), (Failure, bool)> {
        const LATE: &str = "no answer in time";
        match self {
            Self::One(mut connection) => match timeout_at(deadline, connection.ask(request, manners)).await {
                Err(_) => Err((failure(FailureKind::Timeout, LATE, connection.banner()), false)),
                Ok(Err(why)) => Err((failure(why.kind, why.detail, connection.banner()), why.stale)),
                Ok(Ok((head, body))) => {
                    let receiving = connection.receiving(&head, body);
                    Ok((head, Receiving::One(receiving)))
                }
            },
            Self::Two(mut connection, first) => {
                let built = http2::built(request, manners, secure).map_err(|detail| (failure(FailureKind::Connect, detail, &[]), false))?;
                let reused = std::mem::replace(&mut connection.used, true);
                match timeout_at(deadline, connection.ask(built)).await {
                    Err(_) => Err((failure(FailureKind::Timeout, LATE, &first.get()), false)),
                    Ok(Err(error)) => {
                        let banner = if reused { Vec::new() } else { first.get() };
                        // A server that speaks HTTP/1 to this, or no HTTP at all.
                        let other = !banner.is_empty() && !is_frame(&banner);
                        let kind = if other { FailureKind::NotHttp } else { FailureKind::Reset };
                        Err((failure(kind, error.to_string(), &banner), reused && !other))
                    }
                    Ok(Ok((head, body))) => Ok((head, Receiving::Two(connection.receiving(body), first))),
                }
            }
        }
    }
}

/// Whether bytes begin as a server's HTTP/2 does: with a frame of settings on stream 0 (RFC 9113, section 3.4).
fn is_frame(bytes: &[u8]) -> bool {
    matches!(bytes, [_, _, _, 4, _, 0, 0, 0, 0, ..])
}

impl Receiving {
    /// The next piece of the body; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Option<Result<Bytes, Broken>> {
        match self {
            Self::One(receiving) => receiving.piece().await,
            Self::Two(receiving, _) => receiving.piece().await,
        }
    }

    /// The connection, once the body was read to its end and if it serves another request.
    fn over(self) -> Option<Wire> {
        match self {
            Self::One(receiving) => receiving.over().map(Wire::One),
            Self::Two(receiving, first) => receiving.over().map(|connection| Wire::Two(connection, first)),
        }
    }
}

impl Stream {
    /// The next event that is a JSON-RPC answer, as event text.
    pub(crate) async fn answer(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        let filled = self.0.fill(Stop::Answer, deadline).await;
        (filled == Filled::Stopped).then(|| self.0.kept.take())
    }
}

/// The first bytes that came on a connection whose reader is not ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct FirstBytes(Rc<RefCell<Vec<u8>>>);

impl FirstBytes {
    fn get(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

/// Remembers the first bytes that come, so that an answer that is no HTTP can be told.
pub(crate) struct Listening<S> {
    inner: S,
    first: FirstBytes,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let mut first = self.first.0.borrow_mut();
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
