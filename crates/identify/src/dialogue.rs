//! Conversations that were had before. A session is a pure function of the replies: where the same requests got the same
//! replies, the next request and the conclusion are the same, and need not be worked out again. Empty servers of one version,
//! doors and copies of one image say the same word for word.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use vigie_model::Reply;

use crate::conclude::Conclusion;
use crate::memory::{Known, Memory};
use crate::session::{Ask, Limits, Prove};

/// The bytes of replies that lead from turn to turn. What is kept besides grows with them, so this bounds it all.
const MAX_BYTES: usize = 1 << 20;

/// The longest body that leads on: what follows from a longer one, thousands of models say, is too much to keep.
const MAX_BODY: usize = 16 << 10;

/// What a turn weighs itself, about.
const TURN: usize = 512;

/// Where a conversation may begin: port, requests, requests about models, whether a proof may be asked for and a model be loaded.
type Begin = (u16, usize, usize, Option<bool>);

/// Every conversation's beginning.
#[derive(Debug, Default)]
pub(crate) struct Dialogues {
    begun: Mutex<Begun>,
}

#[derive(Debug, Default)]
struct Begun {
    roots: HashMap<Begin, Arc<Turn>>,
    bytes: usize,
}

/// The place in a conversation that these replies to these requests lead to.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The next request, once it was worked out.
    pub(crate) next: OnceLock<Option<Arc<Ask>>>,
    /// What the conversation says if it ends here; its confidence is that of the evidence alone.
    pub(crate) conclusion: OnceLock<Arc<Conclusion>>,
    after: Mutex<After>,
}

/// Replies that led on, with where they led, by their hash.
type After = HashMap<u64, (Arc<Known>, Arc<Turn>)>;

impl Dialogues {
    /// The beginning of a conversation on this port under these limits.
    pub(crate) fn begin(&self, port: u16, limits: &Limits) -> Arc<Turn> {
        let key = (
            port,
            limits.requests,
            limits.models,
            limits.prove.map(|Prove { may_load }| may_load),
        );
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.bytes > MAX_BYTES {
            // Conversations under way keep what they hold.
            *begun = Begun::default();
        }
        if let Some(root) = begun.roots.get(&key) {
            return Arc::clone(root);
        }
        begun.bytes += TURN;
        Arc::clone(begun.roots.entry(key).or_default())
    }

    /// Notes that a reply that is remembered led on from a turn.
    pub(crate) fn lead(&self, from: &Turn, hash: u64, reply: Arc<Known>) -> Arc<Turn> {
        let mut after = from.after.lock().unwrap_or_else(PoisonError::into_inner);
        let mut added = 0;
        let (_, turn) = after.entry(hash).or_insert_with(|| {
            added = reply.bytes() + TURN;
            (reply, Arc::default())
        });
        let turn = Arc::clone(turn);
        drop(after);
        if added > 0 {
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).bytes += added;
        }
        turn
    }
}

impl Turn {
    /// Where a reply leads, if it led there before.
    pub(crate) fn after(&self, hash: u64, reply: &Reply) -> Option<Arc<Turn>> {
        let after = self.after.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, turn) = after.get(&hash)?;
        known.says(reply).then(|| Arc::clone(turn))
    }
}

/// The hash of a reply that may lead from turn to turn. A redirect's meaning hangs on the endpoint's own name, a stream's on what
/// follows it: those do not.
pub(crate) fn leads(memory: &Memory, reply: Option<&Reply>) -> Option<u64> {
    reply
        .filter(|reply| {
            reply.body.len() <= MAX_BODY && reply.header("location").is_none() && !vigie_http::headers::is_event_stream(&reply.headers)
        })
        .and_then(|reply| memory.hash(reply))
}

#[cfg(test)]
mod tests {
    use vigie_model::{Exchange, Reply};

    use super::*;
    use crate::{Identifier, Session};

    /// A conversation in which every request gets this body.
    fn talk(identifier: &Arc<Identifier>, body: &str) {
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
    fn a_network_that_invents_replies_fills_no_memory() {
        let identifier = Arc::new(Identifier::new(vigie_catalog::Catalog::embedded(), Arc::default()));
        let bytes = || identifier.dialogues.begun.lock().expect("not poisoned").bytes;
        let (mut most, mut dropped) = (0, 0);
        for number in 0..400 {
            let body = format!("{number:08} ").repeat(900);
            let before = bytes();
            // What was said once is not remembered.
            for _ in 0..3 {
                talk(&identifier, &body);
            }
            let after = bytes();
            most = most.max(after);
            dropped += usize::from(after < before);
        }
        // A conversation under way may still lead on from where the bound was passed.
        assert!(most > MAX_BYTES / 2, "{most}: nothing was remembered, so nothing was tested");
        assert!(most <= MAX_BYTES + 16 * (MAX_BODY + TURN), "{most}");
        assert!(dropped > 0, "it never began anew");
    }
}
