//! `vigie connect`: a port of this machine alone that leads to a gateway, with the key put in. Programs that cannot be given a key use a
//! guarded server as if it ran here.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;
use vigie_http::body::Body;
use vigie_http::head::RequestHead;
use vigie_http::headers;

use super::client::{Client, answer_whole, check_head, plain_fields};
use super::connection::reset;
use super::http1::{GoesOn, Http1, linger};
use super::origin::Allowed;
use super::patience::Patience;
use super::relay::{Follow, Relayed, relay};
use super::tls;
use super::upstream::{Forwarded, Target, Upstream};
use super::wire::{self, Bounds};
use crate::policy::Refusal;

/// The longest wait for an answer to begin, and between two pieces of it: a model that is loaded first takes minutes.
const WAIT: Duration = Duration::from_secs(900);

/// Why a connection to a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(pub String);

/// A port that leads to a gateway.
#[derive(Debug)]
pub struct Connect {
    listener: std::net::TcpListener,
    address: SocketAddr,
    remote: SocketAddr,
    authority: String,
    tls: Option<TlsParts>,
    key: Option<String>,
}

#[derive(Clone)]
struct TlsParts(TlsConnector, ServerName<'static>);

impl std::fmt::Debug for TlsParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsParts")
    }
}

impl Connect {
    /// Binds the port and looks the gateway's address up. `authority`: a PEM file with the certificates to trust beside the system's.
    ///
    /// # Errors
    ///
    /// The URL is none of a gateway, the port is not of loopback or taken, or a file does not read.
    pub fn bind(url: &str, key: &str, listen: SocketAddr, authority: Option<&Path>) -> Result<Self, ConnectError> {
        Self::bind_as(url, Some(key), listen, authority, None)
    }

