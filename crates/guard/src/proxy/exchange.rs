//! One client's connection: each request is judged, passed on and accounted for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use vigie_http::body::Body;
use vigie_http::head::RequestHead;
use vigie_http::headers;
use vigie_model::Effect;

use super::gate::Gate;
use super::upstream::{Answer, Forwarded, Upstream, UpstreamError};
use super::wire;
use crate::admin::Recorder;
use crate::credential::credential;
use crate::key::{Grant, Key, NoKey};
use crate::limit::estimate::{self, Counted, Form, Prompt};
use crate::limit::{self, Permit};
use crate::log::{Client, Entry, Outcome, RequestEntry, Tokens};
use crate::meter::{self, Meter, Stripper};
use crate::policy::{self, Asked, Passed, Refusal};

/// A list of models is read whole to be filtered, up to this many bytes.
const MAX_LIST: usize = 16 << 20;
/// Of an answer's headers these are passed on.
const PASSED_ON: [&str; 6] = [
    "content-type",
    "cache-control",
    "retry-after",
    "content-disposition",
    "date",
    "vary",
];
/// A body up to this many bytes is read before the limits of its key are looked at.
const SMALL: u64 = 64 * 1024;
/// The longest header value that is passed on to the server.
const MAX_ACCEPT: usize = 200;

/// Serves a connection until it ends.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    client: SocketAddr,
    gate: &Gate,
    upstream: &Upstream,
    recorder: &Recorder,
) {
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    loop {
        let read = tokio::select! {
            biased;
            read = wire::read_head(&mut io, &mut buffer, &gate.bounds) => read,
            // A connection that waits for its next request does not keep the gateway from stopping.
            () = gate.stopped() => return,
        };
        if matches!(read, Ok(None)) {
            return;
        }
        let mut exchange = Exchange::new(client, gate, upstream, recorder);
        let goes_on = match read {
            Ok(None) => GoesOn::No,
            Err(refusal) => exchange.refuse(&mut io, None, &refusal).await,
            Ok(Some((head, body))) => exchange.run(&mut io, &mut buffer, &head, body).await,
        };
        drop(exchange);
        match goes_on {
            GoesOn::Yes if !gate.is_stopping() => {}
            GoesOn::Yes | GoesOn::No => return,
            GoesOn::Unread => return wire::linger(&mut io).await,
        }
    }
}

/// Whether another request may follow on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GoesOn {
    Yes,
    No,
    /// No, and the request was not read to its end.
    Unread,
}

/// A request under way. Dropped, however it ended, it is counted and logged.
struct Exchange<'g> {
    gate: &'g Gate,
    upstream: &'g Upstream,
    recorder: &'g Recorder,
    /// The answer came piece by piece.
    streamed: bool,
    entry: Box<RequestEntry>,
    begun: Instant,
    admitted: Option<Admitted<'g>>,
    /// Header lines of the answer that say how to authenticate, or what is left of the key's limits.
    more: String,
}

/// An admitted request whose tokens are not counted yet.
struct Admitted<'g> {
    permit: Permit<'g>,
    infers: bool,
    prompt: Prompt,
    form: Form,
    meter: Option<Meter>,
}

impl<'g> Exchange<'g> {
    fn new(client: SocketAddr, gate: &'g Gate, upstream: &'g Upstream, recorder: &'g Recorder) -> Self {
        Self {
            gate,
            upstream,
            recorder,
            streamed: false,
            begun: Instant::now(),
            entry: Box::new(fresh_entry(fresh_id(), client)),
            admitted: None,
            more: String::new(),
        }
    }

