//! Cache of replies: servers of one version send the same bytes, so the rules that fit and the parsed JSON are the same too.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use ahash::RandomState;
use serde_json::Value;
use vigie_catalog::ExchangeRef;
use vigie_model::Reply;

use crate::index::RuleRef;

/// Most bytes of cached replies, so that a hostile network that invents replies cannot exhaust cache.
const MAX_BYTES: usize = 1 << 20;
/// Longest body that is cached.
const MAX_BODY: usize = 64 << 10;
/// Most replies of which only the hash is kept, until they come a second time.
const MAX_NOTED: usize = 16_384;

/// A reply with what follows from its bytes, whichever server sent it.
#[derive(Debug)]
pub(crate) struct CachedReply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    exchanges: Vec<ExchangeRef>,
    /// The evidence rules that fit it.
    pub(crate) fitting: Vec<RuleRef>,
    /// The parsed body, if it is JSON.
    pub(crate) json: Option<Arc<Value>>,
}

/// Replies that came at least twice.
#[derive(Debug, Default)]
pub(crate) struct ReplyCache {
    keys: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen_once: HashSet<u64>,
    replies: HashMap<u64, Arc<CachedReply>>,
    bytes: usize,
}

/// Result of a lookup.
pub(crate) enum Lookup {
    /// The entry.
    Hit(Arc<CachedReply>),
    /// Seen once before: worth caching under this key.
    SecondTime(u64),
    /// New, or too long for the cache.
    Miss,
}

/// The headers without those that differ in each reply.
fn stable(headers: &[(String, String)]) -> impl Iterator<Item = &(String, String)> {
    headers.iter().filter(|(name, _)| name != vigie_catalog::VOLATILE_HEADER)
}

impl CachedReply {
    /// Whether a reply has the same status, headers and body.
    pub(crate) fn equals(&self, reply: &Reply) -> bool {
        self.status == reply.status && self.body == reply.body && stable(&self.headers).eq(stable(&reply.headers))
    }

    /// Size in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

impl ReplyCache {
    /// The hash of status, headers and body; `None`: the body is too long for the cache.
    pub(crate) fn hash(&self, reply: &Reply) -> Option<u64> {
        if reply.body.len() > MAX_BODY {
            return None;
        }
        let mut hasher = self.keys.build_hasher();
        reply.status.hash(&mut hasher);
        for header in stable(&reply.headers) {
            header.hash(&mut hasher);
        }
        reply.body.hash(&mut hasher);
        Some(hasher.finish())
    }

    /// Looks up a reply to a request that rules refer to as `exchanges`.
    pub(crate) fn lookup(&self, reply: &Reply, exchanges: &[ExchangeRef]) -> Lookup {
        let Some(hash) = self.hash(reply) else {
            return Lookup::Miss;
        };
        let key = self.keys.hash_one((hash, exchanges));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = state.replies.get(&key) {
            return if known.exchanges == exchanges && known.equals(reply) {
                Lookup::Hit(Arc::clone(known))
            } else {
                Lookup::Miss
            };
        }
        if state.seen_once.len() >= MAX_NOTED {
            state.seen_once.clear();
        }
        if state.seen_once.insert(key) {
            Lookup::Miss
        } else {
            Lookup::SecondTime(key)
        }
    }

    /// Adds a reply; when the cache is full, it is cleared first.
    pub(crate) fn insert(
        &self,
        key: u64,
        reply: &Reply,
        exchanges: &[ExchangeRef],
        fitting: &[RuleRef],
        json: Option<Arc<Value>>,
    ) -> Arc<CachedReply> {
        let known = Arc::new(CachedReply {
            status: reply.status,
            headers: reply.headers.clone(),
            body: reply.body.clone(),
            exchanges: exchanges.to_vec(),
            fitting: fitting.to_vec(),
            json,
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes += known.bytes();
        if state.bytes > MAX_BYTES {
            state.replies.clear();
            state.bytes = known.bytes();
        }
        state.replies.insert(key, Arc::clone(&known));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(date: &str, body: &str) -> Reply {
        Reply {
            status: 200,
            version: "HTTP/1.1".into(),
            headers: vec![("date".into(), date.into()), ("server".into(), "made-up".into())],
            body: body.as_bytes().to_vec(),
            truncated: false,
        }
    }

    #[test]
    fn only_replies_that_came_twice_are_cached() {
        let cache = ReplyCache::default();
        let exchanges = [ExchangeRef::Any];
        assert!(matches!(cache.lookup(&reply("1", "{}"), &exchanges), Lookup::Miss));
        let Lookup::SecondTime(key) = cache.lookup(&reply("2", "{}"), &exchanges) else {
            panic!("it came once before");
        };
        cache.insert(key, &reply("2", "{}"), &exchanges, &[(1, 2)], None);
        let Lookup::Hit(known) = cache.lookup(&reply("3", "{}"), &exchanges) else {
            panic!("it is cached");
        };
        assert_eq!(known.fitting, [(1, 2)]);
        assert!(matches!(cache.lookup(&reply("3", "{ }"), &exchanges), Lookup::Miss), "another body");
        assert!(
            matches!(cache.lookup(&reply("3", "{}"), &[ExchangeRef::Landing]), Lookup::Miss),
            "another request"
        );
        let mut other = reply("3", "{}");
        other.headers.push(("x-other".into(), "1".into()));
        assert!(matches!(cache.lookup(&other, &exchanges), Lookup::Miss), "another header");
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = ReplyCache::default();
        for n in 0..200 {
            let reply = reply("1", &format!("{n}{}", "x".repeat(MAX_BODY - 10)));
            cache.lookup(&reply, &[]);
            if let Lookup::SecondTime(key) = cache.lookup(&reply, &[]) {
                cache.insert(key, &reply, &[], &[], None);
            }
        }
        let state = cache.state.lock().expect("one thread");
        assert!(state.bytes <= MAX_BYTES && state.replies.len() <= MAX_BYTES / (MAX_BODY - 10) + 1);
    }
}