    /// [`Connect::bind`], with a certificate that is presented to the gateway: the PEM files of its chain and of its key. With one no key is
    /// needed.
    ///
    /// # Errors
    ///
    /// As [`Connect::bind`]; there is neither a key nor a certificate, or a certificate without TLS.
    pub fn bind_as(
        url: &str,
        key: Option<&str>,
        listen: SocketAddr,
        authority: Option<&Path>,
        own: Option<(&Path, &Path)>,
    ) -> Result<Self, ConnectError> {
        let fail = |why: String| ConnectError(why);
        if !listen.ip().is_loopback() {
            return Err(fail(format!("{listen} is not of loopback: whoever reaches it would use your key")));
        }
        if key.is_none() && own.is_none() {
            return Err(fail("there is neither a key nor a certificate".to_owned()));
        }
        if key.is_some_and(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(fail("the key is empty or holds other characters than a key has".to_owned()));
        }
        let wrong = || fail(format!("{url:?} is no URL of a gateway: write https://HOST:PORT"));
        let (is_tls, rest) = match url.split_once("://").ok_or_else(wrong)? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return Err(wrong()),
        };
        let host_and_port = rest.trim_end_matches('/');
        if host_and_port.is_empty() || host_and_port.contains(['/', '@', '?', '#']) {
            return Err(wrong());
        }
        let with_port = match host_and_port.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => host_and_port.to_owned(),
            _ => format!("{host_and_port}:{}", if is_tls { 443 } else { 80 }),
        };
        let remote = with_port
            .to_socket_addrs()
            .map_err(|error| fail(format!("{with_port} does not resolve: {error}")))?
            .next()
            .ok_or_else(|| fail(format!("{with_port} has no address")))?;
        if !is_tls && own.is_some() {
            return Err(fail("without TLS no certificate is presented: use https".to_owned()));
        }
        if !is_tls && !remote.ip().is_loopback() {
            return Err(fail(
                "without TLS the key would cross the network in the clear: use https".to_owned(),
            ));
        }
        let tls = match is_tls {
            false => None,
            true => {
                let host = with_port.rsplit_once(':').map_or(with_port.as_str(), |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
                Some(TlsParts(tls::connector_as(authority, own).map_err(fail)?, name))
            }
        };
        let listener = std::net::TcpListener::bind(listen).map_err(|error| fail(format!("cannot listen on {listen}: {error}")))?;
        listener.set_nonblocking(true).map_err(|error| fail(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| fail(error.to_string()))?;
        Ok(Self {
            listener,
            address,
            remote,
            authority: host_and_port.to_owned(),
            tls,
            key: key.map(str::to_owned),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on this thread until the future ends.
    ///
    /// # Errors
    ///
    /// The system gives no runtime.
    pub fn run_until(self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let hosts = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
            let allowed = Rc::new(Allowed::new(&hosts, &[], self.address.port()));
            let tls = self.tls.map(|TlsParts(connector, name)| (connector, name));
            let upstream = Rc::new(Upstream::new(Target::Address(self.remote), self.authority, WAIT).with(tls, self.key));
            let mut stop = std::pin::pin!(stop);
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = &mut stop => return Ok(()),
                };
                match accepted {
                    Ok((stream, _)) => {
                        let _ = stream.set_nodelay(true);
                        let (allowed, upstream) = (Rc::clone(&allowed), Rc::clone(&upstream));
                        tokio::task::spawn_local(async move { serve(stream, &allowed, &upstream).await });
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        })
    }
}

/// Serves a connection of a program on this machine.
async fn serve(mut io: TcpStream, allowed: &Allowed, upstream: &Upstream) {
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    let mut patience = Patience::new();
    loop {
        let goes_on = match wire::read_head(&mut io, &mut buffer, &Bounds::default(), &mut patience).await {
            Ok(None) => return,
            Ok(Some((head, body))) => {
                let mut client = Http1::new(&mut io, &mut buffer, &head, body);
                if let Err(refusal) = pass(&mut client, &head, body, allowed, upstream).await {
                    refuse(&mut client, &refusal).await;
                }
                client.goes_on()
            }
            Err(refusal) => {
                let mut client = Http1::of_malformed(&mut io, &mut buffer);
                refuse(&mut client, &refusal).await;
                client.goes_on()
            }
        };
        match goes_on {
            GoesOn::Yes => {}
            GoesOn::No => return,
            GoesOn::Unread => return linger(&mut io).await,
            GoesOn::Cut => return reset(&io),
        }
    }
}

/// Passes a request on to the gateway, and its answer back.
async fn pass(client: &mut impl Client, head: &RequestHead, framed: Body, allowed: &Allowed, upstream: &Upstream) -> Result<(), Refusal> {
    check_head(head)?;
    allowed.check(&head.headers)?;
    let content = client.body(&Bounds::default()).await?;
    let has_body = !content.is_empty() || framed != Body::Length(0);
    let content_type = headers::first(&head.headers, "content-type").unwrap_or("application/json");
    let request = Forwarded {
        method: &head.method,
        target: &head.target,
        accept: headers::first(&head.headers, "accept"),
        traceparent: None,
        body: has_body.then_some((content_type, &content[..])),
    };
    let sent = tokio::select! {
        sent = upstream.send(&request) => sent,
        () = client.gone() => return Ok(()),
    };
    let mut answer = match sent {
        Ok(answer) => answer,
        Err(error) => {
            let text = serde_json::json!({"error": format!("the gateway: {error}")}).to_string();
            answer_whole(client, 502, &text, "").await;
            return Ok(());
        }
    };
    let length = answer.length();
    client.begin(answer.head.status, plain_fields(&answer.head.headers, is_passed_on), "", length);
    if relay(client, &mut answer, length, WAIT, &mut Unchanged).await == Relayed::Whole {
        upstream.keep(answer);
    }
    Ok(())
}

/// An answer that is passed on as it is.
struct Unchanged;

impl Follow for Unchanged {
    fn piece<'p>(&'p mut self, piece: &'p [u8]) -> &'p [u8] {
        piece
    }
}

/// Whether a header of the gateway's answer is passed on: all but those of its connection.
fn is_passed_on(name: &str) -> bool {
    !matches!(
        name,
        "connection" | "keep-alive" | "content-length" | "transfer-encoding" | "trailer" | "upgrade"
    )
}

async fn refuse(client: &mut impl Client, refusal: &Refusal) {
    client.close();
    answer_whole(client, refusal.status(), refusal.body(), "").await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_over_tls_or_loopback_and_the_port_is_this_machines() {
        let listen: SocketAddr = ([127, 0, 0, 1], 0).into();
        let bind = |url: &str, listen| Connect::bind(url, "vigie_x", listen, None).map(|connect| connect.address().port() > 0);
        assert!(matches!(bind("http://127.0.0.1:11443", listen), Ok(true)));
        assert!(matches!(bind("https://127.0.0.1:11443/", listen), Ok(true)));
        for (url, listen) in [
            ("http://192.0.2.1:11443", listen),
            ("ftp://127.0.0.1", listen),
            ("127.0.0.1:11443", listen),
            ("https://user@127.0.0.1", listen),
            ("https://127.0.0.1/v1", listen),
            ("http://127.0.0.1:11443", ([0, 0, 0, 0], 0).into()),
        ] {
            assert!(bind(url, listen).is_err(), "{url} {listen}");
        }
        assert!(Connect::bind("http://127.0.0.1:1", "a\r\nb: c", listen, None).is_err());
    }
}
