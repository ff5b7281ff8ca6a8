//! HTTP connections of a server that replays its recording.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::{CONNECTION, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use vigie_identify::fixture::Line;
use vigie_model::{FailureKind, Reply, RequestLine};

use crate::plan::{Personality, Role};
use crate::recorder::Recorder;
use crate::recording::Recording;

/// Maximum bytes of a request body.
pub(crate) const MAX_REQUEST: usize = 1 << 20;

/// The server and shared state of a connection.
#[derive(Clone)]
pub(crate) struct ServerContext {
    pub(crate) personality: Arc<Personality>,
    pub(crate) address: SocketAddr,
    pub(crate) recorder: Recorder,
    pub(crate) streams: Streams,
    pub(crate) requests: Arc<AtomicUsize>,
    pub(crate) longest: Duration,
    pub(crate) drip: Duration,
}

impl ServerContext {
    pub(crate) fn note(&self, method: &str, path: &str, body: &[u8]) {
        self.recorder.note(self.address, self.personality.product(), method, path, body);
    }
}

/// The open event streams, by the server's address and the path in the stream. If two clients have a stream open at the same server, the
/// newer one gets the replies, because the recorded path is the same for both.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<OpenStreams>>);

type OpenStreams = HashMap<(SocketAddr, String), mpsc::UnboundedSender<Bytes>>;

impl Streams {
    fn open(&self, address: SocketAddr, path: String) -> mpsc::UnboundedReceiver<Bytes> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, sender| !sender.is_closed());
        open.insert((address, path), sender);
        receiver
    }

    fn of(&self, address: SocketAddr, path: &str) -> Option<mpsc::UnboundedSender<Bytes>> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&(address, path.to_owned())).filter(|sender| !sender.is_closed()).cloned()
    }
}

/// Serves one connection until it ends.
pub(crate) async fn serve(stream: TcpStream, host: ServerContext) {
    let reset = Rc::new(std::cell::Cell::new(false));
    let line = ServerStream {
        stream,
        reset: Rc::clone(&reset),
    };
    let service = hyper::service::service_fn(move |request| {
        let (host, reset) = (host.clone(), Rc::clone(&reset));
        async move { respond(request, &host, &reset).await }
    });
    // A recorded server sends its own date or none. An error ends the connection, which the client notices.
    let _ = hyper::server::conn::http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(line), service)
        .await;
}

/// Ends a connection without a reply.
#[derive(Debug, thiserror::Error)]
#[error("the recording has no reply to this request")]
struct NoReply;

async fn respond(
    request: http::Request<Incoming>,
    host: &ServerContext,
    reset: &std::cell::Cell<bool>,
) -> Result<http::Response<ReplyBody>, NoReply> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let method = parts.method.as_str().to_owned();
    let Ok(body) = Limited::new(body, MAX_REQUEST).collect().await else {
        host.note(&method, &path, b"");
        return Err(NoReply);
    };
    let body = body.to_bytes();
    host.note(&method, &path, &body);
    let nth = host.requests.fetch_add(1, Ordering::Relaxed);
    let request = RequestLine {
        method,
        path,
        headers: Vec::new(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let recording = match &host.personality.role {
        Role::Decoy(decoy) => return Ok(http_response(&decoy.answer(&request, nth), None)),
        Role::Server { recording, .. } => recording,
    };
    if request.method == "POST"
        && let Some(stream) = host.streams.of(host.address, &request.path)
    {
        return on_stream(recording, &request, &stream);
    }
    match recording.line(&request) {
        Some(Line { reply: Some(reply), .. }) => {
            let stream = recording.session(&request, reply).map(|path| host.streams.open(host.address, path));
            Ok(http_response(reply, stream))
        }
        Some(Line {
            failure: Some(failure), ..
        }) => {
            if failure.kind == FailureKind::Timeout {
                tokio::time::sleep(host.longest).await;
            }
            reset.set(failure.kind == FailureKind::Reset);
            Err(NoReply)
        }
        // The recording has no reply to unknown pages either.
        _ => Ok(http_response(&unknown_page(), None)),
    }
}

/// The reply to a request for which the recording has nothing, not even a reply to unknown pages.
pub(crate) fn unknown_page() -> Reply {
    Reply {
        status: 404,
        version: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        truncated: false,
    }
}

/// A message to the session of an open event stream. A reply recorded as an event stream is sent on that stream, and the POST gets the bare
/// acknowledgement that the protocol's SDKs send; any other recorded reply answers the POST itself.
fn on_stream(
    recording: &Recording,
    request: &RequestLine,
    stream: &mpsc::UnboundedSender<Bytes>,
) -> Result<http::Response<ReplyBody>, NoReply> {
    let accepted = Reply {
        status: 202,
        body: b"Accepted".to_vec(),
        ..unknown_page()
    };
    // A message without a recorded reply is accepted and never answered.
    let Some(reply) = recording.line_of_session(request).and_then(|line| line.reply.as_ref()) else {
        return Ok(http_response(&accepted, None));
    };
    if reply.status != 200 || !vigie_http::headers::is_event_stream(&reply.headers) {
        return Ok(http_response(reply, None));
    }
    // Sending fails only if the client has closed the stream.
    let _ = stream.send(Bytes::copy_from_slice(&reply.body));
    Ok(http_response(&accepted, None))
}

/// Headers for framing and connection management, which are set again for the actual connection.
const FRAMING: [&str; 6] = [
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "connection",
    "trailer",
    "upgrade",
];

/// The value of a recorded header. The name is case-insensitive, because constructed recordings use the spelling of their source.
fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    vigie_http::headers::first(&reply.headers, name)
}

