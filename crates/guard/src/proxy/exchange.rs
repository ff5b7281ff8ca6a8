//! One request of a client: judged, passed on and accounted for.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vigie_http::head::RequestHead;
use vigie_http::headers;

use super::client::{Client, answer_with, check_head, plain_fields};
use super::models;
use super::peer::Peer;
use super::relay::{Follow, Relayed, relay};
use super::upstream::{Answer, Upstream, UpstreamError};
use super::upstreams::{MAX_LIST, NotSent, Plain, Sent};
use super::worker::Shared;
use crate::credential::{BadCredential, credential_beside, in_target, redact};
use crate::key::{Grant, Key, NoKey, Presented};
use crate::limit::estimate::{self, Counted, Form, Prompt};
use crate::limit::{self, Away, Limits, Permit, RemotePermit};
use crate::log::{self, Outcome, RequestEntry, Texts};
use crate::meter::{self, Meter, Stripper};
use crate::policy::{self, Asked, Notes, Passed, Refusal};
use crate::pool::{Busy, Judged, Judgement};
use crate::telemetry::Trace;
use crate::token;
use crate::watch::{Sanction, Seen};

/// A body up to this many bytes is read before the limits of its key are looked at.
const SMALL: u64 = 64 * 1024;
/// The longest header value that is passed on to the server.
const MAX_ACCEPT: usize = 200;
/// The answer when the server behind gave none.
const BAD_GATEWAY: &str = "{\"error\":\"bad gateway\"}";

/// Whether a header of the server's answer is passed on: those that say what its body is, and nothing that names a product.
fn is_passed_on(name: &str) -> bool {
    matches!(
        name,
        "content-type" | "cache-control" | "retry-after" | "content-disposition" | "date" | "vary"
    )
}

/// A request under way. Dropped, however it ended, it is counted and logged.
pub(super) struct Exchange<'g> {
    pub(super) shared: &'g Shared,
    /// The certificate that the client presented.
    pub(super) certificate: Option<Rc<Presented>>,
    pub(super) entry: Box<RequestEntry>,
    /// The entry is in the log, or is not to be.
    is_logged: bool,
    /// The texts that are kept of it.
    texts: Option<Texts>,
    begun: Instant,
    admitted: Option<Admitted<'g>>,
    /// Takes counters out of the answer that the client did not ask for.
    stripper: Option<Stripper>,
    /// The bytes that the stripper passes on.
    passing: Vec<u8>,
    /// What is noted for the detectors.
    seen: Seen,
    /// The trace that it belongs to, where there are traces.
    trace: Option<Trace>,
    /// Header lines of the answer that say how to authenticate, or what is left of the key's limits.
    pub(super) more: String,
    /// Those of them that let a browser give the answer to a page.
    cors: String,
}

/// An admitted request whose tokens are not counted yet.
struct Admitted<'g> {
    permit: Permit<'g>,
    /// Where Redis has the counts.
    remote: Option<RemotePermit>,
    infers: bool,
    prompt: Prompt,
    form: Form,
    meter: Option<Meter>,
}

/// Why a request is not counted.
enum NotAdmitted {
    Refused(Refusal),
    /// Redis does not answer.
    Away,
}

impl From<Refusal> for NotAdmitted {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Away> for NotAdmitted {
    fn from(_: Away) -> Self {
        Self::Away
    }
}

impl<'g> Exchange<'g> {
    pub(super) fn new(peer: &Peer, shared: &'g Shared) -> Self {
        let mut entry = Box::new(RequestEntry::begun(fresh_id(), peer.address));
        entry.asked_by = shared.gate.plan.asker.as_ref().map(|asker| asker.proxy.word());
        Self {
            shared,
            certificate: peer.certificate.clone(),
            begun: Instant::now(),
            is_logged: false,
            texts: shared.gate.log.texts(),
            entry,
            admitted: None,
            stripper: None,
            passing: Vec::new(),
            seen: Seen::default(),
            trace: None,
            more: String::new(),
            cors: String::new(),
        }
    }

    pub(super) fn elapsed_ms(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1_000.0
    }

