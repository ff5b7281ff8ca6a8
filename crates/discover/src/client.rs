//! Sends one HTTP/1.1 request on a new connection. TLS certificates are verified by the operating system.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::secret::Secret;
use crate::url::BaseUrl;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(20);
/// The longest wait for a complete reply: deep pages of a large result are slow.
const REPLY: Duration = Duration::from_secs(120);
/// The largest reply. A page holds 100 records; one of 1 MB each is rare.
const MAX_REPLY: usize = 256 << 20;

/// A request. It holds the key.
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// Path and query below the base URL.
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Option<String>,
}

/// A reply, with the key masked.
#[derive(Debug)]
pub(crate) struct ApiReply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The request was not sent.
    Before(String),
    /// The request was sent; the service may have charged for it.
    After(String),
}

/// The client of one service.
pub(crate) struct Client {
    base: BaseUrl,
    tls: Option<TlsConnector>,
    agent: HeaderValue,
    /// Masked in every reply.
    secrets: Vec<Secret>,
}

impl Client {
    /// Prepares a client. No connection is opened.
    pub(crate) fn new(base: BaseUrl, agent: &str, secrets: Vec<Secret>) -> Result<Self, String> {
        let tls = if base.tls { Some(TlsConnector::from(tls()?)) } else { None };
        let agent = HeaderValue::from_str(agent).map_err(|_| "the User-Agent is not a valid header value".to_owned())?;
        Ok(Self { base, tls, agent, secrets })
    }

    pub(crate) async fn send(&self, request: ApiRequest) -> Result<ApiReply, SendError> {
        let at = self.base.authority();
        let connecting = TcpStream::connect((self.base.host.as_str(), self.base.port));
        let stream = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(SendError::Before(format!("cannot connect to {at}: {error}"))),
            Err(_) => {
                return Err(SendError::Before(format!(
                    "cannot connect to {at}: no answer in {} s",
                    CONNECT.as_secs()
                )));
            }
        };
        let Some(tls) = &self.tls else {
            return self.over(stream, request).await;
        };
        let name = ServerName::try_from(self.base.host.clone()).map_err(|_| SendError::Before(format!("{at} is not a server name")))?;
        match tokio::time::timeout(CONNECT, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => self.over(stream, request).await,
            Ok(Err(error)) => Err(SendError::Before(format!("no TLS with {at}: {error}"))),
            Err(_) => Err(SendError::Before(format!("no TLS with {at} in {} s", CONNECT.as_secs()))),
        }
    }

    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        request: ApiRequest,
    ) -> Result<ApiReply, SendError> {
        let request = self.request(request)?;
        let handshake = hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| SendError::Before(format!("no HTTP: {error}")))?;
        let exchange = async {
            let reply = sender
                .send_request(request)
                .await
                .map_err(|error| SendError::After(format!("the connection broke before the reply: {error}")))?;
            self.read(reply).await
        };
        tokio::pin!(exchange, connection);
        let deadline = tokio::time::sleep(REPLY);
        tokio::pin!(deadline);
        let mut open = true;
        loop {
            tokio::select! {
                reply = &mut exchange => return reply,
                // Its error is reported by the exchange.
                _ = &mut connection, if open => open = false,
                () = &mut deadline => return Err(SendError::After(format!("no complete reply in {} s", REPLY.as_secs()))),
            }
        }
    }

    fn request(&self, request: ApiRequest) -> Result<Request<Full<Bytes>>, SendError> {
        // The builder's error could contain the target, and so the key.
        let wrong = || SendError::Before("the request cannot be written".to_owned());
        let mut builder = Request::builder()
            .method(request.method)
            .uri(format!("{}{}", self.base.prefix, request.target))
            .header(header::HOST, self.base.authority())
            .header(header::USER_AGENT, &self.agent)
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close");
        if let Some(authorization) = request.authorization {
            let mut value = HeaderValue::from_str(&authorization).map_err(|_| wrong())?;
            value.set_sensitive(true);
            builder = builder.header(header::AUTHORIZATION, value);
        }
        if request.body.is_some() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        builder
            .body(Full::new(Bytes::from(request.body.unwrap_or_default())))
            .map_err(|_| wrong())
    }

    async fn read(&self, reply: http::Response<Incoming>) -> Result<ApiReply, SendError> {
        let status = reply.status().as_u16();
        let retry_after = reply
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| wait(value.to_str().ok()?));
        let mut incoming = reply.into_body();
        let expected = incoming.size_hint().exact();
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|_| {
                let of = expected.map(|expected| format!(" of {expected}")).unwrap_or_default();
                SendError::After(format!("the reply was cut short after {}{of} bytes", body.len()))
            })?;
            if let Ok(data) = frame.into_data() {
                if body.len() + data.len() > MAX_REPLY {
                    return Err(SendError::After(format!("the reply has more than {} MiB", MAX_REPLY >> 20)));
                }
                body.extend_from_slice(&data);
            }
        }
        for secret in &self.secrets {
            secret.mask(&mut body);
        }
        Ok(ApiReply { status, retry_after, body })
    }
}