/// The recorded headers without those of framing.
fn headers(reply: &Reply) -> impl Iterator<Item = &(String, String)> {
    reply
        .headers
        .iter()
        .filter(|(name, _)| !FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name)))
}

/// The recorded reply for hyper: status, version, headers and body as recorded, with the recorded kind of framing.
fn http_response(reply: &Reply, stream: Option<mpsc::UnboundedReceiver<Bytes>>) -> http::Response<ReplyBody> {
    let body = Bytes::from(coded_body(reply));
    let chunked = header(reply, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let mut response = http::Response::new(match stream {
        Some(later) => ReplyBody::Stream(Some(body), later),
        None if chunked => ReplyBody::Chunks(Some(body)),
        None => ReplyBody::Whole(Some(body)),
    });
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let sent = response.headers_mut();
    for (name, value) in headers(reply) {
        // An invalid header cannot have been recorded over HTTP.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes())) {
            sent.append(name, value);
        }
    }
    let closes = header(reply, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    if closes || reply.version == "HTTP/1.0" {
        sent.insert(CONNECTION, HeaderValue::from_static("close"));
    } else if chunked {
        sent.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if reply.version == "HTTP/1.0" {
        *response.version_mut() = http::Version::HTTP_10;
    }
    response
}

/// The body with its recorded content encoding; recordings store bodies decoded.
fn coded_body(reply: &Reply) -> Vec<u8> {
    // Writing to a vector does not fail.
    match header(reply, "content-encoding").map(str::trim) {
        Some("gzip" | "x-gzip") => {
            let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
            let _ = coder.write_all(&reply.body);
            coder.finish().unwrap_or_default()
        }
        Some("deflate") => {
            let mut coder = ZlibEncoder::new(Vec::new(), Compression::fast());
            let _ = coder.write_all(&reply.body);
            coder.finish().unwrap_or_default()
        }
        _ => reply.body.clone(),
    }
}

/// The recorded reply as bytes, for faults that cut it.
pub(crate) fn raw(reply: &Reply) -> Vec<u8> {
    let body = coded_body(reply);
    let status = http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::OK);
    let mut bytes = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default()).into_bytes();
    for (name, value) in headers(reply) {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// A reply body: with a length, chunked, or followed by events.
enum ReplyBody {
    Whole(Option<Bytes>),
    Chunks(Option<Bytes>),
    Stream(Option<Bytes>, mpsc::UnboundedReceiver<Bytes>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |bytes: Bytes| Ok(Frame::data(bytes));
        match &mut *self {
            Self::Whole(body) | Self::Chunks(body) => Poll::Ready(body.take().filter(|body| !body.is_empty()).map(frame)),
            Self::Stream(first, later) => match first.take() {
                Some(first) => Poll::Ready(Some(frame(first))),
                None => later.poll_recv(context).map(|event| event.map(frame)),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Self::Chunks(body) => body.is_none(),
            Self::Stream(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Self::Chunks(_) | Self::Stream(..) => SizeHint::default(),
        }
    }
}

/// A socket that is reset when dropped, if the recorded connection was reset.
struct ServerStream {
    stream: TcpStream,
    reset: Rc<std::cell::Cell<bool>>,
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        if self.reset.get() {
            // If this fails, the connection is closed normally.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        // A reset must not follow a regular shutdown.
        if self.reset.get() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