    /// Answers a request whose head was read.
    pub(super) async fn run(&mut self, client: &mut impl Client, head: &RequestHead) {
        self.entry.method.clone_from(&head.method);
        let gate = &*self.shared.gate;
        let listen = &gate.plan.config.listen;
        let is_own = gate.plan.asker.is_none();
        let in_target = match is_own && (listen.path_keys || listen.query_key.is_some()) {
            false => Ok(None),
            true => in_target(&head.target, listen.path_keys, listen.query_key.as_deref()),
        };
        // From here on nobody sees a credential of the target.
        let (of_target, moved) = match in_target {
            Ok(Some(found)) => (Ok(Some(found.secret)), Some(found.target)),
            Ok(None) => (Ok(None), None),
            Err(bad) => (Err(bad), None),
        };
        let moved = moved.map(|target| RequestHead { target, ..head.clone() });
        let head = moved.as_ref().unwrap_or(head);
        self.entry.path = redact(vigie_http::path::without_query(&head.target)).into_owned();
        if let Some(agent) = headers::first(&head.headers, "user-agent") {
            self.entry.user_agent = log::user_agent(agent);
        }
        if gate.log.refuses() {
            self.turn_away();
            return self.answer(client, 503, "{\"error\":\"unavailable\"}").await;
        }
        if let Some(asker) = &gate.plan.asker {
            return self.decide(client, head, asker).await;
        }
        self.cors = gate.allowed.cors_lines(&head.headers);
        self.more.clone_from(&self.cors);
        if let Some(lines) = gate.allowed.preflight_lines(head) {
            self.more = lines;
            self.entry.outcome = Outcome::Answered;
            return self.answer(client, 204, "").await;
        }
        let address = self.entry.client.address.ip();
        if gate
            .watch
            .as_ref()
            .is_some_and(|watch| watch.for_address(address) == Sanction::Block)
        {
            return self.refuse(client, &Refusal::BlockedAddress).await;
        }
        let key = match self.authenticate(head, of_target).await {
            Ok(key) => key,
            Err(refusal) => return self.refuse(client, &refusal).await,
        };
        self.entry.client.key = Some((key.id.clone(), key.name.clone()));
        // Whoever has no key continues nobody's trace.
        self.trace = gate.traces.map(|traces| traces.of_client(&head.headers));
        match gate.watch.as_ref().map_or(Sanction::None, |watch| watch.for_key(&key.id)) {
            Sanction::None => {}
            Sanction::Block => return self.refuse(client, &Refusal::Blocked).await,
            Sanction::Slow(wait) => tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = client.gone() => return,
            },
        }
        let present = || policy::present(&key.grant, self.entry.client.address.ip(), self.entry.begun);
        if let Err(refusal) = check_head(head)
            .and_then(|()| gate.allowed.check(&head.headers))
            .and_then(|()| present())
        {
            return self.refuse(client, &refusal).await;
        }
        // A large body is not read for a key that is over its limits anyway.
        if client.announced().is_none_or(|length| length > SMALL)
            && gate.remote.is_none()
            && let Some((over, standing)) = gate.limiter.full(&key.id, &key.grant.limits, gate.limiter.now())
        {
            return self.refuse(client, &Refusal::OverLimit { over, standing }).await;
        }
        let content = match client.body(&gate.bounds).await {
            Ok(content) => content,
            Err(refusal) => {
                if refusal == Refusal::TooSlow {
                    client.close();
                }
                return self.refuse(client, &refusal).await;
            }
        };
        self.entry.request_bytes = content.len();
        if let Some(texts) = &mut self.texts {
            texts.request(&content);
        }
        let servers = gate.pool.snapshot();
        let asked = Asked {
            method: &head.method,
            target: &head.target,
            content_type: headers::first(&head.headers, "content-type"),
            body: &content,
        };
        let mut notes = Notes::new(gate.log.prompt_key());
        let judged = gate.judge(&servers, &key.grant, &asked, &self.shared.upstreams, &mut notes).await;
        self.entry.route = notes.route.map(|(effect, route)| (effect.word().to_owned(), route.to_owned()));
        (self.entry.options, self.entry.prompt) = (notes.options, notes.prompt);
        let (grant, judged) = match judged {
            Ok(judged) => judged,
            Err(refusal) => {
                if let Some(watch) = &gate.watch {
                    watch.read_refused(&content, &mut self.seen);
                }
                return self.refuse(client, &refusal).await;
            }
        };
        if let Some(watch) = &gate.watch {
            watch.read(&content, &mut self.seen);
        }
        let passed = judged.first();
        self.entry.models.clone_from(&passed.models);
        let admitted = tokio::select! {
            // Without Redis there is nothing to wait for.
            biased;
            admitted = self.admit(&key, passed, &content) => admitted,
            () = client.gone() => return,
        };
        match admitted {
            Ok(()) => {}
            Err(NotAdmitted::Refused(refusal)) => return self.refuse(client, &refusal).await,
            Err(NotAdmitted::Away) => {
                self.entry.outcome = Outcome::Failed {
                    detail: "Redis does not answer, so the limits of the key are not known".to_owned(),
                };
                return self.answer(client, 503, "{\"error\":\"unavailable\"}").await;
            }
        }
        self.forward(client, head, &judged, &key, &grant).await;
        gate.models_after(judged.first().effect);
        self.entry.duration_ms = self.elapsed_ms();
    }

