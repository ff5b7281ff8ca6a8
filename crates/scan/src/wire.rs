//! Connections and exchanges: HTTP/1 or HTTP/2, over TCP or TLS, with limits on everything that a hostile server could make endless.

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

use crate::body::{Allowance, BodyError, BodyReader, ReadEnd, ReadUntil};
use crate::{http1, http2};

/// Number of bytes that are kept of an answer that is not HTTP.
pub(crate) const MAX_BANNER: usize = 256;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 over TCP.
    Http1,
    /// HTTP/2 over TCP, with prior knowledge.
    Http2,
    /// HTTP over TLS, in the version that ALPN selected.
    Tls,
}

/// The headers that every request of a connection has.
#[derive(Clone, Debug)]
pub(crate) struct ClientHeaders {
    /// `Host`.
    pub(crate) authority: String,
    /// `User-Agent`, with a contact.
    pub(crate) user_agent: Rc<str>,
}

/// An open connection that is ready for a request.
pub(crate) enum Wire {
    Http1(http1::Connection),
    Http2(http2::Connection, FirstBytes),
}

/// A reply whose head was received and whose body is not read yet.
pub(crate) enum PendingReply {
    Http1(http1::PendingReply),
    Http2(http2::PendingReply, FirstBytes),
}

/// The event stream of an MCP session, which stays open.
pub(crate) struct Stream(BodyReader);

/// The result of one request.
pub(crate) enum Outcome {
    /// A reply, complete or truncated; with the connection, if it can serve another request.
    Reply(Reply, Option<Wire>),
    /// The head of an event stream with its first event, and the open stream.
    Stream(Reply, Box<Stream>),
    /// No reply. `stale`: the server closed a connection that had served earlier requests, so the request may be sent on a new one.
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
    /// Starts TLS and HTTP on a connected socket; also returns the server's certificate.
    pub(crate) async fn open(
        stream: TcpStream,
        protocol: Protocol,
        name: &str,
        deadline: Instant,
    ) -> Result<(Self, Option<Certificate>), Failure> {
        // Nagle's algorithm would delay small requests.
        let _ = stream.set_nodelay(true);
        if protocol == Protocol::Http1 {
            return Ok((Self::Http1(http1::Connection::new(http1::Socket::Plain(stream))), None));
        }
        let first = FirstBytes::default();
        let tapped = FirstBytesTap {
            inner: stream,
            first: first.clone(),
        };
        if protocol == Protocol::Http2 {
            return Ok((Self::http2(tapped, first).await?, None));
        }
        let server = rustls::pki_types::ServerName::try_from(name.to_owned())
            .map_err(|_| failure(FailureKind::Tls, "the name is not a valid TLS server name", &[]))?;
        let connector = tokio_rustls::TlsConnector::from(crate::tls::config());
        let tls = match timeout_at(deadline, connector.connect(server, tapped)).await {
            Err(_) => return Err(failure(FailureKind::Timeout, "the TLS handshake timed out", &[])),
            Ok(Err(error)) => return Err(failure(FailureKind::Tls, error.to_string(), &first.get())),
            Ok(Ok(tls)) => tls,
        };
        let (_, session) = tls.get_ref();
        let certificate = session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|der| crate::tls::certificate(der));
        let wire = if session.alpn_protocol() == Some(b"h2") {
            Self::http2(tls, first).await?
        } else {
            Self::Http1(http1::Connection::new(http1::Socket::Tls(Box::new(tls))))
        };
        Ok((wire, certificate))
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, first: FirstBytes) -> Result<Self, Failure> {
        match http2::Connection::open(stream).await {
            Ok(connection) => Ok(Self::Http2(connection, first)),
            Err(error) => Err(failure(FailureKind::Reset, error.to_string(), &[])),
        }
    }

    /// Sends one request and reads the reply.
    pub(crate) async fn exchange(
        self,
        request: &RequestLine,
        client_headers: &ClientHeaders,
        secure: bool,
        end: ReplyEnd,
        allowance: &Allowance,
        deadline: Instant,
    ) -> Outcome {
        let (head, pending) = match self.ask(request, client_headers, secure, deadline).await {
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
        // An event stream may never end: where the whole body was asked for, its first event is read instead.
        let until = match end {
            _ if !is_stream => ReadUntil::End,
            ReplyEnd::EventStream => ReadUntil::Answer,
            ReplyEnd::Session | ReplyEnd::Body => ReadUntil::Event,
        };
        let mut reader = BodyReader::new(pending, allowance.clone());
        let read = reader.read_until(until, deadline).await;
        let stays_open = is_stream && end == ReplyEnd::Session && read == ReadEnd::Stopped;
        reply.body = if stays_open {
            reader.kept.take()
        } else {
            std::mem::take(&mut reader.kept.buffer)
        };
        reply.truncated = read != ReadEnd::Complete && until == ReadUntil::End;
        crate::body::decode(&mut reply, allowance, deadline).await;
        if stays_open {
            return Outcome::Stream(reply, Box::new(Stream(reader)));
        }
        // A connection whose body was not read to the end is not used again.
        let wire = if read == ReadEnd::Complete {
            reader.reply.into_connection()
        } else {
            None
        };
        Outcome::Reply(reply, wire)
    }

    async fn ask(
        self,
        request: &RequestLine,
        client_headers: &ClientHeaders,
        secure: bool,
        deadline: Instant,
    ) -> Result<(ResponseHead, PendingReply), (Failure, bool)> {
        const LATE: &str = "the server did not answer in time";
        match self {
            Self::Http1(mut connection) => match timeout_at(deadline, connection.ask(request, client_headers)).await {
                Err(_) => Err((failure(FailureKind::Timeout, LATE, connection.banner()), false)),
                Ok(Err(why)) => Err((failure(why.kind, why.detail, connection.banner()), why.stale)),
                Ok(Ok((head, body))) => {
                    let pending = connection.into_pending_reply(&head, body);
                    Ok((head, PendingReply::Http1(pending)))
                }
            },
            Self::Http2(mut connection, first) => {
                let request = http2::build_request(request, client_headers, secure)
                    .map_err(|detail| (failure(FailureKind::Connect, detail, &[]), false))?;
                let reused = std::mem::replace(&mut connection.used, true);
                match timeout_at(deadline, connection.ask(request)).await {
                    Err(_) => Err((failure(FailureKind::Timeout, LATE, &first.get()), false)),
                    Ok(Err(error)) => {
                        let banner = if reused { Vec::new() } else { first.get() };
                        // The server answered in HTTP/1 or in another protocol.
                        let other = !banner.is_empty() && !is_frame(&banner);
                        let kind = if other { FailureKind::NotHttp } else { FailureKind::Reset };
                        Err((failure(kind, error.to_string(), &banner), reused && !other))
                    }
                    Ok(Ok((head, body))) => Ok((head, PendingReply::Http2(connection.into_pending_reply(body), first))),
                }
            }
        }
    }
}