/// TLS with certificates that the operating system verifies.
fn tls() -> Result<Arc<ClientConfig>, String> {
    let wrap = |error: rustls::Error| format!("no TLS on this machine: {error}");
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(wrap)?
        .with_platform_verifier()
        .map_err(wrap)?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Parses `Retry-After`: seconds, or a date.
fn wait(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    Some((until.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// A self-signed certificate for 127.0.0.1 and its key, made for this test with openssl.
    const CERTIFICATE: &str = "MIIBrDCCAVKgAwIBAgIUA1SAxY8zIPdLpYCXbehJjvx6ZdowCgYIKoZIzj0EAwIwIjEgMB4GA1UEAwwXbm9ib2R5IHZvdWNoZXMg\
        Zm9yIHRoaXMwIBcNMjYxMTIyMTQyNjI4WhgPMjEyNjEwMjkxNDI2MjhaMCIxIDAeBgNVBAMMF25vYm9keSB2b3VjaGVzIGZvciB0\
        aGlzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEt+KZ0/+/V5dq/O/sPjDEtLqC+7DE9yWEFDyzxEcmpfx4QzyDOF/+L/pcXpo\
        a9AJO9aAhn2+DdDg0s/7RDPEfKNkMGIwHQYDVR0OBBYEFA8M8S8APrpcLj/NpKO98hw9WITWMB8GA1UdIwQYMBaAFA8M8S8APrpc\
        Lj/NpKO98hw9WITWMA8GA1UdEwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAKBggqhkjOPQQDAgNIADBFAiEA4pl4c7jVhEBM\
        EniLZGFY/uMKnaz2rTCJgrvNzcsbJNACIBrcN28j2QzJJjyKvsqPiBz372YfCXCBbfF86prKk4Wx";
    const CERTIFICATE_KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRBtFaPEMpE5CXbehftN42nXiCSOkU/qs2g5XKQ8XgdChRANCAAQS\
        34pnT/79Xl2r87+w+MMS0uoL7sMT3JYQUPLPERyal/HhDPIM4X/4v+lxemhr0Ak71oCGfb4N0ODSz/tEM8R8";

    #[test]
    fn an_untrusted_server_gets_no_key() {
        let der = |text: &str| STANDARD.decode(text).expect("Base64");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der(CERTIFICATE_KEY)));
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(der(CERTIFICATE))], key)
            .expect("the key is the certificate's");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let url = format!("https://{}", listener.local_addr().expect("an address"));
            let heard = Arc::new(Mutex::new(Vec::new()));
            let hearing = Arc::clone(&heard);
            tokio::spawn(async move {
                let (stream, _) = listener.accept().await.expect("a connection");
                if let Ok(mut stream) = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await {
                    let mut all = Vec::new();
                    let _ = stream.read_to_end(&mut all).await;
                    hearing.lock().expect("whole").extend(all);
                }
            });
            let client = Client::new(url.parse().expect("a URL"), "vigie", Vec::new()).expect("a client");
            let request = ApiRequest {
                method: Method::GET,
                target: "/?key=secret".to_owned(),
                authorization: None,
                body: None,
            };
            let lost = client.send(request).await.expect_err("it is not trusted");
            assert!(
                matches!(&lost, SendError::Before(why) if why.contains("certificate") && !why.contains("secret")),
                "{lost:?}"
            );
            assert!(heard.lock().expect("whole").is_empty());
        });
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(90))
            .format("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        assert!(wait(&soon).is_some_and(|wait| wait > Duration::from_secs(60)), "{soon}");
        assert_eq!(wait("later"), None);
    }
}