    /// The key of a request.
    pub(super) async fn authenticate(
        &self,
        head: &RequestHead,
        of_target: Result<Option<String>, BadCredential>,
    ) -> Result<Arc<Key>, Refusal> {
        let gate = &*self.shared.gate;
        let keys = gate.keys();
        let now = self.entry.begun;
        let secret = of_target
            .and_then(|secret| credential_beside(&head.headers, secret))
            .map_err(Refusal::Credential)?;
        let presented = self.certificate.as_ref().and_then(|certificate| keys.of_certificate(certificate));
        let Some(secret) = secret else {
            let key = presented.ok_or(Refusal::NoCredential)?;
            return match key.is_valid_at(now) {
                true => Ok(Arc::clone(key)),
                false => Err(Refusal::Key(NoKey::Expired)),
            };
        };
        let key = match gate.tokens.are_taken() && token::is_token(&secret) {
            true => gate.tokens.find(&secret, now).await.map_err(Refusal::Token)?,
            false => keys.find(&secret, now).cloned().map_err(|(why, _): (NoKey, _)| Refusal::Key(why))?,
        };
        match presented {
            Some(other) if other.id != key.id => Err(Refusal::Credential(BadCredential::Several)),
            None if !key.certificates.is_empty() => Err(Refusal::Certificate),
            _ => Ok(key),
        }
    }

