//! One session: the requests to one endpoint, chosen by its replies, and the conclusion.
//!
//! A pure state machine without I/O: [`Session::next_ask`] returns the next request, the caller sends it and passes the exchange to
//! [`Session::answer`], [`Session::conclude`] returns the result.

mod build;
mod choose;
mod conclude;
mod deception;
mod import;
mod prefix;
mod receive;
mod redirect;
mod scores;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vigie_catalog::SigId;
use vigie_model::Exchange;

use crate::Identifier;
use crate::ask::{Ask, Limits, Target};
use crate::cache::sessions::{Node, cacheable_hash};
use crate::transcript::Transcript;

use prefix::PrefixState;
use scores::Score;

/// One session with one endpoint.
#[derive(Debug)]
pub struct Session {
    identifier: Arc<Identifier>,
    port: u16,
    authority: String,
    limits: Limits,
    /// Requests returned so far, those about single models not counted.
    sent: usize,
    failures: usize,
    replies: usize,
    over: bool,
    /// What was asked and answered at the current path prefix.
    here: Progress,
    /// The current path prefix, and what was asked and answered at the other one.
    prefix: PrefixState,
    /// A redirect that is to be followed next.
    pending: Option<Ask>,
    /// The models that a product's lists name, until a new list arrives.
    names: Option<(u32, Vec<String>)>,
    /// The position in the session cache; `None` once the session cannot be cached.
    cached: Option<Arc<Node>>,
    /// Exchanges since the last cache miss: they are not in the transcript yet, because their outcome came from the cache.
    skipped: Vec<(Arc<Ask>, Exchange)>,
}

/// What was asked and answered at one path prefix.
#[derive(Debug, Default)]
struct Progress {
    transcript: Transcript,
    asked: BTreeSet<SigId>,
    models_asked: BTreeSet<String>,
    /// Evidence rules whose own condition holds: product, rule, exchange. Their guards are evaluated in the score.
    hits: BTreeSet<(u32, u32, usize)>,
    scores: BTreeMap<u32, Score>,
}

impl Session {
    /// Starts a session. `authority` is the value of the `Host` header (`127.0.0.1:11434`).
    #[must_use]
    pub fn new(identifier: Arc<Identifier>, port: u16, authority: impl Into<String>, limits: Limits) -> Self {
        let cached = Some(identifier.session_cache.root(port, &limits));
        Self {
            identifier,
            port,
            authority: authority.into(),
            limits,
            sent: 0,
            failures: 0,
            replies: 0,
            over: false,
            here: Progress::default(),
            prefix: PrefixState::default(),
            pending: None,
            names: None,
            cached,
            skipped: Vec::new(),
        }
    }

    /// Ends the session early (a deadline, an interrupt): no further request is returned.
    pub fn stop(&mut self) {
        self.over = true;
    }

    /// Counts a request that was sent once more in another protocol (TLS, HTTP/2).
    pub fn spent(&mut self) {
        // The remaining budget no longer follows from the replies alone, so the session cannot be cached.
        self.catch_up();
        self.cached = None;
        self.sent += 1;
    }

    /// The path that an open event stream named in its `endpoint` event, if it belongs to this endpoint.
    #[must_use]
    pub fn stream_path(&self, opener: SigId) -> Option<String> {
        let parsed = self.here.transcript.reply_to(opener)?;
        let named = vigie_http::events::data_of("endpoint", parsed.text().as_bytes())?;
        self.own_path(named.trim(), &parsed.exchange.request.path)
    }

    /// Requests returned so far, those about single models not counted.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Requests that may still be returned, those about single models not counted.
    fn left(&self) -> usize {
        self.limits.requests.saturating_sub(self.sent)
    }

    /// The next request; `None`: the session is over.
    pub fn next_ask(&mut self) -> Option<Arc<Ask>> {
        if self.over {
            return None;
        }
        let known = self.cached.as_ref().and_then(|node| node.next.get().cloned());
        let ask = known.unwrap_or_else(|| {
            self.catch_up();
            let ask = self.choose().map(Arc::new);
            if let Some(node) = &self.cached {
                let _ = node.next.set(ask.clone());
            }
            ask
        });
        match &ask {
            Some(ask) => match &ask.target {
                Target::Model(name) => {
                    self.here.models_asked.insert(name.clone());
                }
                _ => {
                    self.sent += 1;
                    self.here.asked.insert(ask.sig);
                }
            },
            None => self.over = true,
        }
        ask
    }

    /// Adds the outcome of a request.
    pub fn answer(&mut self, ask: &Arc<Ask>, exchange: Exchange) {
        let hash = cacheable_hash(&self.identifier.reply_cache, exchange.reply.as_ref());
        let next = match (&self.cached, hash, &exchange.reply) {
            (Some(node), Some(hash), Some(reply)) => node.child(hash, reply),
            _ => None,
        };
        if next.is_some() {
            self.cached = next;
            self.skipped.push((Arc::clone(ask), exchange));
            return;
        }
        self.catch_up();
        let reply = self.receive(ask, exchange);
        self.cached = match (self.cached.take(), hash, reply) {
            (Some(node), Some(hash), Some(reply)) => Some(self.identifier.session_cache.insert(&node, hash, reply)),
            _ => None,
        };
    }

    /// Adds the exchanges that the cache let us skip to the transcript, in order.
    fn catch_up(&mut self) {
        for (ask, exchange) in std::mem::take(&mut self.skipped) {
            self.receive(&ask, exchange);
        }
    }

    /// All exchanges in order, with the paths as they were sent.
    #[must_use]
    pub fn into_exchanges(self) -> Vec<Exchange> {
        let skipped = self.skipped.into_iter().map(|(_, exchange)| exchange);
        let exchanges = self.here.transcript.replies.into_iter().map(|parsed| parsed.exchange);
        self.prefix.all_exchanges(exchanges.chain(skipped))
    }
}
