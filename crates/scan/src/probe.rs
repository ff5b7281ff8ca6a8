//! Probes one endpoint over the network: connections, TLS and HTTP versions, deadlines.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use vigie_catalog::{Catalog, Purpose, ReplyEnd, SigId};
use vigie_identify::{Ask, Conclusion, Identifier, Limits, Session};
use vigie_model::{
    Certificate, Endpoint, Exchange, Failure, FailureKind, Known, PathPrefix, Reply, RequestLine, Timestamp, Transcript, Why,
};

use vigie_scope::Refusal;

use crate::body::{Allowance, LargeReplies};
use crate::wire::{ClientHeaders, Outcome, Protocol, Stream, Wire};

/// Ports on which TLS is tried first.
const TLS_PORTS: [u16; 6] = [443, 4443, 8443, 9443, 10443, 6443];

/// Options of a probe.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// Limits of the session.
    pub limits: Limits,
    /// Time limit for one reply.
    pub reply: Duration,
    /// Time limit for one endpoint, waits for the budgets excluded.
    pub endpoint: Duration,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Limit on large replies; shared by all probes of a scan.
    pub large: LargeReplies,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            reply: Duration::from_secs(5),
            endpoint: Duration::from_secs(40),
            user_agent: crate::user_agent(None),
            large: LargeReplies::default(),
        }
    }
}

/// Scope and budgets, as a probe asks for them before each connection and each request.
pub trait Gate {
    /// Whether the endpoint may be contacted at this moment. Called before each connection and each request, after every wait, since
    /// the scope's window may have closed or its file expired meanwhile.
    ///
    /// # Errors
    ///
    /// The reason of the refusal; nothing more is sent.
    fn permits(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// How long to wait before the next request to this host. `None`: send it now; it is counted.
    fn wait(&self, host: std::net::IpAddr) -> Option<Duration>;

    /// How long to wait before the next connection to this host. `None`: connect now; it is counted.
    fn wait_to_connect(&self, _host: std::net::IpAddr) -> Option<Duration> {
        None
    }
}

/// The result of a probe.
#[derive(Debug)]
pub struct Probed {
    /// When it began.
    pub seen: Timestamp,
    /// The requests and replies.
    pub transcript: Transcript,
    /// The conclusion from the replies.
    pub conclusion: Conclusion,
    /// How long it took.
    pub took: Duration,
    /// Why the probe was cut off, if the scope did not allow its next connection or request; the conclusion is incomplete then.
    pub cut: Option<Refusal>,
}

/// One endpoint and how to reach it.
#[derive(Debug)]
pub struct Visit<'n> {
    /// Where to connect.
    pub address: SocketAddr,
    /// The host name, if the endpoint is reached by name.
    pub name: Option<&'n str>,
    /// Whether the user gave `https://` (`true`) or `http://` (`false`).
    pub tls: Option<bool>,
    /// The path under which the server is expected. `None`: at the root, or where the root redirects to.
    pub prefix: Option<PathPrefix>,
    /// The sweep's connection, which the probe uses first.
    pub first: Option<TcpStream>,
}

impl Visit<'_> {
    /// A visit by address, on a new connection.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            name: None,
            tls: None,
            prefix: None,
            first: None,
        }
    }
}

/// Probes one endpoint.
///
/// Must run inside a `LocalSet`.
pub async fn probe(identifier: &Arc<Identifier>, visit: Visit<'_>, options: &ProbeOptions, gate: &dyn Gate) -> Probed {
    let Visit {
        address,
        name,
        tls: tls_hint,
        prefix,
        first,
    } = visit;
    let seen = chrono::Utc::now();
    let begun = Instant::now();
    let deadline = begun + options.endpoint;
    let mut client = Client::new(address, name, tls_hint, options, deadline, gate);
    client.first = first;
    let authority = client.client_headers.authority.clone();
    let mut session = Session::new(Arc::clone(identifier), address.port(), authority, options.limits).under(prefix);
    while let Some(ask) = session.next_ask() {
        let exchange = client.ask(&ask, &mut session).await;
        session.answer(&ask, exchange);
        if client.cut.is_some() || Instant::now() >= deadline {
            session.stop();
        }
    }
    let conclusion = session.conclude();
    let mut endpoint = Endpoint::at(address);
    endpoint.name = name.map(str::to_owned);
    endpoint.prefix = session.prefix().cloned();
    endpoint.tls = if client.certificate.is_some() || (client.settled && client.protocol == Protocol::Tls) {
        Known::Known(true)
    } else if conclusion.spoke_http {
        Known::Known(client.protocol == Protocol::Tls)
    } else {
        Known::unknown(Why::Unparsable)
    };
    endpoint.certificate = client.certificate;
    Probed {
        seen,
        transcript: Transcript {
            endpoint,
            exchanges: session.into_exchanges(),
        },
        conclusion,
        took: begun.elapsed(),
        cut: client.cut,
    }
}

