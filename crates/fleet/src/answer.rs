//! One connection of a server that speaks HTTP: it answers with its recording.

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

/// The most bytes of a request's body that are taken.
pub(crate) const MAX_REQUEST: usize = 1 << 20;

/// What a connection needs to know.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) personality: Arc<Personality>,
    pub(crate) address: SocketAddr,
    pub(crate) recorder: Recorder,
    pub(crate) streams: Streams,
    pub(crate) requests: Arc<AtomicUsize>,
    pub(crate) longest: Duration,
    pub(crate) drip: Duration,
}

impl Host {
    pub(crate) fn note(&self, method: &str, path: &str, body: &[u8]) {
        self.recorder.note(self.address, self.personality.product(), method, path, body);
    }
}

/// The event streams that are open, by the server's address and the path that the stream named. Where two clients hold one open at
/// the same server, the newer gets the answers: the recorded path is the same for both.
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
pub(crate) async fn serve(stream: TcpStream, host: Host) {
    let reset = Rc::new(std::cell::Cell::new(false));
    let line = Wire {
        stream,
        reset: Rc::clone(&reset),
    };
    let service = hyper::service::service_fn(move |request| {
        let (host, reset) = (host.clone(), Rc::clone(&reset));
        async move { respond(request, &host, &reset).await }
    });
    // The server that is played sends its own date or none. An error ends the connection; the client sees that for itself.
    let _ = hyper::server::conn::http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(line), service)
        .await;
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the recording has no reply to this")]
struct NoReply;

async fn respond(request: http::Request<Incoming>, host: &Host, reset: &std::cell::Cell<bool>) -> Result<http::Response<Said>, NoReply> {
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
        // Nothing was recorded, not even what it says of unknown pages.
        _ => Ok(http_response(&unknown_page(), None)),
    }
}

/// The reply of a server of which not even the answer to an unknown page was recorded.
pub(crate) fn unknown_page() -> Reply {
    Reply {
        status: 404,
        version: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        truncated: false,
    }
}

/// A message to the session of an open event stream: what was recorded as answer on the stream goes there, and the POST gets the
/// bare acknowledgement that the protocol's SDKs send; what was recorded as answer to the POST is sent as it is.
fn on_stream(recording: &Recording, request: &RequestLine, stream: &mpsc::UnboundedSender<Bytes>) -> Result<http::Response<Said>, NoReply> {
    let accepted = Reply {
        status: 202,
        body: b"Accepted".to_vec(),
        ..unknown_page()
    };
    // A message that was not recorded is taken and never answered.
    let Some(reply) = recording.line_of_session(request).and_then(|line| line.reply.as_ref()) else {
        return Ok(http_response(&accepted, None));
    };
    if reply.status != 200 || !vigie_http::headers::is_event_stream(&reply.headers) {
        return Ok(http_response(reply, None));
    }
    // A client that hung up gets nothing; that is what hanging up means.
    let _ = stream.send(Bytes::copy_from_slice(&reply.body));
    Ok(http_response(&accepted, None))
}

/// Headers that say how a body is framed, or manage the connection: those that are true here are set anew.
const FRAMING: [&str; 6] = [
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "connection",
    "trailer",
    "upgrade",
];

/// A recorded header.
fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    vigie_http::headers::first(&reply.headers, name)
}

/// The recorded headers but those that say how a body is framed.
fn headers(reply: &Reply) -> impl Iterator<Item = &(String, String)> {
    reply
        .headers
        .iter()
        .filter(|(name, _)| !FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name)))
}

/// The recorded reply as hyper sends it: status, version, headers and body as recorded, the framing as it was of its kind.
fn http_response(reply: &Reply, stream: Option<mpsc::UnboundedReceiver<Bytes>>) -> http::Response<Said> {
    let body = Bytes::from(coded_body(reply));
    let chunked = header(reply, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let mut response = http::Response::new(match stream {
        Some(later) => Said::Stream(Some(body), later),
        None if chunked => Said::Chunks(Some(body)),
        None => Said::Whole(Some(body)),
    });
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let sent = response.headers_mut();
    for (name, value) in headers(reply) {
        // A header that HTTP cannot carry was not received over HTTP either.
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

/// The body under its recorded coding: recordings keep bodies decoded.
fn coded_body(reply: &Reply) -> Vec<u8> {
    // Writing to memory does not fail.
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

/// The recorded reply as bytes, for the faults that cut it.
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

/// A body: whole, without a length, or with more to come.
enum Said {
    Whole(Option<Bytes>),
    Chunks(Option<Bytes>),
    Stream(Option<Bytes>, mpsc::UnboundedReceiver<Bytes>),
}

impl Body for Said {
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

/// The socket; dropped as a reset where the recording says that the connection was reset.
struct Wire {
    stream: TcpStream,
    reset: Rc<std::cell::Cell<bool>>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.get() {
            // Where it fails the connection is closed the usual way.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        // A reset must not be announced by a proper end.
        if self.reset.get() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
