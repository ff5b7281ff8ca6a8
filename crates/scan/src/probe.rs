//! The conversation with one endpoint over the network: connections, TLS and HTTP versions, deadlines.

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
use crate::wire::{Manners, Outcome, Speech, Stream, Wire};

/// Ports on which TLS is tried first.
const TLS_PORTS: [u16; 6] = [443, 4443, 8443, 9443, 10443, 6443];

/// How a probe behaves.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// What the session may ask.
    pub limits: Limits,
    /// The longest wait for one reply.
    pub reply: Duration,
    /// The longest an endpoint may take in all.
    pub endpoint: Duration,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Shared by all probes of a scan.
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

/// Asks before each connection and each request whether scope and budgets allow it.
pub trait Gate {
    /// Whether the endpoint may be talked to at this moment: asked before each connection and each request, after whatever was
    /// waited for, since a window may have closed or a file expired meanwhile.
    ///
    /// # Errors
    ///
    /// Why not: nothing more is sent.
    fn permits(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// How long to wait before the next request to this host; `None`: now, and it is counted.
    fn wait(&self, host: std::net::IpAddr) -> Option<Duration>;

    /// How long to wait before the next connection to this host; `None`: now, and it is counted.
    fn wait_to_connect(&self, _host: std::net::IpAddr) -> Option<Duration> {
        None
    }
}

/// What a probe saw.
#[derive(Debug)]
pub struct Probed {
    /// When it began.
    pub seen: Timestamp,
    /// What was said.
    pub transcript: Transcript,
    /// What it means.
    pub conclusion: Conclusion,
    /// How long it took.
    pub took: Duration,
    /// What ended it before its time: the scope did not allow the next connection or request. What was not asked says nothing.
    pub cut: Option<Refusal>,
}

/// One endpoint, and how to reach it.
#[derive(Debug)]
pub struct Visit<'n> {
    /// Where to connect.
    pub address: SocketAddr,
    /// The name it is reached by, if by one.
    pub name: Option<&'n str>,
    /// Whether the user said `https://` or `http://`.
    pub tls: Option<bool>,
    /// The path under which the server is looked for; `None`: at the root, and where that redirects to.
    pub prefix: Option<PathPrefix>,
    /// The connection that found the port open, if there is one.
    pub first: Option<TcpStream>,
}

impl Visit<'_> {
    /// By its address, on a connection of its own.
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

/// Talks to one endpoint.
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
    let mut talk = Talk::new(address, name, tls_hint, options, deadline, gate);
    talk.first = first;
    let authority = talk.manners.authority.clone();
    let mut session = Session::new(Arc::clone(identifier), address.port(), authority, options.limits).under(prefix);
    while let Some(ask) = session.next_ask() {
        let exchange = talk.ask(&ask, &mut session).await;
        session.answer(&ask, exchange);
        if talk.cut.is_some() || Instant::now() >= deadline {
            session.stop();
        }
    }
    let conclusion = session.conclude();
    let mut endpoint = Endpoint::at(address);
    endpoint.name = name.map(str::to_owned);
    endpoint.prefix = session.prefix().cloned();
    endpoint.tls = if talk.certificate.is_some() || (talk.settled && talk.speech == Speech::Tls) {
        Known::Known(true)
    } else if conclusion.spoke_http {
        Known::Known(talk.speech == Speech::Tls)
    } else {
        Known::unknown(Why::Unparsable)
    };
    endpoint.certificate = talk.certificate;
    Probed {
        seen,
        transcript: Transcript {
            endpoint,
            exchanges: session.into_exchanges(),
        },
        conclusion,
        took: begun.elapsed(),
        cut: talk.cut,
    }
}

/// The harmless requests of the openings and of a product that a conversation left out, for a recording.
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
        let said = exchanges.iter().any(|e| {
            e.request.method == request.method
                && e.request.path == request.path
                && e.request.body == request.body.as_deref().unwrap_or_default()
        });
        let filled =
            request.session.is_none() && !request.path.contains('{') && !request.headers.iter().any(|(_, value)| value.contains('{'));
        if !said && filled && !asks.iter().any(|ask| ask.sig == request.sig) {
            asks.push(Ask::alone(request, known));
        }
    }
    asks
}