/// The harmless requests, of the openings and of a product, that are not among these exchanges; a recording sends them too.
#[must_use]
pub fn left_out(catalog: &Catalog, product: Option<&str>, exchanges: &[Exchange]) -> Vec<Ask> {
    let known = product.and_then(|id| catalog.number(id));
    let own = product
        .and_then(|id| catalog.product(id))
        .map_or(&[][..], |product| &product.requests);
    let openings = catalog.generic_probes().iter().map(|opening| (&opening.request, None));
    let own = own
        .iter()
        .filter(|r| matches!(r.purpose, Purpose::Identify | Purpose::Read))
        .map(|request| (request, known));
    let mut asks: Vec<Ask> = Vec::new();
    for (request, known) in openings.chain(own) {
        let sent = exchanges.iter().any(|e| {
            e.request.method == request.method
                && e.request.path == request.path
                && e.request.body == request.body.as_deref().unwrap_or_default()
        });
        let has_no_placeholder =
            request.session.is_none() && !request.path.contains('{') && !request.headers.iter().any(|(_, value)| value.contains('{'));
        if !sent && has_no_placeholder && !asks.iter().any(|ask| ask.sig == request.sig) {
            asks.push(Ask::alone(request, known));
        }
    }
    asks
}

/// Sends one request on a new connection, after the same check of its effect as in a probe. Must run inside a `LocalSet`.
pub async fn send_one(identifier: &Arc<Identifier>, address: SocketAddr, ask: &Ask, options: &ProbeOptions, gate: &dyn Gate) -> Exchange {
    let deadline = Instant::now() + options.reply;
    let mut client = Client::new(address, None, None, options, deadline, gate);
    let authority = client.client_headers.authority.clone();
    let mut session = Session::new(Arc::clone(identifier), address.port(), authority, options.limits);
    client.ask(ask, &mut session).await
}

/// The value of `Host`: name and port, without the port if it is the default of the scheme.
fn authority(host: &str, port: u16, secure: bool) -> String {
    match (port, secure) {
        (80, false) | (443, true) => host.to_owned(),
        _ => format!("{host}:{port}"),
    }
}

struct Client<'g> {
    address: SocketAddr,
    server_name: String,
    host: String,
    client_headers: ClientHeaders,
    protocol: Protocol,
    /// Whether a reply was received in this protocol; the protocol is then fixed.
    settled: bool,
    wire: Option<Wire>,
    first: Option<TcpStream>,
    streams: HashMap<SigId, Box<Stream>>,
    certificate: Option<Certificate>,
    reply: Duration,
    deadline: Instant,
    allowance: Allowance,
    gate: &'g dyn Gate,
    /// The path in front of every request's path.
    prefix: Option<PathPrefix>,
    /// The scope's refusal, after which nothing more is sent.
    cut: Option<Refusal>,
}

impl<'g> Client<'g> {
    fn new(
        address: SocketAddr,
        name: Option<&str>,
        tls: Option<bool>,
        options: &ProbeOptions,
        deadline: Instant,
        gate: &'g dyn Gate,
    ) -> Self {
        let host = name.map_or_else(
            || match address {
                SocketAddr::V4(v4) => v4.ip().to_string(),
                SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
            },
            str::to_owned,
        );
        let secure = tls.unwrap_or_else(|| TLS_PORTS.contains(&address.port()));
        Self {
            address,
            server_name: name.map_or_else(|| address.ip().to_string(), str::to_owned),
            client_headers: ClientHeaders {
                authority: authority(&host, address.port(), secure),
                user_agent: Rc::from(options.user_agent.as_str()),
            },
            protocol: if secure { Protocol::Tls } else { Protocol::Http1 },
            settled: false,
            wire: None,
            first: None,
            streams: HashMap::new(),
            certificate: None,
            reply: options.reply,
            deadline,
            allowance: Allowance::new(&options.large),
            host,
            gate,
            prefix: None,
            cut: None,
        }
    }

    async fn ask(&mut self, ask: &Ask, session: &mut Session) -> Exchange {
        let at = chrono::Utc::now();
        let begun = Instant::now();
        let mut request = ask.request.clone();
        if self.prefix.as_ref() != session.prefix() {
            self.prefix = session.prefix().cloned();
        }
        let (reply, failure) = match ask.session {
            // Boxed, because this rare case would enlarge the future of every request.
            Some(opener) => Box::pin(self.on_stream(ask, opener, session, &mut request)).await,
            None => self.send_with_fallback(ask, &request, session).await,
        };
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Exchange {
            request,
            at,
            micros,
            reply,
            failure,
        }
    }

