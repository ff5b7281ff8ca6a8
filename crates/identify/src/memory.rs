//! Replies that were met before: the servers of one version say the same things, and what follows from the same bytes is the same.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use ahash::RandomState;
use serde_json::Value;
use vigie_model::Reply;

use crate::index::RuleRef;
use vigie_catalog::Place;

/// The bytes of replies that are remembered: a hostile network that invents replies makes no memory grow.
const MAX_BYTES: usize = 1 << 20;
/// The longest body that is remembered.
const MAX_BODY: usize = 64 << 10;
/// Replies whose first sight is noted.
const MAX_NOTED: usize = 16_384;

/// What follows from a reply, whoever gave it.
#[derive(Debug)]
pub(crate) struct Known {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    places: Vec<Place>,
    /// The evidence that fits it.
    pub(crate) fitting: Vec<RuleRef>,
    /// Its body, if that is JSON.
    pub(crate) json: Option<Arc<Value>>,
}

/// Remembers what was met at least twice.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    keys: RandomState,
    met: Mutex<Met>,
}

#[derive(Debug, Default)]
struct Met {
    once: HashSet<u64>,
    known: HashMap<u64, Arc<Known>>,
    bytes: usize,
}

/// Whether a reply was met.
pub(crate) enum Recalled {
    /// What follows from it.
    Known(Arc<Known>),
    /// It was met once; under this key it is worth remembering.
    Again(u64),
    /// It is new, or too long to be remembered.
    New,
}

fn lasting(headers: &[(String, String)]) -> impl Iterator<Item = &(String, String)> {
    headers.iter().filter(|(name, _)| name != vigie_catalog::PASSING)
}

impl Known {
    /// Whether a reply says the same.
    pub(crate) fn says(&self, reply: &Reply) -> bool {
        self.status == reply.status && self.body == reply.body && lasting(&self.headers).eq(lasting(&reply.headers))
    }

    /// How much of it is kept.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

impl Memory {
    /// A reply's hash, the same for all that say the same; `None`: it is too long to be remembered.
    pub(crate) fn hash(&self, reply: &Reply) -> Option<u64> {
        if reply.body.len() > MAX_BODY {
            return None;
        }
        let mut hasher = self.keys.build_hasher();
        reply.status.hash(&mut hasher);
        for header in lasting(&reply.headers) {
            header.hash(&mut hasher);
        }
        reply.body.hash(&mut hasher);
        Some(hasher.finish())
    }

    pub(crate) fn recall(&self, reply: &Reply, places: &[Place]) -> Recalled {
        let Some(hash) = self.hash(reply) else {
            return Recalled::New;
        };
        let key = self.keys.hash_one((hash, places));
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = met.known.get(&key) {
            return if known.places == places && known.says(reply) {
                Recalled::Known(Arc::clone(known))
            } else {
                Recalled::New
            };
        }
        if met.once.len() >= MAX_NOTED {
            met.once.clear();
        }
        if met.once.insert(key) {
            Recalled::New
        } else {
            Recalled::Again(key)
        }
    }

    pub(crate) fn keep(&self, key: u64, reply: &Reply, places: &[Place], fitting: &[RuleRef], json: Option<Arc<Value>>) -> Arc<Known> {
        let known = Arc::new(Known {
            status: reply.status,
            headers: reply.headers.clone(),
            body: reply.body.clone(),
            places: places.to_vec(),
            fitting: fitting.to_vec(),
            json,
        });
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.bytes += known.bytes();
        if met.bytes > MAX_BYTES {
            met.known.clear();
            met.bytes = known.bytes();
        }
        met.known.insert(key, Arc::clone(&known));
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
    fn what_was_met_twice_is_known_and_nothing_else() {
        let memory = Memory::default();
        let places = [Place::Any];
        assert!(matches!(memory.recall(&reply("1", "{}"), &places), Recalled::New));
        let Recalled::Again(key) = memory.recall(&reply("2", "{}"), &places) else {
            panic!("it was met once");
        };
        memory.keep(key, &reply("2", "{}"), &places, &[(1, 2)], None);
        let Recalled::Known(known) = memory.recall(&reply("3", "{}"), &places) else {
            panic!("it is known");
        };
        assert_eq!(known.fitting, [(1, 2)]);
        assert!(matches!(memory.recall(&reply("3", "{ }"), &places), Recalled::New), "another body");
        assert!(
            matches!(memory.recall(&reply("3", "{}"), &[Place::Landing]), Recalled::New),
            "another request"
        );
        let mut other = reply("3", "{}");
        other.headers.push(("x-other".into(), "1".into()));
        assert!(matches!(memory.recall(&other, &places), Recalled::New), "another header");
    }

    #[test]
    fn memory_does_not_grow_without_end() {
        let memory = Memory::default();
        for n in 0..200 {
            let reply = reply("1", &format!("{n}{}", "x".repeat(MAX_BODY - 10)));
            memory.recall(&reply, &[]);
            if let Recalled::Again(key) = memory.recall(&reply, &[]) {
                memory.keep(key, &reply, &[], &[], None);
            }
        }
        let met = memory.met.lock().expect("one thread");
        assert!(met.bytes <= MAX_BYTES && met.known.len() <= MAX_BYTES / (MAX_BODY - 10) + 1);
    }
}