    fn elapsed_ms(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1_000.0
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        buffer: &mut BytesMut,
        head: &RequestHead,
        body: Body,
    ) -> GoesOn {
        self.entry.method.clone_from(&head.method);
        self.entry.path = vigie_http::path::without_query(&head.target).to_owned();
        if self.gate.log.is_broken() {
            // Nothing happens that is not logged.
            self.entry.outcome = Outcome::Failed {
                detail: "the audit log cannot be written".to_owned(),
            };
            return self.answer(io, 503, "{\"error\":\"unavailable\"}", body, false).await;
        }
        let key = match self.authenticate(head) {
            Ok(key) => key,
            Err(refusal) => return self.refuse(io, Some((head, body)), &refusal).await,
        };
        self.entry.client.key = Some((key.id.clone(), key.name.clone()));
        if let Err(refusal) = check_head(head).and_then(|()| self.gate.allowed.check(&head.headers)) {
            return self.refuse(io, Some((head, body)), &refusal).await;
        }
        // A large body is not read for a key that is over its limits anyway.
        if !matches!(body, Body::Length(..=SMALL))
            && let Some((over, standing)) = self.gate.limiter.full(&key.id, &key.grant.limits, self.gate.limiter.now())
        {
            return self.refuse(io, Some((head, body)), &Refusal::OverLimit { over, standing }).await;
        }
        if headers::first(&head.headers, "expect").is_some() && !wire::write(io, b"HTTP/1.1 100 Continue\r\n\r\n").await {
            return GoesOn::No;
        }
        let content = match wire::read_body(io, buffer, body, &self.gate.bounds).await {
            Ok(content) => content,
            Err(refusal) => return self.refuse(io, Some((head, body)), &refusal).await,
        };
        self.entry.request_bytes = content.len();
        let table = self.gate.table();
        let asked = Asked {
            method: &head.method,
            target: &head.target,
            content_type: headers::first(&head.headers, "content-type"),
            body: &content,
        };
        let keeps_alive = keeps_alive(head);
        let passed = match policy::judge_metered(&table, &key.grant, &asked, self.gate.habit) {
            Ok(passed) => passed,
            Err(refusal) => {
                self.refused(&refusal);
                return self
                    .answer(io, refusal.status(), refusal.body(), Body::Length(0), keeps_alive)
                    .await;
            }
        };
        self.entry.route = Some((passed.effect.to_string(), passed.route.to_owned()));
        self.entry.models.clone_from(&passed.models);
        if let Err(refusal) = self.admit(&key, &passed, &content) {
            self.refused(&refusal);
            return self
                .answer(io, refusal.status(), refusal.body(), Body::Length(0), keeps_alive)
                .await;
        }
        let goes_on = self
            .forward(io, buffer, head, &passed, &key.grant, table.names(), keeps_alive)
            .await;
        self.entry.duration_ms = self.elapsed_ms();
        goes_on
    }

    /// The key of a request.
    fn authenticate(&self, head: &RequestHead) -> Result<Arc<Key>, Refusal> {
        let secret = credential(&head.headers)
            .map_err(Refusal::Credential)?
            .ok_or(Refusal::NoCredential)?;
        let keys = self.gate.keys();
        keys.find(&secret, chrono::Utc::now())
            .cloned()
            .map_err(|(why, _): (NoKey, _)| Refusal::Key(why))
    }

    /// Counts the request against the limits of its key, or refuses it.
    fn admit(&mut self, key: &Key, passed: &Passed<'_>, content: &[u8]) -> Result<(), Refusal> {
        let gate = self.gate;
        let infers = passed.effect == Effect::Infer;
        let (admitted, standing) = gate.limiter.admit(&key.id, &key.grant.limits, infers, gate.limiter.now());
        let permit = admitted.map_err(|over| Refusal::OverLimit { over, standing })?;
        self.more = limit::header_lines(&standing);
        self.admitted = Some(Admitted {
            permit,
            infers,
            prompt: if infers { Prompt::of(content) } else { Prompt::default() },
            form: Form::None,
            meter: None,
        });
        Ok(())
    }

    /// Counts the tokens and ends the request for the limits: before the client sees the end of the answer, so that its next request finds
    /// the place free. `whole`: whether the server's answer came to its end.
    fn settle(&mut self, whole: bool) {
        let Some(admitted) = self.admitted.take() else { return };
        let entry = &mut self.entry;
        if let Some(meter) = &admitted.meter {
            entry.chunks = meter.pieces;
            entry.tokens = meter.tokens(whole);
        }
        // Without an answer the server may be at work on the prompt, unless it could not be reached.
        let took = match entry.status {
            Some(status) => (200..300).contains(&status),
            None => !matches!(entry.outcome, Outcome::Failed { .. }),
        };
        let counted = match admitted.infers && took {
            true => estimate::counted(entry.tokens, whole, &admitted.prompt, admitted.form, entry.response_bytes),
            false => Counted::default(),
        };
        let at = chrono::Utc::now();
        entry.counted = Some((counted, at));
        entry.duration_ms = self.begun.elapsed().as_secs_f64() * 1_000.0;
        admitted.permit.settle(counted.tokens, at);
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.more = refusal.header_lines();
        self.entry.outcome = Outcome::Refused {
            reason: refusal.word(),
            detail: refusal.to_string(),
        };
    }