    /// Checks the effect of a request on the bytes that are about to be sent, so that no rule can bypass the check.
    fn check_effect(ask: &Ask, request: &RequestLine, session: &Session) -> Result<(), Failure> {
        session
            .permit(ask.known, &request.method, &request.path, &request.body, ask.allowed)
            .map(|_| ())
            .map_err(|forbidden| Failure {
                kind: FailureKind::Connect,
                detail: format!("not sent: {forbidden}"),
                banner: Vec::new(),
            })
    }

    async fn send_with_fallback(&mut self, ask: &Ask, request: &RequestLine, session: &mut Session) -> (Option<Reply>, Option<Failure>) {
        if let Err(failure) = Self::check_effect(ask, request, session) {
            return (None, Some(failure));
        }
        // A request is sent at most once per protocol, and once more on a new connection if an old one was closed.
        let mut retried = false;
        let mut tried = vec![self.protocol];
        let mut first_failure: Option<Failure> = None;
        loop {
            match self.send_once(request, ask.reply).await {
                Ok((reply, stream)) => {
                    if !self.settled && self.protocol == Protocol::Http1 && wants_tls(&reply) {
                        // Some TLS servers answer plain HTTP with a hint to use TLS.
                        if self.switch_protocol(Protocol::Tls, &mut tried, session) {
                            first_failure.get_or_insert(Failure {
                                kind: FailureKind::Tls,
                                detail: "the server asks for TLS".into(),
                                banner: Vec::new(),
                            });
                            continue;
                        }
                    }
                    self.settled = true;
                    if let Some(stream) = stream {
                        self.streams.insert(ask.sig, stream);
                    }
                    return (Some(reply), None);
                }
                Err((failure, stale)) => {
                    if stale && !retried {
                        retried = true;
                        continue;
                    }
                    let next = if self.settled || self.cut.is_some() {
                        None
                    } else {
                        fallback_protocol(self.protocol, &failure)
                    };
                    let failure = first_failure.take().unwrap_or(failure);
                    if let Some(next) = next
                        && self.switch_protocol(next, &mut tried, session)
                    {
                        first_failure = Some(failure);
                        continue;
                    }
                    return (None, Some(failure));
                }
            }
        }
    }

    /// Switches to another protocol on a new connection; the failed attempt counts as a request. `false`: it was tried before.
    fn switch_protocol(&mut self, protocol: Protocol, tried: &mut Vec<Protocol>, session: &mut Session) -> bool {
        if tried.contains(&protocol) {
            return false;
        }
        tried.push(protocol);
        self.protocol = protocol;
        self.wire = None;
        self.first = None;
        self.client_headers.authority = authority(&self.host, self.address.port(), protocol == Protocol::Tls);
        session.spent();
        true
    }

    async fn send_once(&mut self, request: &RequestLine, end: ReplyEnd) -> Result<(Reply, Option<Box<Stream>>), (Failure, bool)> {
        self.wait_until_allowed(|gate, host| gate.wait(host)).await?;
        if self.wire.is_none() && self.first.is_none() {
            self.wait_until_allowed(|gate, host| gate.wait_to_connect(host)).await?;
        }
        let deadline = (Instant::now() + self.reply).min(self.deadline);
        let wire = match self.wire.take() {
            Some(wire) => wire,
            None => {
                let (wire, certificate) = Box::pin(self.connect(deadline)).await.map_err(|failure| (failure, false))?;
                if certificate.is_some() {
                    self.certificate = certificate;
                }
                // The handshake took time: ask the scope again.
                self.check_scope()?;
                wire
            }
        };
        let prefixed = self.prefix.as_ref().map(|prefix| RequestLine {
            path: prefix.join(&request.path),
            ..request.clone()
        });
        match wire
            .exchange(
                prefixed.as_ref().unwrap_or(request),
                &self.client_headers,
                self.protocol == Protocol::Tls,
                end,
                &self.allowance,
                deadline,
            )
            .await
        {
            Outcome::Reply(reply, wire) => {
                self.wire = wire;
                Ok((reply, None))
            }
            Outcome::Stream(reply, stream) => Ok((reply, Some(stream))),
            Outcome::Failure { failure, stale } => Err((failure, stale)),
        }
    }

