//! HTTP/2 on one connection, with hyper.

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use vigie_http::head::{MAX_HEAD, ResponseHead};
use vigie_model::RequestLine;

use crate::body::BodyError;
use crate::wire::ClientHeaders;

/// A connection that is ready for a request.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
    pub(crate) used: bool,
}

/// A reply whose head was received and whose body is not read yet.
pub(crate) struct PendingReply {
    connection: Connection,
    body: Incoming,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The driver owns the socket: without this, a server that never closes would keep the socket open.
        self.driver.abort();
    }
}

impl Connection {
    pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S) -> hyper::Result<Self> {
        let (sender, connection) = Builder::new(OnThisThread)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .initial_stream_window_size(256 * 1024)
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = tokio::task::spawn_local(async move {
            // The request that waits for a reply gets the same error.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            driver,
            used: false,
        })
    }

    /// Sends a request and waits for the head of the reply.
    pub(crate) async fn ask(&mut self, request: http::Request<Full<Bytes>>) -> hyper::Result<(ResponseHead, Incoming)> {
        self.sender.ready().await?;
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        let head = ResponseHead {
            status: parts.status.as_u16(),
            version: "HTTP/2.0",
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
        };
        Ok((head, body))
    }

    /// The reply with this body, ready to read it.
    pub(crate) fn into_pending_reply(self, body: Incoming) -> PendingReply {
        PendingReply { connection: self, body }
    }
}

impl PendingReply {
    /// The next chunk of the body; `None` at its end.
    pub(crate) async fn next_chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            match self.body.frame().await? {
                Err(_) => return Some(Err(BodyError)),
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
            }
        }
    }

    /// The connection, if it is still open.
    pub(crate) fn into_connection(self) -> Option<Connection> {
        (!self.connection.sender.is_closed()).then_some(self.connection)
    }
}

/// Converts a request to hyper's type, or returns which part of it is invalid.
pub(crate) fn build_request(
    request: &RequestLine,
    client_headers: &ClientHeaders,
    secure: bool,
) -> Result<http::Request<Full<Bytes>>, String> {
    fn value(text: &str) -> Result<HeaderValue, String> {
        HeaderValue::from_str(text).map_err(|error| error.to_string())
    }
    let mut built = http::Request::new(Full::new(Bytes::from(request.body.clone())));
    *built.method_mut() = request
        .method
        .parse()
        .map_err(|error: http::method::InvalidMethod| error.to_string())?;
    let scheme = if secure { "https" } else { "http" };
    *built.uri_mut() =
        http::Uri::try_from(format!("{scheme}://{}{}", client_headers.authority, request.path)).map_err(|error| error.to_string())?;
    let headers = built.headers_mut();
    headers.insert(http::header::USER_AGENT, value(&client_headers.user_agent)?);
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

/// Runs hyper's background tasks on the thread of the connection.
#[derive(Clone, Copy)]
struct OnThisThread;

impl<F: std::future::Future + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}
