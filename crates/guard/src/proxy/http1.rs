//! HTTP/1.1 towards clients.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use vigie_http::body::Body;
use vigie_http::head::RequestHead;
use vigie_http::headers;

use super::client::Client;
use super::connection::End;
use super::exchange::Exchange;
use super::patience::Patience;
use super::peer::Peer;
use super::wire::{self, Bounds, reason, write};
use super::worker::Shared;
use crate::policy::Refusal;

/// Of a request that is refused unread so much is still taken, so that the client sees the answer and not a reset.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(2);
/// Room for an answer's head and a short body.
const ROOM: usize = 1_000;
/// What a client sends while it waits for its answer is kept, up to this many bytes.
const AHEAD: usize = 64 * 1024;

/// Serves a connection until it ends.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(io: &mut S, mut buffer: BytesMut, peer: &Peer, shared: &Rc<Shared>) -> End {
    let mut shared = Rc::clone(shared);
    let life = Arc::clone(&shared.gate.life);
    // A connection that waits for its next request does not keep the gateway from stopping.
    let mut stopped = std::pin::pin!(life.stopped());
    let mut patience = Patience::new();
    loop {
        let gate = &shared.gate;
        let read = tokio::select! {
            biased;
            read = wire::read_head(io, &mut buffer, &gate.bounds, &mut patience) => read,
            () = &mut stopped => return End::Whole,
        };
        if matches!(read, Ok(None)) {
            return End::Whole;
        }
        // The configuration may have been read anew while the connection waited.
        shared = shared.latest();
        let gate = &shared.gate;
        let mut exchange = Exchange::new(peer, &shared);
        let goes_on = match read {
            Ok(None) => GoesOn::No,
            Err(refusal) => {
                let mut client = Http1::of_malformed(io, &mut buffer);
                exchange.refuse(&mut client, &refusal).await;
                client.goes_on()
            }
            Ok(Some((head, body))) => {
                let mut client = Http1::new(io, &mut buffer, &head, body);
                if gate.is_stopping() {
                    client.close();
                }
                exchange.run(&mut client, &head).await;
                client.goes_on()
            }
        };
        drop(exchange);
        match goes_on {
            // Its answer promised that the connection stays open.
            GoesOn::Yes => {}
            GoesOn::No => return End::Whole,
            GoesOn::Unread => {
                linger(io).await;
                return End::Whole;
            }
            GoesOn::Cut => return End::Cut,
        }
    }
}

/// Whether another request may follow on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoesOn {
    Yes,
    No,
    /// No, and the request was not read to its end.
    Unread,
    /// No, and the client would take the end of the connection for the end of the answer, which broke off.
    Cut,
}

/// One request on a connection.
pub(super) struct Http1<'c, S> {
    io: &'c mut S,
    buffer: &'c mut BytesMut,
    out: Vec<u8>,
    /// What is left of the request's body.
    body: Body,
    framing: Framing,
    is_http11: bool,
    expects_continue: bool,
    keeps_alive: bool,
    /// An answer was begun.
    has_begun: bool,
    finished: bool,
}

/// How the end of an answer is marked for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunks,
    Close,
}

impl<'c, S> Http1<'c, S> {
    pub(super) fn new(io: &'c mut S, buffer: &'c mut BytesMut, head: &RequestHead, body: Body) -> Self {
        let is_http11 = head.version == "HTTP/1.1";
        let closes = headers::elements(&head.headers, "connection").any(|element| element.eq_ignore_ascii_case("close"));
        Self {
            io,
            buffer,
            out: Vec::new(),
            body,
            framing: Framing::Close,
            is_http11,
            expects_continue: headers::first(&head.headers, "expect").is_some(),
            keeps_alive: is_http11 && !closes,
            has_begun: false,
            finished: false,
        }
    }

    /// A request whose head does not read.
    pub(super) fn of_malformed(io: &'c mut S, buffer: &'c mut BytesMut) -> Self {
        Self {
            io,
            buffer,
            out: Vec::new(),
            body: Body::UntilClose,
            framing: Framing::Close,
            is_http11: false,
            expects_continue: false,
            keeps_alive: false,
            has_begun: false,
            finished: false,
        }
    }

