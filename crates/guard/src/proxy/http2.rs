//! HTTP/2 towards clients (RFC 9113), by the library `h2`.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use vigie_http::head::{MAX_HEAD, RequestHead};

use super::client::Client;
use super::exchange::Exchange;
use super::grpc;
use super::peer::Peer;
use super::wire::{Bounds, WRITE};
use super::worker::Shared;
use crate::policy::Refusal;

/// How long the first frames of a connection may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Requests of one connection at a time.
const STREAMS: u32 = 100;
/// Requests of one connection that its client has reset, of which the gateway has not heard yet: more of them end the connection (rapid reset,
/// CVE-2023-44487).
const RESETS: usize = 20;
/// What a client may send of one request before the gateway reads it, and of all requests of a connection, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What waits for a client to take it, for each request, in bytes.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a connection that is to close may take for it.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves a connection until it ends.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(io: S, peer: &Peer, shared: &Rc<Shared>) {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESETS)
        .max_pending_accept_reset_streams(RESETS);
    let Ok(Ok(mut connection)) = timeout(HANDSHAKE, builder.handshake::<_, Bytes>(io)).await else {
        return;
    };
    let gate = &shared.gate;
    let open = Rc::new(());
    let mut idle_until = Instant::now() + gate.bounds.idle;
    let mut is_closing = false;
    loop {
        tokio::select! {
            biased;
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    idle_until = Instant::now() + gate.bounds.idle;
                    let (shared, open, peer) = (shared.latest(), Rc::clone(&open), peer.clone());
                    tokio::task::spawn_local(async move {
                        answer(request, respond, &peer, &shared).await;
                        drop(open);
                    });
                }
                Some(Err(_)) | None => return,
            },
            () = gate.stopped(), if !is_closing => {
                connection.graceful_shutdown();
                is_closing = true;
                // A client that does not answer the last frames is not waited for.
                idle_until = Instant::now() + CLOSING;
            }
            () = sleep_until(idle_until) => {
                if Rc::strong_count(&open) > 1 {
                    idle_until = Instant::now() + if is_closing { CLOSING } else { gate.bounds.idle };
                } else if is_closing {
                    return;
                } else {
                    connection.graceful_shutdown();
                    is_closing = true;
                    idle_until = Instant::now() + CLOSING;
                }
            }
        }
    }
}

/// Answers one request.
async fn answer(request: http::Request<RecvStream>, respond: SendResponse<Bytes>, peer: &Peer, shared: &Shared) {
    let (parts, received) = request.into_parts();
    let announced = match parts.headers.get(http::header::CONTENT_LENGTH) {
        _ if received.is_end_stream() => Some(0),
        Some(length) => length.to_str().ok().and_then(|length| length.parse().ok()),
        None => None,
    };
    let mut client = Http2 {
        received,
        announced,
        respond,
        head: None,
        sending: None,
        out: BytesMut::new(),
        trailers: None,
        is_finished: false,
    };
    let head = head_of(&parts);
    if let Ok(head) = &head
        && let Some(asker) = &shared.gate.plan.asker
        && grpc::is_call(head, asker)
    {
        return grpc::answer(&mut client, head, asker, peer, shared).await;
    }
    let mut exchange = Exchange::new(peer, shared);
    match head {
        Ok(head) => exchange.run(&mut client, &head).await,
        Err(refusal) => exchange.refuse(&mut client, &refusal).await,
    }
}

/// The head of a request, as strict as one of HTTP/1.1: it is written as such a one, and read by the same rules.
pub(super) fn head_of(parts: &Parts) -> Result<RequestHead, Refusal> {
    let ambiguous = |why: &str| Refusal::Ambiguous(why.to_owned());
    let target = parts.uri.path_and_query().ok_or_else(|| ambiguous("a request without a path"))?;
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    let host = match (parts.uri.authority(), hosts.next()) {
        (Some(authority), Some(host)) if host.as_bytes() != authority.as_str().as_bytes() => {
            return Err(ambiguous("an authority and another host"));
        }
        (Some(authority), _) => authority.as_str().as_bytes(),
        (None, Some(host)) => host.as_bytes(),
        (None, None) => return Err(ambiguous("a request without a host")),
    };
    if hosts.next().is_some() {
        return Err(ambiguous("two hosts"));
    }
    let mut text = Vec::with_capacity(512);
    for part in [parts.method.as_str(), " ", target.as_str(), " HTTP/1.1\r\nhost: "] {
        text.extend_from_slice(part.as_bytes());
    }
    text.extend_from_slice(host);
    for (name, value) in &parts.headers {
        if name != http::header::HOST {
            text.extend_from_slice(b"\r\n");
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
        }
    }
    text.extend_from_slice(b"\r\n\r\n");
    let (head, _) = RequestHead::strict(&text).map_err(|why| Refusal::Ambiguous(why.to_string()))?;
    Ok(head)
}

