//! A client's connection: which version of HTTP it speaks.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::peer::Peer;
use super::worker::Shared;
use super::{http1, http2};

/// How long a client may take to be told that its connection ends.
const CLOSING: Duration = Duration::from_secs(5);
/// The first bytes of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection over TLS; the handshake has settled the version.
pub(super) async fn encrypted(mut stream: TlsStream<TcpStream>, address: SocketAddr, shared: &Rc<Shared>) {
    let session = stream.get_ref().1;
    let peer = Peer::of(address, session.peer_certificates());
    let end = match session.alpn_protocol() {
        Some(b"h2") => {
            http2::serve(&mut stream, &peer, shared).await;
            End::Whole
        }
        _ => http1::serve(&mut stream, BytesMut::with_capacity(8 * 1024), &peer, shared).await,
    };
    // Without a close_notify a client cannot tell the end of an answer from a connection that somebody cut (RFC 8446, section 6.1); so an
    // answer that was cut gets none.
    match end {
        End::Whole => {
            // A client that takes nothing, or is gone, has no use for it.
            let _ = timeout(CLOSING, stream.shutdown()).await;
        }
        End::Cut => reset(stream.get_ref().0),
    }
}

/// Closes a connection so that the client sees an error, and not the end of what it got.
pub(super) fn reset(stream: &TcpStream) {
    // A connection that does not know the option is closed as any other.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Serves a connection without TLS; its first bytes tell the version.
pub(super) async fn plain(mut stream: TcpStream, address: SocketAddr, shared: &Rc<Shared>) {
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    // Every method of HTTP/1 differs from the preface within its first three bytes, but for a made-up one, which is refused either way.
    while buffer.len() < 3 && PREFACE.starts_with(&buffer) {
        let read = tokio::select! {
            biased;
            read = timeout(shared.gate.bounds.idle, stream.read_buf(&mut buffer)) => read,
            () = shared.gate.stopped() => return,
        };
        if !matches!(read, Ok(Ok(count)) if count > 0) {
            return;
        }
    }
    if PREFACE.starts_with(&buffer[..buffer.len().min(PREFACE.len())]) {
        http2::serve(Begun { buffer, stream }, &Peer::of(address, None), shared).await;
    } else {
        let end = http1::serve(&mut stream, buffer, &Peer::of(address, None), shared).await;
        if end == End::Cut {
            reset(&stream);
        }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What the client got is whole, or shows by its length or its last chunk that it is not.
    Whole,
    /// The end of the connection would be taken for the end of an answer that broke off.
    Cut,
}

/// A connection of which some bytes were read already.
struct Begun {
    buffer: BytesMut,
    stream: TcpStream,
}

impl AsyncRead for Begun {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.buffer.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let count = self.buffer.len().min(into.remaining());
        into.put_slice(&self.buffer[..count]);
        self.buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