/// Whether bytes begin with a server's HTTP/2 preface: a SETTINGS frame on stream 0 (RFC 9113, section 3.4).
fn is_frame(bytes: &[u8]) -> bool {
    matches!(bytes, [_, _, _, 4, _, 0, 0, 0, 0, ..])
}

impl PendingReply {
    /// The next chunk of the body; `None` at its end.
    pub(crate) async fn next_chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        match self {
            Self::Http1(pending) => pending.next_chunk().await,
            Self::Http2(pending, _) => pending.next_chunk().await,
        }
    }

    /// The connection, if it can serve another request.
    fn into_connection(self) -> Option<Wire> {
        match self {
            Self::Http1(pending) => pending.into_connection().map(Wire::Http1),
            Self::Http2(pending, first) => pending.into_connection().map(|connection| Wire::Http2(connection, first)),
        }
    }
}

impl Stream {
    /// The next event that is a JSON-RPC response, as event text.
    pub(crate) async fn answer(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        let filled = self.0.read_until(ReadUntil::Answer, deadline).await;
        (filled == ReadEnd::Stopped).then(|| self.0.kept.take())
    }
}

/// The first bytes that were received on a connection that another library reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct FirstBytes(Rc<RefCell<Vec<u8>>>);

impl FirstBytes {
    fn get(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

/// Passes a stream through and keeps its first bytes, so that an answer that is not HTTP can be recognised.
pub(crate) struct FirstBytesTap<S> {
    inner: S,
    first: FirstBytes,
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytesTap<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytesTap<S> {
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