    /// Waits until the budgets allow a connection or request, and asks the scope before and after each wait.
    async fn wait_until_allowed(&mut self, wait: impl Fn(&dyn Gate, std::net::IpAddr) -> Option<Duration>) -> Result<(), (Failure, bool)> {
        loop {
            self.check_scope()?;
            let Some(wait) = wait(self.gate, self.address.ip()) else {
                return Ok(());
            };
            if Instant::now() + wait > self.deadline + Duration::from_secs(300) {
                return Err((
                    Failure {
                        kind: FailureKind::Timeout,
                        detail: "not sent: the host's request budget is used up".into(),
                        banner: Vec::new(),
                    },
                    false,
                ));
            }
            // The server did not cause this wait, so its deadline is extended.
            self.deadline += wait;
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks the scope whether the endpoint may be contacted now; after a refusal nothing more is sent.
    fn check_scope(&mut self) -> Result<(), (Failure, bool)> {
        if self.cut.is_none() {
            self.cut = self.gate.permits().err();
        }
        let Some(refusal) = &self.cut else { return Ok(()) };
        let failure = Failure {
            kind: FailureKind::Connect,
            detail: format!("not sent: {refusal}"),
            banner: Vec::new(),
        };
        Err((failure, false))
    }

    async fn connect(&mut self, deadline: Instant) -> Result<(Wire, Option<Certificate>), Failure> {
        let stream = match self.first.take() {
            Some(stream) => stream,
            None => match timeout_at(deadline, TcpStream::connect(self.address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    return Err(Failure {
                        kind: FailureKind::Connect,
                        detail: error.to_string(),
                        banner: Vec::new(),
                    });
                }
                Err(_) => {
                    return Err(Failure {
                        kind: FailureKind::Timeout,
                        detail: "the connection timed out".into(),
                        banner: Vec::new(),
                    });
                }
            },
        };
        Wire::open(stream, self.protocol, &self.server_name, deadline).await
    }

    /// Sends a request of an MCP session over SSE: POSTs it to the URL that the stream's first event named, and reads the answer from the
    /// stream.
    async fn on_stream(
        &mut self,
        ask: &Ask,
        opener: SigId,
        session: &mut Session,
        request: &mut RequestLine,
    ) -> (Option<Reply>, Option<Failure>) {
        let fail = |kind, detail: &str| {
            (
                None,
                Some(Failure {
                    kind,
                    detail: detail.to_owned(),
                    banner: Vec::new(),
                }),
            )
        };
        let Some(path) = session.stream_path(opener) else {
            return fail(FailureKind::Connect, "not sent: the event stream named no URL of this endpoint");
        };
        request.path = path;
        if let Err(failure) = Self::check_effect(ask, request, session) {
            return (None, Some(failure));
        }
        let Some(mut stream) = self.streams.remove(&opener) else {
            return fail(FailureKind::Reset, "not sent: the event stream is closed");
        };
        let (posted, _) = match self.send_once(request, ReplyEnd::Body).await {
            Ok(posted) => posted,
            Err((failure, _)) => return (None, Some(failure)),
        };
        let wants_answer = serde_json::from_str::<serde_json::Value>(&request.body).is_ok_and(|body| body.get("id").is_some());
        if posted.status >= 300 || !wants_answer {
            self.streams.insert(opener, stream);
            return (Some(posted), None);
        }
        let deadline = (Instant::now() + self.reply).min(self.deadline);
        match stream.answer(deadline).await {
            Some(event) => {
                self.streams.insert(opener, stream);
                let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
                (
                    Some(Reply {
                        status: 200,
                        version: posted.version,
                        headers,
                        body: event,
                        truncated: false,
                    }),
                    None,
                )
            }
            None => fail(FailureKind::Timeout, "no answer on the event stream in time"),
        }
    }
}

/// Whether a reply in plain HTTP says that the port expects TLS (Go, nginx, Apache and others answer so, with status 400).
fn wants_tls(reply: &Reply) -> bool {
    matches!(reply.status, 400 | 497)
        && [
            "HTTP request to an HTTPS server",
            "plain HTTP request was sent to HTTPS",
            "speaking plain HTTP to an SSL",
            "requires TLS",
        ]
        .iter()
        .any(|text| String::from_utf8_lossy(&reply.body[..reply.body.len().min(2048)]).contains(text))
}

/// The protocol to try next after a failure.
fn fallback_protocol(protocol: Protocol, failure: &Failure) -> Option<Protocol> {
    let banner = failure.banner.as_slice();
    match protocol {
        // A TLS alert or handshake record.
        Protocol::Http1 if matches!(banner, [0x15 | 0x16, 0x03, ..]) => Some(Protocol::Tls),
        // An HTTP/2 frame: SETTINGS or GOAWAY on stream 0.
        Protocol::Http1 if matches!(banner, [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..]) => Some(Protocol::Http2),
        // Many TLS servers close the connection without a reply.
        Protocol::Http1 if banner.is_empty() && failure.kind == FailureKind::Reset => Some(Protocol::Tls),
        Protocol::Tls if banner.starts_with(b"HTTP/") || matches!(failure.kind, FailureKind::Tls | FailureKind::Reset) => {
            Some(Protocol::Http1)
        }
        _ => None,
    }
}