    /// Whether another request may follow.
    pub(super) fn goes_on(&self) -> GoesOn {
        match (self.finished, self.keeps_alive, self.body == Body::Length(0)) {
            (true, true, true) => GoesOn::Yes,
            (true, false, false) => GoesOn::Unread,
            (false, ..) if self.framing == Framing::Close && self.has_begun => GoesOn::Cut,
            _ => GoesOn::No,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client for Http1<'_, S> {
    fn announced(&self) -> Option<u64> {
        match self.body {
            Body::Length(length) => Some(length),
            Body::Chunks(_) | Body::UntilClose => None,
        }
    }

    async fn body(&mut self, bounds: &Bounds) -> Result<BytesMut, Refusal> {
        if self.expects_continue && !write(self.io, b"HTTP/1.1 100 Continue\r\n\r\n").await {
            return Err(Refusal::Ambiguous("the connection broke before the body".to_owned()));
        }
        let body = wire::read_body(self.io, self.buffer, self.body, bounds).await?;
        self.body = Body::Length(0);
        Ok(body)
    }

    fn begin<'f>(&mut self, status: u16, fields: impl Iterator<Item = (&'f str, &'f str)>, more: &str, length: Option<u64>) {
        self.has_begun = true;
        let out = &mut self.out;
        out.reserve(ROOM);
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(&status_digits(status));
        for part in [" ", reason(status), "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        for (name, value) in fields {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(more.as_bytes());
        self.framing = match (length, self.is_http11) {
            // These have no body and no length.
            (Some(_), _) if matches!(status, 204 | 304) => Framing::Length,
            (Some(length), _) => {
                write_number(out, b"content-length: ", length);
                Framing::Length
            }
            (None, true) => {
                out.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Framing::Chunks
            }
            (None, false) => Framing::Close,
        };
        // What is not read of the request would be taken for the next one.
        self.keeps_alive &= self.framing != Framing::Close && self.body == Body::Length(0);
        if !self.keeps_alive {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    fn push(&mut self, piece: &[u8]) {
        if self.framing == Framing::Chunks {
            write_hex(&mut self.out, piece.len());
            self.out.extend_from_slice(piece);
            self.out.extend_from_slice(b"\r\n");
        } else {
            self.out.extend_from_slice(piece);
        }
    }

    fn has_unsent(&self) -> bool {
        !self.out.is_empty()
    }

    async fn flush(&mut self) -> bool {
        let written = write(self.io, &self.out).await;
        self.out.clear();
        written
    }

    async fn finish(&mut self) -> bool {
        if self.framing == Framing::Chunks {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        self.finished = self.out.is_empty() || self.flush().await;
        self.finished
    }

    async fn gone(&mut self) {
        loop {
            if self.buffer.len() >= AHEAD {
                // It sends more than it may: its next bytes are read when their turn comes.
                std::future::pending::<()>().await;
            }
            match self.io.read_buf(self.buffer).await {
                Ok(count) if count > 0 => {}
                _ => return,
            }
        }
    }

    fn close(&mut self) {
        self.keeps_alive = false;
    }
}

/// Closes a connection whose request was not read to its end: the client gets to read the answer.
pub(super) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(io: &mut S) {
    if io.shutdown().await.is_err() {
        return;
    }
    let mut taken = 0;
    let mut waste = [0; 4096];
    let drain = async {
        while taken < LINGER_BYTES {
            match io.read(&mut waste).await {
                Ok(count) if count > 0 => taken += count,
                _ => break,
            }
        }
    };
    // However it ends, the connection is closed.
    let _ = timeout(LINGER, drain).await;
}

/// The three digits of a status.
fn status_digits(status: u16) -> [u8; 3] {
    let digit = |place: u16| b'0' + u8::try_from(status / place % 10).unwrap_or(0);
    [digit(100), digit(10), digit(1)]
}

/// A header line with a decimal number.
pub(super) fn write_number(out: &mut Vec<u8>, name: &[u8], mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// The line that announces a chunk.
fn write_hex(out: &mut Vec<u8>, mut number: usize) {
    let mut digits = [0; 16];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[number % 16];
        number /= 16;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_the_standard_library_writes_them(number: u64, status in 100_u16..1_000) {
            let mut out = Vec::new();
            write_number(&mut out, b"n: ", number);
            prop_assert_eq!(out, format!("n: {number}\r\n").into_bytes());
            let mut out = Vec::new();
            write_hex(&mut out, number as usize);
            prop_assert_eq!(out, format!("{number:x}\r\n").into_bytes());
            prop_assert_eq!(status_digits(status).to_vec(), status.to_string().into_bytes());
        }
    }
}
