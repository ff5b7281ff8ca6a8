//! Cache of finished sessions. A session is a pure function of the replies: where the same requests got the same replies, the next
//! request and the conclusion are the same. Empty servers of one version, login pages and copies of one image reply word for word alike.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use vigie_model::{EffectSet, Reply};

use super::replies::{CachedReply, ReplyCache};
use crate::ask::{Ask, Limits};
use crate::conclusion::Conclusion;

/// Most bytes of replies on the edges of the tree; all else that is kept grows with them.
const MAX_BYTES: usize = 1 << 20;

/// Longest body of a cached session: the conclusion from a longer one (thousands of models) takes too much memory.
const MAX_BODY: usize = 16 << 10;

/// Size of a node itself in bytes, about.
const NODE: usize = 512;

/// All that a session depends on besides the replies: port, request limit, model limit, and the effects that a proof may cause.
type RootKey = (u16, usize, usize, EffectSet);

/// A tree of sessions per port and limits: nodes are states of a session, edges are replies.
#[derive(Debug, Default)]
pub(crate) struct SessionCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    roots: HashMap<RootKey, Arc<Node>>,
    bytes: usize,
}

/// State of a session after certain replies.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// The next request, once a session has chosen it.
    pub(crate) next: OnceLock<Option<Arc<Ask>>>,
    /// The conclusion of a session that ends here; its confidence is that of the evidence alone.
    pub(crate) conclusion: OnceLock<Arc<Conclusion>>,
    children: Mutex<Children>,
}

/// Replies with the nodes to which they lead, by hash.
type Children = HashMap<u64, (Arc<CachedReply>, Arc<Node>)>;

impl SessionCache {
    /// The root node for a port and limits.
    pub(crate) fn root(&self, port: u16, limits: &Limits) -> Arc<Node> {
        let key = (port, limits.requests, limits.models, limits.prove);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.bytes > MAX_BYTES {
            // Sessions in progress keep their own nodes.
            *state = State::default();
        }
        if let Some(root) = state.roots.get(&key) {
            return Arc::clone(root);
        }
        state.bytes += NODE;
        Arc::clone(state.roots.entry(key).or_default())
    }

    /// Adds the node to which a cached reply leads.
    pub(crate) fn insert(&self, from: &Node, hash: u64, reply: Arc<CachedReply>) -> Arc<Node> {
        let mut children = from.children.lock().unwrap_or_else(PoisonError::into_inner);
        let mut added = 0;
        let (_, node) = children.entry(hash).or_insert_with(|| {
            added = reply.bytes() + NODE;
            (reply, Arc::default())
        });
        let node = Arc::clone(node);
        drop(children);
        if added > 0 {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).bytes += added;
        }
        node
    }
}

impl Node {
    /// The node to which a reply leads, if an earlier session got the same one.
    pub(crate) fn child(&self, hash: u64, reply: &Reply) -> Option<Arc<Node>> {
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, node) = children.get(&hash)?;
        known.equals(reply).then(|| Arc::clone(node))
    }
}

/// The hash of a reply that may be an edge of the tree; `None`: what follows depends on more than its bytes (a redirect on the
/// endpoint's own name, an event stream on later events), or it is too long.
pub(crate) fn cacheable_hash(replies: &ReplyCache, reply: Option<&Reply>) -> Option<u64> {
    reply
        .filter(|reply| {
            reply.body.len() <= MAX_BODY && reply.header("location").is_none() && !vigie_http::headers::is_event_stream(&reply.headers)
        })
        .and_then(|reply| replies.hash(reply))
}

#[cfg(test)]
mod tests {
    use vigie_model::{Exchange, Reply};

    use super::*;
    use crate::{Identifier, Session};

    /// Runs a session in which every request gets this body.
    fn run(identifier: &Arc<Identifier>, body: &str) {
        let mut session = Session::new(Arc::clone(identifier), 11_434, "127.0.0.1:11434", Limits::default());
        while let Some(ask) = session.next_ask() {
            let exchange = Exchange {
                request: ask.request.clone(),
                at: vigie_model::Timestamp::UNIX_EPOCH,
                micros: 1,
                reply: Some(Reply {
                    status: 200,
                    version: "HTTP/1.1".to_owned(),
                    headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
                    body: body.as_bytes().to_vec(),
                    truncated: false,
                }),
                failure: None,
            };
            session.answer(&ask, exchange);
        }
        drop(session.conclude());
    }

    #[test]
    fn a_network_that_invents_replies_does_not_exhaust_memory() {
        let identifier = Arc::new(Identifier::new(vigie_catalog::Catalog::embedded(), Arc::default()));
        let bytes = || identifier.session_cache.state.lock().expect("not poisoned").bytes;
        let (mut most, mut dropped) = (0, 0);
        for number in 0..400 {
            let body = format!("{number:08} ").repeat(900);
            let before = bytes();
            // A reply that came once is not cached.
            for _ in 0..3 {
                run(&identifier, &body);
            }
            let after = bytes();
            most = most.max(after);
            dropped += usize::from(after < before);
        }
        // A session in progress may still add nodes after the bound was passed.
        assert!(most > MAX_BYTES / 2, "{most}: nothing was cached, so nothing was tested");
        assert!(most <= MAX_BYTES + 16 * (MAX_BODY + NODE), "{most}");
        assert!(dropped > 0, "the cache was never cleared");
    }
}