    /// Counts the request against the limits of its key, or refuses it.
    async fn admit(&mut self, key: &Key, passed: &Passed<'_>, content: &[u8]) -> Result<(), NotAdmitted> {
        let gate = &*self.shared.gate;
        let infers = passed.infers;
        let limits = &key.grant.limits;
        let (permit, remote, standing) = match &self.shared.link {
            None => {
                let (admitted, standing) = gate.limiter.admit(&key.id, limits, infers, gate.limiter.now());
                let permit = admitted.map_err(|over| Refusal::OverLimit { over, standing })?;
                (permit, None, standing)
            }
            Some(link) => {
                // Redis decides; what this gateway lets through it counts as well, for a Redis that loses its data.
                let (remote, standing) = link.admit(&key.id, limits, infers).await?;
                let remote = remote.map_err(|over| Refusal::OverLimit { over, standing })?;
                let (admitted, _) = gate.limiter.admit(&key.id, &Limits::default(), infers, gate.limiter.now());
                let permit = admitted.map_err(|over| Refusal::OverLimit { over, standing })?;
                (permit, remote, standing)
            }
        };
        self.more = self.cors.clone() + &limit::header_lines(&standing);
        self.admitted = Some(Admitted {
            permit,
            remote,
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
        if let Some(remote) = admitted.remote {
            remote.settle(counted.tokens);
        }
    }

    /// Refuses the request.
    pub(super) async fn refuse(&mut self, client: &mut impl Client, refusal: &Refusal) {
        self.refused(refusal);
        let shared = self.shared;
        match &shared.gate.plan.config.refusal.decoy {
            // Whoever has a key is told what is wrong.
            Some(decoy) if self.entry.client.key.is_none() => {
                self.more.clone_from(&self.cors);
                if let Some(server) = &decoy.server {
                    self.more.push_str(&format!("server: {server}\r\n"));
                }
                self.answer_with(client, decoy.status, &decoy.content_type, &decoy.body).await;
            }
            _ => self.answer(client, refusal.status(), refusal.body()).await,
        }
    }

    /// Notes that the request is not taken because it cannot be logged. The log counts it, and says so once it can be written.
    pub(super) fn turn_away(&mut self) {
        self.shared.gate.log.turn_away();
        self.is_logged = true;
        self.entry.outcome = Outcome::Failed {
            detail: "the audit log cannot be written".to_owned(),
        };
    }

    /// Notes that the request is refused.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.more = self.cors.clone() + &refusal.header_lines();
        self.entry.outcome = Outcome::Refused {
            reason: refusal.word(),
            detail: refusal.to_string(),
        };
    }

    /// Gives an answer of the gateway's own.
    async fn answer(&mut self, client: &mut impl Client, status: u16, text: &str) {
        self.answer_with(client, status, "application/json", text).await;
    }

    async fn answer_with(&mut self, client: &mut impl Client, status: u16, kind: &str, text: &str) {
        let text = if self.entry.method == "HEAD" { "" } else { text };
        self.settle(false);
        self.entry.status = Some(status);
        self.entry.duration_ms = self.elapsed_ms();
        self.log().await;
        answer_with(client, status, kind, text, &self.more).await;
    }

    /// Writes the entry, before the client has the last bytes of its answer: what it was told is in the log, whatever happens next.
    pub(super) async fn log(&mut self) {
        if !std::mem::replace(&mut self.is_logged, true) {
            self.shared.batch.record(&mut self.entry, self.texts.as_ref()).await;
        }
    }

    async fn failed(&mut self, client: &mut impl Client, status: u16, detail: String) {
        self.entry.outcome = Outcome::Failed { detail };
        self.answer(client, status, BAD_GATEWAY).await;
    }

    async fn forward(&mut self, client: &mut impl Client, head: &RequestHead, judged: &Judged<'_>, key: &Key, grant: &Grant) {
        let (gate, upstreams) = (&*self.shared.gate, &self.shared.upstreams);
        let traceparent = self.trace.map(|trace| trace.header(&self.entry.id));
        let plain = Plain {
            traceparent: traceparent.as_deref(),
            method: &head.method,
            accept: headers::first(&head.headers, "accept")
                .filter(|accept| accept.len() <= MAX_ACCEPT && accept.bytes().all(|b| (b' '..=b'~').contains(&b))),
        };
        if judged.is_list_of_several(&head.method) {
            let list = tokio::select! {
                list = upstreams.list(&gate.pool, &gate.log, grant, judged, plain) => list,
                () = client.gone() => return,
            };
            return match list {
                Ok(list) => self.give(client, 200, [("content-type", "application/json")], &list).await,
                Err(why) => self.failed(client, 502, why).await,
            };
        }
        let sent = tokio::select! {
            sent = upstreams.send(&gate.pool, &gate.log, &key.id, judged, plain) => sent,
            () = client.gone() => return,
        };
        let Sent {
            mut answer,
            upstream,
            judgement,
            slot,
        } = match sent {
            Ok(sent) => sent,
            Err(NotSent::Busy(busy)) => return self.busy(client, busy).await,
            Err(NotSent::Failed(error)) => {
                let status = if error == UpstreamError::Timeout { 504 } else { 502 };
                return self.failed(client, status, error.to_string()).await;
            }
        };
        let passed = &judgement.passed;
        self.entry.status = Some(answer.head.status);
        if !passed.lists.is_empty() && (200..300).contains(&answer.head.status) && head.method != "HEAD" {
            return self.list(client, answer, upstream, judgement, grant, slot.server).await;
        }
        self.stream(client, &mut answer, upstream.wait, passed.strips).await;
        if self.entry.outcome == Outcome::Answered {
            upstream.keep(answer);
        }
    }

    /// Refuses a request for which there is no place: it takes none of its key's limits.
    async fn busy(&mut self, client: &mut impl Client, busy: Busy) {
        if let Some(admitted) = self.admitted.take() {
            admitted.permit.cancel();
            if let Some(remote) = admitted.remote {
                remote.cancel();
            }
        }
        let refusal = Refusal::Busy {
            why: busy.why,
            wait: busy.wait,
        };
        self.refuse(client, &refusal).await;
    }

    /// Passes an answer on piece by piece, as it comes.
    async fn stream(&mut self, client: &mut impl Client, answer: &mut Answer, wait: Duration, strips: Option<meter::Strips>) {
        let content_type = headers::first(&answer.head.headers, "content-type");
        let meter = Meter::new(content_type);
        // What is no stream of events has no counters that the gateway asked for: an error, say.
        self.stripper = strips.filter(|_| meter::is_events(content_type)).map(Stripper::new);
        self.entry.streamed = meter.is_stream();
        let _open = self.entry.streamed.then(|| self.shared.recorder.streams.open());
        // Counters are taken out of it, so its length is not known.
        let length = answer.length().filter(|_| self.stripper.is_none());
        if let Some(admitted) = &mut self.admitted {
            admitted.form = content_type.map_or(Form::Other, |kind| Form::of(kind, meter.is_stream()));
            admitted.meter = Some(meter);
        }
        let fields = plain_fields(&answer.head.headers, is_passed_on);
        client.begin(answer.head.status, fields, &self.more, length);
        self.entry.outcome = match relay(client, answer, length, wait, self).await {
            Relayed::Whole => Outcome::Answered,
            Relayed::ClientGone => Outcome::Aborted,
            Relayed::Failed(error) => Outcome::Failed { detail: error.to_string() },
        };
        self.settle(false);
    }

    /// Passes on a list of models, without those that the key may not use.
    async fn list(
        &mut self,
        client: &mut impl Client,
        mut answer: Answer,
        upstream: &Upstream,
        judgement: &Judgement<'_>,
        grant: &Grant,
        server: usize,
    ) {
        let mut list = Vec::new();
        loop {
            let piece = tokio::select! {
                piece = answer.piece(upstream.wait) => piece,
                () = client.gone() => return,
            };
            match piece {
                Ok(Some(piece)) if list.len() + piece.len() <= MAX_LIST => list.extend_from_slice(&piece),
                Ok(None) => break,
                Ok(Some(_)) => return self.failed(client, 502, "a list of models that is too long".to_owned()).await,
                Err(error) => return self.failed(client, 502, error.to_string()).await,
            }
        }
        let list = match models::filter(&self.shared.gate.pool, server, grant, judgement, &list) {
            Ok(filtered) => filtered.unwrap_or(list),
            Err(why) => {
                return self
                    .failed(client, 502, format!("a list of models that does not read: {why}"))
                    .await;
            }
        };
        let fields = plain_fields(&answer.head.headers, is_passed_on);
        self.give(client, answer.head.status, fields, &list).await;
        upstream.keep(answer);
    }

    /// Gives a list of models.
    async fn give<'f>(&mut self, client: &mut impl Client, status: u16, fields: impl IntoIterator<Item = (&'f str, &'f str)>, list: &[u8]) {
        self.entry.status = Some(status);
        client.begin(status, fields.into_iter(), &self.more, Some(list.len() as u64));
        if !list.is_empty() {
            client.push(list);
        }
        self.entry.response_bytes = list.len() as u64;
        self.entry.first_byte_ms = Some(self.elapsed_ms());
        if let Some(texts) = &mut self.texts {
            texts.answer(list);
        }
        self.ends().await;
        let written = client.finish().await;
        self.entry.outcome = if written { Outcome::Answered } else { Outcome::Aborted };
    }
}