/// Sends one request on a connection of its own; its effect is checked as in a conversation. Must run inside a `LocalSet`.
pub async fn send_one(identifier: &Arc<Identifier>, address: SocketAddr, ask: &Ask, options: &ProbeOptions, gate: &dyn Gate) -> Exchange {
    let deadline = Instant::now() + options.reply;
    let mut talk = Talk::new(address, None, None, options, deadline, gate);
    let authority = talk.manners.authority.clone();
    let mut session = Session::new(Arc::clone(identifier), address.port(), authority, options.limits);
    talk.ask(ask, &mut session).await
}

/// `Host`: name and port, the port left out where it is the scheme's own.
fn authority(host: &str, port: u16, secure: bool) -> String {
    match (port, secure) {
        (80, false) | (443, true) => host.to_owned(),
        _ => format!("{host}:{port}"),
    }
}

struct Talk<'g> {
    address: SocketAddr,
    server_name: String,
    host: String,
    manners: Manners,
    speech: Speech,
    /// Whether a reply came in this speech: it is not changed any more.
    settled: bool,
    wire: Option<Wire>,
    first: Option<TcpStream>,
    streams: HashMap<SigId, Box<Stream>>,
    certificate: Option<Certificate>,
    reply: Duration,
    deadline: Instant,
    allowance: Allowance,
    gate: &'g dyn Gate,
    /// The path before every request.
    prefix: Option<PathPrefix>,
    /// Why the scope allows nothing more.
    cut: Option<Refusal>,
}

impl<'g> Talk<'g> {
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
            manners: Manners {
                authority: authority(&host, address.port(), secure),
                user_agent: Rc::from(options.user_agent.as_str()),
            },
            speech: if secure { Speech::Tls } else { Speech::Plain },
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
            // What seldom happens is kept out of the future that every request moves about.
            Some(opener) => Box::pin(self.on_stream(ask, opener, session, &mut request)).await,
            None => self.plainly(ask, &request, session).await,
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

    /// The check that no rule can get around: the effect of what is about to be sent, judged from what is about to be sent.
    fn permitted(ask: &Ask, request: &RequestLine, session: &Session) -> Result<(), Failure> {
        session
            .permit(ask.known, &request.method, &request.path, &request.body, ask.allowed)
            .map(|_| ())
            .map_err(|forbidden| Failure {
                kind: FailureKind::Connect,
                detail: format!("not sent: {forbidden}"),
                banner: Vec::new(),
            })
    }