    /// Refuses a request whose body was not read.
    async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        request: Option<(&RequestHead, Body)>,
        refusal: &Refusal,
    ) -> GoesOn {
        self.refused(refusal);
        let (body, keeps_alive) = match request {
            None => (Body::UntilClose, false),
            Some((head, body)) => (body, keeps_alive(head) && !matches!(refusal, Refusal::TooSlow)),
        };
        self.answer(io, refusal.status(), refusal.body(), body, keeps_alive).await
    }

    /// Gives an answer of the gateway's own. `unread`: what is left of the request.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        status: u16,
        text: &str,
        unread: Body,
        keeps_alive: bool,
    ) -> GoesOn {
        let is_read = unread == Body::Length(0);
        let keeps_alive = keeps_alive && is_read;
        let text = if self.entry.method == "HEAD" { "" } else { text };
        let answer = wire::own_answer(status, text, keeps_alive, &self.more);
        self.settle(false);
        let written = wire::write(io, &answer).await;
        self.entry.status = Some(status);
        self.entry.duration_ms = self.elapsed_ms();
        match (written, keeps_alive, is_read) {
            (true, true, _) => GoesOn::Yes,
            (true, false, false) => GoesOn::Unread,
            _ => GoesOn::No,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    async fn forward<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        buffer: &mut BytesMut,
        head: &RequestHead,
        passed: &Passed<'_>,
        grant: &Grant,
        names: vigie_catalog::table::NameReading,
        keeps_alive: bool,
    ) -> GoesOn {
        let forwarded = Forwarded {
            method: &head.method,
            target: &passed.target,
            accept: headers::first(&head.headers, "accept")
                .filter(|accept| accept.len() <= MAX_ACCEPT && accept.bytes().all(|b| (b' '..=b'~').contains(&b))),
            body: passed.body.as_ref().map(|(kind, body)| (kind.as_str(), body.as_slice())),
        };
        let sent = tokio::select! {
            sent = self.upstream.send(&forwarded) => sent,
            () = gone(io, buffer) => return GoesOn::No,
        };
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                self.gate.lose();
                let status = if error == UpstreamError::Timeout { 504 } else { 502 };
                self.entry.outcome = Outcome::Failed { detail: error.to_string() };
                return self
                    .answer(io, status, "{\"error\":\"bad gateway\"}", Body::Length(0), keeps_alive)
                    .await;
            }
        };
        self.entry.status = Some(answer.head.status);
        if !passed.lists.is_empty() && (200..300).contains(&answer.head.status) && head.method != "HEAD" {
            return self.list(io, answer, passed, grant, names, keeps_alive).await;
        }
        let goes_on = self.stream(io, buffer, head, &mut answer, passed.strips, keeps_alive).await;
        if self.entry.outcome == Outcome::Answered {
            self.upstream.keep(answer);
        }
        goes_on
    }

    /// Passes an answer on piece by piece, as it comes.
    async fn stream<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        buffer: &mut BytesMut,
        head: &RequestHead,
        answer: &mut Answer,
        strips: Option<meter::Others>,
        keeps_alive: bool,
    ) -> GoesOn {
        let content_type = headers::first(&answer.head.headers, "content-type");
        let meter = Meter::new(content_type);
        // What is no stream of events has no counters that the gateway asked for: an error, say.
        let mut stripper = strips.filter(|_| meter::is_events(content_type)).map(Stripper::new);
        self.streamed = meter.is_stream();
        let _open = self.streamed.then(|| self.recorder.streams.open());
        let framing = match (answer.length(), head.version) {
            // The counters are taken out of it, so its length is not known.
            (Some(length), _) if stripper.is_none() => Framing::Length(length),
            (_, "HTTP/1.1") => Framing::Chunks,
            (_, _) => Framing::Close,
        };
        let keeps_alive = keeps_alive && framing != Framing::Close;
        let mut out = answer_head(answer, framing, keeps_alive, &self.more);
        if let Some(admitted) = &mut self.admitted {
            admitted.form = content_type.map_or(Form::Other, |kind| Form::of(kind, meter.is_stream()));
            admitted.meter = Some(meter);
        }
        let mut passing = Vec::new();
        let wait = self.upstream.wait;
        let ended = loop {
            // The head goes out with the first piece, or alone where that takes time.
            let piece = tokio::select! {
                biased;
                piece = answer.piece(wait) => piece,
                () = gone(io, buffer) => {
                    self.entry.outcome = Outcome::Aborted;
                    break false;
                }
                () = std::future::ready(()), if !out.is_empty() => {
                    if !wire::write(io, &std::mem::take(&mut out)).await {
                        break false;
                    }
                    continue;
                }
            };
            match piece {
                Ok(Some(piece)) => {
                    self.entry
                        .first_byte_ms
                        .get_or_insert_with(|| self.begun.elapsed().as_secs_f64() * 1_000.0);
                    if let Some(meter) = self.admitted.as_mut().and_then(|admitted| admitted.meter.as_mut()) {
                        meter.piece(&piece);
                    }
                    let piece = match &mut stripper {
                        None => &piece[..],
                        Some(stripper) => {
                            passing.clear();
                            stripper.piece(&piece, &mut passing);
                            &passing
                        }
                    };
                    // An empty chunk would end the answer.
                    if piece.is_empty() {
                        continue;
                    }
                    self.entry.response_bytes += piece.len() as u64;
                    if framing == Framing::Length(self.entry.response_bytes) {
                        self.settle(true);
                    }
                    frame(framing, piece, &mut out);
                    if !wire::write(io, &out).await {
                        break false;
                    }
                    out.clear();
                }
                Ok(None) => {
                    self.finish(stripper.as_mut(), framing, &mut out);
                    self.settle(true);
                    if framing == Framing::Chunks {
                        out.extend_from_slice(b"0\r\n\r\n");
                    }
                    let written = out.is_empty() || wire::write(io, &out).await;
                    self.entry.outcome = if written { Outcome::Answered } else { Outcome::Aborted };
                    break written;
                }
                Err(error) => {
                    self.finish(stripper.as_mut(), framing, &mut out);
                    // The client sees that the answer has no end.
                    let _ = wire::write(io, &out).await;
                    self.entry.outcome = Outcome::Failed { detail: error.to_string() };
                    break false;
                }
            }
        };
        self.settle(false);
        if ended && keeps_alive { GoesOn::Yes } else { GoesOn::No }
    }

    /// Passes on what is held of an event without an end.
    fn finish(&mut self, stripper: Option<&mut Stripper>, framing: Framing, out: &mut Vec<u8>) {
        let mut last = Vec::new();
        if let Some(stripper) = stripper {
            stripper.finish(&mut last);
        }
        if !last.is_empty() {
            self.entry.response_bytes += last.len() as u64;
            frame(framing, &last, out);
        }
    }

    /// Passes on a list of models, without those that the key may not use.
    async fn list<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        mut answer: Answer,
        passed: &Passed<'_>,
        grant: &Grant,
        names: vigie_catalog::table::NameReading,
        keeps_alive: bool,
    ) -> GoesOn {
        let mut list = Vec::new();
        loop {
            match answer.piece(self.upstream.wait).await {
                Ok(Some(piece)) if list.len() + piece.len() <= MAX_LIST => list.extend_from_slice(&piece),
                Ok(None) => break,
                Ok(Some(_)) => return self.failed(io, "a list of models that is too long", keeps_alive).await,
                Err(error) => return self.failed(io, &error.to_string(), keeps_alive).await,
            }
        }
        let list = match policy::filter(&list, passed.lists, grant, names) {
            Ok(filtered) => filtered.unwrap_or(list),
            Err(why) => {
                return self
                    .failed(io, &format!("a list of models that does not read: {why}"), keeps_alive)
                    .await;
            }
        };
        let mut out = answer_head(&answer, Framing::Length(list.len() as u64), keeps_alive, &self.more);
        out.extend_from_slice(&list);
        self.entry.response_bytes = list.len() as u64;
        self.entry.first_byte_ms = Some(self.elapsed_ms());
        self.settle(true);
        let written = wire::write(io, &out).await;
        self.entry.outcome = if written { Outcome::Answered } else { Outcome::Aborted };
        self.upstream.keep(answer);
        if written && keeps_alive { GoesOn::Yes } else { GoesOn::No }
    }

    async fn failed<S: AsyncRead + AsyncWrite + Unpin>(&mut self, io: &mut S, detail: &str, keeps_alive: bool) -> GoesOn {
        self.entry.outcome = Outcome::Failed { detail: detail.to_owned() };
        self.answer(io, 502, "{\"error\":\"bad gateway\"}", Body::Length(0), keeps_alive)
            .await
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        // What is still open here was cut off: the gateway stopped, or the client left.
        self.settle(false);
        self.recorder.record(&self.entry, self.streamed);
        let empty = fresh_entry(String::new(), self.entry.client.address);
        let entry = std::mem::replace(&mut self.entry, Box::new(empty));
        self.gate.log.record(Entry::Request(entry));
    }
}