/// One request of a connection.
pub(super) struct Http2 {
    received: RecvStream,
    announced: Option<u64>,
    respond: SendResponse<Bytes>,
    /// The head of the answer, until it is sent.
    head: Option<Response<()>>,
    /// The answer's body, once its head is sent.
    sending: Option<SendStream<Bytes>>,
    out: BytesMut,
    /// Headers behind the body.
    pub(super) trailers: Option<HeaderMap>,
    is_finished: bool,
}

impl Http2 {
    /// Sends what there is; `is_last`: the answer ends with it.
    async fn send(&mut self, is_last: bool) -> bool {
        if let Some(head) = self.head.take() {
            let ends = is_last && self.out.is_empty() && self.trailers.is_none();
            match self.respond.send_response(head, ends) {
                Ok(sending) => self.sending = Some(sending),
                Err(_) => return false,
            }
            if ends {
                return true;
            }
        }
        let Some(sending) = &mut self.sending else { return false };
        while !self.out.is_empty() {
            sending.reserve_capacity(self.out.len().min(SEND_BUFFER));
            while sending.capacity() == 0 {
                match timeout(WRITE, poll_fn(|context| sending.poll_capacity(context))).await {
                    Ok(Some(Ok(_))) => {}
                    _ => return false,
                }
            }
            let count = sending.capacity().min(self.out.len());
            let piece = self.out.split_to(count).freeze();
            let ends = is_last && self.out.is_empty() && self.trailers.is_none();
            if sending.send_data(piece, ends).is_err() {
                return false;
            }
            if ends {
                return true;
            }
        }
        match self.trailers.take_if(|_| is_last) {
            Some(trailers) => sending.send_trailers(trailers).is_ok(),
            None => !is_last || sending.send_data(Bytes::new(), true).is_ok(),
        }
    }
}

impl Client for Http2 {
    fn announced(&self) -> Option<u64> {
        self.announced
    }

    async fn body(&mut self, bounds: &Bounds) -> Result<BytesMut, Refusal> {
        let most = bounds.body;
        if self.announced.is_some_and(|length| length > most as u64) {
            return Err(Refusal::TooLarge);
        }
        let deadline = Instant::now() + bounds.body_time;
        let mut body = BytesMut::new();
        loop {
            let piece = match timeout_at(deadline, self.received.data()).await {
                Err(_) => return Err(Refusal::TooSlow),
                Ok(None) => return Ok(body),
                Ok(Some(Err(_))) => return Err(Refusal::Ambiguous("the request ends in its body".to_owned())),
                Ok(Some(Ok(piece))) => piece,
            };
            if body.len() + piece.len() > most {
                return Err(Refusal::TooLarge);
            }
            body.extend_from_slice(&piece);
            // A connection that is gone shows at the next piece.
            let _ = self.received.flow_control().release_capacity(piece.len());
        }
    }

    fn begin<'f>(&mut self, status: u16, fields: impl Iterator<Item = (&'f str, &'f str)>, more: &str, length: Option<u64>) {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = head.headers_mut();
        let mut append = |name: &str, value: &str| {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.append(name, value);
            }
        };
        fields.for_each(|(name, value)| append(name, value));
        let own = more.lines().filter_map(|line| line.split_once(": "));
        own.for_each(|(name, value)| append(name, value));
        if let Some(length) = length
            && !matches!(status, 204 | 304)
        {
            headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        self.head = Some(head);
    }

    fn push(&mut self, piece: &[u8]) {
        self.out.extend_from_slice(piece);
    }

    fn has_unsent(&self) -> bool {
        self.head.is_some() || !self.out.is_empty()
    }

    async fn flush(&mut self) -> bool {
        self.send(false).await
    }

    async fn finish(&mut self) -> bool {
        self.is_finished = self.send(true).await;
        self.is_finished
    }

    async fn gone(&mut self) {
        poll_fn(|context| {
            let polled = match &mut self.sending {
                Some(sending) => sending.poll_reset(context),
                None => self.respond.poll_reset(context),
            };
            polled.map(|_| ())
        })
        .await;
    }

    fn close(&mut self) {
        // Other requests of the connection go on.
    }
}

impl Drop for Http2 {
    /// An answer without an end is reset, so that the client cannot take it for a whole one.
    fn drop(&mut self) {
        if !self.is_finished {
            match &mut self.sending {
                Some(sending) => sending.send_reset(Reason::INTERNAL_ERROR),
                None => self.respond.send_reset(Reason::INTERNAL_ERROR),
            }
        }
    }
}
