//! Cache of permitted requests: the same request to a thousand servers is judged once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ahash::RandomState;
use vigie_model::{Effect, EffectSet};

/// Most entries.
const MAX: usize = 1_024;
/// Longest request that is cached: path and body together, in bytes.
const MAX_BYTES: usize = 1_024;

/// Known product, allowed effects, method, path, body.
type Key<'w> = (Option<u32>, EffectSet, &'w str, &'w str, &'w str);

/// Permitted requests by the hash of their key, with the key itself.
#[derive(Debug, Default)]
pub(crate) struct PermitCache {
    keys: RandomState,
    entries: Mutex<HashMap<u64, Entry>>,
}

#[derive(Debug)]
struct Entry {
    known: Option<u32>,
    allowed: EffectSet,
    method: String,
    path: String,
    body: String,
    effect: Effect,
}

impl PermitCache {
    /// The effect of a request that was permitted before.
    pub(crate) fn get(&self, key: Key<'_>) -> Option<Effect> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let one = entries.get(&self.keys.hash_one(key))?;
        ((one.known, one.allowed, one.method.as_str(), one.path.as_str(), one.body.as_str()) == key).then_some(one.effect)
    }

    /// Adds a permitted request; a full cache is cleared first.
    pub(crate) fn insert(&self, key: Key<'_>, effect: Effect) {
        let (known, allowed, method, path, body) = key;
        if path.len() + body.len() > MAX_BYTES {
            return;
        }
        let one = Entry {
            known,
            allowed,
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.to_owned(),
            effect,
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX {
            entries.clear();
        }
        entries.insert(self.keys.hash_one(key), one);
    }
}