    async fn plainly(&mut self, ask: &Ask, request: &RequestLine, session: &mut Session) -> (Option<Reply>, Option<Failure>) {
        if let Err(failure) = Self::permitted(ask, request, session) {
            return (None, Some(failure));
        }
        // At most: as it is, once more on a fresh connection, and once in each other speech.
        let mut retried = false;
        let mut tried = vec![self.speech];
        let mut first_failure: Option<Failure> = None;
        loop {
            match self.once(request, ask.reply).await {
                Ok((reply, stream)) => {
                    if !self.settled && self.speech == Speech::Plain && wants_tls(&reply) {
                        // A TLS server's courtesy to those who speak HTTP to it.
                        if self.change(Speech::Tls, &mut tried, session) {
                            first_failure.get_or_insert(Failure {
                                kind: FailureKind::Tls,
                                detail: "asks for TLS".into(),
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
                        other_speech(self.speech, &failure)
                    };
                    let failure = first_failure.take().unwrap_or(failure);
                    if let Some(next) = next
                        && self.change(next, &mut tried, session)
                    {
                        first_failure = Some(failure);
                        continue;
                    }
                    return (None, Some(failure));
                }
            }
        }
    }

    /// Goes over to another speech on a new connection; what was sent in the old one counts as a request.
    fn change(&mut self, speech: Speech, tried: &mut Vec<Speech>, session: &mut Session) -> bool {
        if tried.contains(&speech) {
            return false;
        }
        tried.push(speech);
        self.speech = speech;
        self.wire = None;
        self.first = None;
        self.manners.authority = authority(&self.host, self.address.port(), speech == Speech::Tls);
        session.spent();
        true
    }

    async fn once(&mut self, request: &RequestLine, end: ReplyEnd) -> Result<(Reply, Option<Box<Stream>>), (Failure, bool)> {
        self.leave(|gate, host| gate.wait(host)).await?;
        if self.wire.is_none() && self.first.is_none() {
            self.leave(|gate, host| gate.wait_to_connect(host)).await?;
        }
        let deadline = (Instant::now() + self.reply).min(self.deadline);
        let wire = match self.wire.take() {
            Some(wire) => wire,
            None => {
                let (wire, certificate) = Box::pin(self.connect(deadline)).await.map_err(|failure| (failure, false))?;
                if certificate.is_some() {
                    self.certificate = certificate;
                }
                // A handshake takes its time.
                self.permitted_now()?;
                wire
            }
        };
        let below = self.prefix.as_ref().map(|prefix| RequestLine {
            path: prefix.join(&request.path),
            ..request.clone()
        });
        match wire
            .exchange(
                below.as_ref().unwrap_or(request),
                &self.manners,
                self.speech == Speech::Tls,
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

    /// Waits until the budgets allow a step, and asks the scope at the moment at which it is taken.
    async fn leave(&mut self, wait: impl Fn(&dyn Gate, std::net::IpAddr) -> Option<Duration>) -> Result<(), (Failure, bool)> {
        loop {
            self.permitted_now()?;
            let Some(wait) = wait(self.gate, self.address.ip()) else {
                return Ok(());
            };
            if Instant::now() + wait > self.deadline + Duration::from_secs(300) {
                return Err((
                    Failure {
                        kind: FailureKind::Timeout,
                        detail: "the host's budget of requests is used up".into(),
                        banner: Vec::new(),
                    },
                    false,
                ));
            }
            // Waiting for the budget is not the server's fault: its deadline moves with it.
            self.deadline += wait;
            tokio::time::sleep(wait).await;
        }
    }

    /// The scope's word of this moment; once it said no, nothing more is sent.
    fn permitted_now(&mut self) -> Result<(), (Failure, bool)> {
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
                        detail: "no connection in time".into(),
                        banner: Vec::new(),
                    });
                }
            },
        };
        Wire::open(stream, self.speech, &self.server_name, deadline).await
    }

    /// A request on an event stream: POSTed to the URL that the stream's first event named, answered on the stream.
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
            return fail(FailureKind::Connect, "not sent: the stream named no URL at this endpoint");
        };
        request.path = path;
        if let Err(failure) = Self::permitted(ask, request, session) {
            return (None, Some(failure));
        }
        let Some(mut stream) = self.streams.remove(&opener) else {
            return fail(FailureKind::Reset, "the stream is closed");
        };
        let (posted, _) = match self.once(request, ReplyEnd::Body).await {
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
            None => fail(FailureKind::Timeout, "no answer on the stream"),
        }
    }
}

/// A reply in plain HTTP that says that TLS is spoken here (Go, nginx, Apache and others say so with a 400).
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

/// What to try when no HTTP came.
fn other_speech(speech: Speech, failure: &Failure) -> Option<Speech> {
    let banner = failure.banner.as_slice();
    match speech {
        // A TLS alert or handshake record.
        Speech::Plain if matches!(banner, [0x15 | 0x16, 0x03, ..]) => Some(Speech::Tls),
        // An HTTP/2 frame: SETTINGS or GOAWAY on stream 0.
        Speech::Plain if matches!(banner, [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..]) => Some(Speech::PlainTwo),
        // Closed without a word: many TLS servers do.
        Speech::Plain if banner.is_empty() && failure.kind == FailureKind::Reset => Some(Speech::Tls),
        Speech::Tls if banner.starts_with(b"HTTP/") || matches!(failure.kind, FailureKind::Tls | FailureKind::Reset) => Some(Speech::Plain),
        _ => None,
    }
}