impl Follow for Exchange<'_> {
    fn piece<'p>(&'p mut self, piece: &'p [u8]) -> &'p [u8] {
        if self.entry.first_byte_ms.is_none() {
            self.entry.first_byte_ms = Some(self.elapsed_ms());
        }
        if let Some(meter) = self.admitted.as_mut().and_then(|admitted| admitted.meter.as_mut()) {
            meter.piece(piece);
        }
        let piece = match &mut self.stripper {
            None => piece,
            Some(stripper) => {
                self.passing.clear();
                stripper.piece(piece, &mut self.passing);
                &self.passing
            }
        };
        self.entry.response_bytes += piece.len() as u64;
        if let Some(texts) = &mut self.texts {
            texts.answer(piece);
        }
        piece
    }

    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Some(stripper) = &mut self.stripper {
            stripper.finish(&mut rest);
        }
        self.entry.response_bytes += rest.len() as u64;
        if let Some(texts) = &mut self.texts {
            texts.answer(&rest);
        }
        rest
    }

    async fn ends(&mut self) {
        self.settle(true);
        self.entry.outcome = Outcome::Answered;
        self.log().await;
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        // What is still open here was cut off: the gateway stopped, or the client left.
        self.settle(false);
        if !self.is_logged {
            self.shared.gate.log.record_request(&mut self.entry, self.texts.as_ref());
        }
        self.shared.recorder.record(&self.entry, self.entry.streamed);
        let gate = &self.shared.gate;
        if let Some(traces) = gate.traces {
            gate.telemetry.push(&self.entry, self.trace.unwrap_or_else(|| traces.begin()));
        }
        if let Some(watch) = &gate.watch {
            watch.feed(&self.entry, std::mem::take(&mut self.seen), &gate.pool);
        }
    }
}

/// An id of a request: random, so that it says nothing of others.
fn fresh_id() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    log::hex(&std::hash::RandomState::new().build_hasher().finish().to_be_bytes())
}
