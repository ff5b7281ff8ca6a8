//! Adds an exchange to the transcript.

use std::sync::Arc;

use vigie_catalog::{ExchangeRef, SigId, Signature};
use vigie_model::{Exchange, FailureKind};

use super::Session;
use crate::ask::{Ask, Target};
use crate::cache::replies::CachedReply;
use crate::reply::ParsedReply;

impl Session {
    /// Adds an exchange to the transcript and weighs it; returns the entry of its reply in the cache.
    pub(super) fn receive(&mut self, ask: &Ask, exchange: Exchange) -> Option<Arc<CachedReply>> {
        let index = self.here.transcript.replies.len();
        let failure = exchange.failure.as_ref().map(|failure| failure.kind);
        self.here.transcript.replies.push(ParsedReply::new(exchange));
        match failure {
            None => self.replies += 1,
            Some(kind) => {
                self.failures += 1;
                // A server that does not speak HTTP does not speak it on another path either; a silent one is not asked a third time.
                if self.replies == 0 && (kind == FailureKind::NotHttp || kind == FailureKind::Connect || self.failures >= 2) {
                    self.over = true;
                }
                if self.failures >= 4 {
                    self.over = true;
                }
            }
        }
        let mut exchanges = vec![ExchangeRef::Any];
        match &ask.target {
            Target::Model(name) => self.here.transcript.models.push((name.clone(), index)),
            Target::Proof => self.here.transcript.proof = Some(index),
            Target::Plain { .. } | Target::Redirect { .. } => {
                self.names = None;
                // The reply to `GET /` stays the first page of its chain, and the last page is the landing page. Of other requests, the
                // reply is the page to which the redirect led.
                if !matches!(ask.target, Target::Redirect { landing: true, .. }) {
                    self.here.transcript.by_sig.push((ask.sig, index));
                    exchanges.push(ExchangeRef::Sig(ask.sig));
                }
                if let Some(path_sig) = self.own_sig(index).filter(|sig| *sig != ask.sig) {
                    // The redirect led to a page that some rule refers to by its own path.
                    self.here.asked.insert(path_sig);
                    self.here.transcript.by_sig.push((path_sig, index));
                    exchanges.push(ExchangeRef::Sig(path_sig));
                }
                let landing = ask.sig == self.identifier.root || matches!(ask.target, Target::Redirect { landing: true, .. });
                if landing {
                    self.here.transcript.landing = Some(index);
                    exchanges.push(ExchangeRef::Landing);
                    // Rules on the landing page that fitted an earlier page of the chain no longer count.
                    let catalog = Arc::clone(&self.identifier.catalog);
                    self.here.hits.retain(|(product, rule, _)| {
                        catalog.nth(*product).evidence[*rule as usize].condition.exchange != ExchangeRef::Landing
                    });
                }
                self.redirect(ask, index, landing);
            }
        }
        self.weigh(index, &exchanges)
    }

    /// The number of the catalogue's request for the path of an exchange, if it has one.
    fn own_sig(&self, index: usize) -> Option<SigId> {
        let request = &self.here.transcript.replies[index].exchange.request;
        if request.method != "GET" {
            return None;
        }
        self.identifier.catalog.sig(&Signature::get(&request.path))
    }
}