/// How the end of an answer is marked for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunks,
    Close,
}

/// The head of an answer: its status and the headers that say what its body is, and nothing that names a product.
pub(super) fn answer_head(answer: &Answer, framing: Framing, keeps_alive: bool, more: &str) -> Vec<u8> {
    let status = answer.head.status;
    let mut out = format!("HTTP/1.1 {status} {}\r\n", wire::reason(status));
    for (name, value) in &answer.head.headers {
        if PASSED_ON.contains(&name.as_str()) && value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    out.push_str(more);
    match framing {
        // These have no body and no length.
        Framing::Length(_) if matches!(status, 204 | 304) => {}
        Framing::Length(length) => out.push_str(&format!("content-length: {length}\r\n")),
        Framing::Chunks => out.push_str("transfer-encoding: chunked\r\n"),
        Framing::Close => {}
    }
    if !keeps_alive {
        out.push_str("connection: close\r\n");
    }
    out.push_str("\r\n");
    out.into_bytes()
}

pub(super) fn frame(framing: Framing, piece: &[u8], out: &mut Vec<u8>) {
    if framing == Framing::Chunks {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    } else {
        out.extend_from_slice(piece);
    }
}

/// Refuses what the gateway does not pass on, whatever the route.
pub(super) fn check_head(head: &RequestHead) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::Ambiguous(why.to_owned()));
    if headers::first(&head.headers, "upgrade").is_some() {
        return refuse("an upgrade of the connection");
    }
    if headers::all(&head.headers, "content-encoding").any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return refuse("an encoded body");
    }
    if headers::all(&head.headers, "expect").any(|expect| !expect.eq_ignore_ascii_case("100-continue")) {
        return refuse("an expectation");
    }
    if headers::all(&head.headers, "content-type").count() > 1 {
        return refuse("two content types");
    }
    Ok(())
}

