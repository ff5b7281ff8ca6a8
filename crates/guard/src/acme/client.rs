//! HTTP/1.1 to an authority: one connection for each request, bounded.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use vigie_http::body::{Body, Piece};
use vigie_http::head::ResponseReader;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of an answer so much is read.
const MOST: usize = 1 << 20;

/// Asks an authority over TLS.
#[derive(Clone)]
pub(super) struct Client(pub(super) TlsConnector);

impl HttpClient for Client {
    fn request(&self, request: http::Request<BodyWrapper<Bytes>>) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let tls = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let body = body.to_bytes();
            let asked = tokio::time::timeout(PATIENCE, ask(&tls, &parts, &body)).await;
            let host = parts.uri.host().unwrap_or_default();
            let failed = |why: String| Error::Other(format!("{host}: {why}").into());
            match asked {
                Err(_) => Err(failed("it does not answer in time".to_owned())),
                Ok(Err(why)) => Err(failed(why)),
                Ok(Ok(response)) => Ok(response),
            }
        })
    }
}

async fn ask(tls: &TlsConnector, parts: &http::request::Parts, body: &[u8]) -> Result<BytesResponse, String> {
    let uri = &parts.uri;
    let host = uri.host().ok_or("a URL without a host")?;
    // A URL that the directory names is not followed into the clear.
    if uri.scheme_str() != Some("https") {
        return Err(format!("{uri} is no https:// URL"));
    }
    let port = uri.port_u16().unwrap_or(443);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
    let stream = connect(bare, port).await?;
    let mut stream = tls.connect(name, stream).await.map_err(|error| error.to_string())?;
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let authority = uri.authority().map_or(host, http::uri::Authority::as_str);
    let mut message = format!("{} {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n", parts.method).into_bytes();
    for (name, value) in &parts.headers {
        message.extend_from_slice(name.as_str().as_bytes());
        message.extend_from_slice(b": ");
        message.extend_from_slice(value.as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    if !body.is_empty() {
        message.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(body);
    stream.write_all(&message).await.map_err(|error| error.to_string())?;
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    let mut reader = ResponseReader::default();
    let head = loop {
        if let Some(head) = reader.read(&mut buffer).map_err(|error| error.to_string())? {
            break head;
        }
        if stream.read_buf(&mut buffer).await.map_err(|error| error.to_string())? == 0 {
            return Err("it closed the connection".to_owned());
        }
    };
    let mut framed = Body::after(&head, parts.method.as_str()).map_err(|error| error.to_string())?;
    let mut content = BytesMut::new();
    loop {
        match framed.next(&mut buffer).map_err(|error| error.to_string())? {
            Piece::End => break,
            Piece::Data(count) if count > 0 => content.extend_from_slice(&buffer.split_to(count)),
            Piece::Data(_) | Piece::More => match stream.read_buf(&mut buffer).await {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) if framed.may_close() => break,
                Ok(_) => return Err("it closed the connection within its answer".to_owned()),
                Err(error) => return Err(error.to_string()),
            },
        }
        if content.len() > MOST {
            return Err("its answer is larger than 1 MiB".to_owned());
        }
    }
    let mut response = http::Response::builder().status(head.status);
    for (name, value) in &head.headers {
        response = response.header(name, value);
    }
    let (parts, ()) = response.body(()).map_err(|error| error.to_string())?.into_parts();
    Ok(BytesResponse {
        parts,
        body: Box::new(content.freeze()),
    })
}

/// Connects to the first address of a host that answers.
async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| error.to_string())?
        .collect();
    let mut failed = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = format!("cannot connect to {address}: {error}"),
        }
    }
    Err(failed)
}