pub(super) fn keeps_alive(head: &RequestHead) -> bool {
    let says = |word: &str| headers::elements(&head.headers, "connection").any(|element| element.eq_ignore_ascii_case(word));
    head.version == "HTTP/1.1" && !says("close")
}

/// Waits until the client has gone. What it sends meanwhile is kept for later, up to a bound.
pub(super) async fn gone<S: AsyncRead + Unpin>(io: &mut S, buffer: &mut BytesMut) {
    loop {
        if buffer.len() >= 64 * 1024 {
            // It sends more than it may: its next bytes are read when their turn comes.
            std::future::pending::<()>().await;
        }
        match io.read_buf(buffer).await {
            Ok(count) if count > 0 => {}
            _ => return,
        }
    }
}

/// The entry of a request of which nothing is known yet.
fn fresh_entry(id: String, client: SocketAddr) -> RequestEntry {
    RequestEntry {
        id,
        begun: chrono::Utc::now(),
        client: Client {
            address: client,
            key: None,
        },
        method: String::new(),
        path: String::new(),
        route: None,
        models: Vec::new(),
        request_bytes: 0,
        status: None,
        response_bytes: 0,
        tokens: Tokens::default(),
        counted: None,
        chunks: 0,
        first_byte_ms: None,
        duration_ms: 0.0,
        outcome: Outcome::Aborted,
    }
}

/// An id of a request: random, so that it says nothing of others.
fn fresh_id() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let random = || std::hash::RandomState::new().build_hasher().finish();
    format!("{:016x}", random())
}
