//! Requests that were judged before and may be sent: what is asked of a thousand servers is judged once, word for word.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ahash::RandomState;
use vigie_model::Effect;

/// The most that are remembered.
const MAX: usize = 1_024;
/// The longest that is remembered, path and body together, in bytes.
const MAX_BYTES: usize = 1_024;

/// Known product, whether it is the owner's proof, method, path, body.
type Words<'w> = (Option<u32>, bool, &'w str, &'w str, &'w str);

/// What was allowed, by the hash of its words, with the words themselves.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    keys: RandomState,
    allowed: Mutex<HashMap<u64, Allowed>>,
}

#[derive(Debug)]
struct Allowed {
    known: Option<u32>,
    prove: bool,
    method: String,
    path: String,
    body: String,
    effect: Effect,
}

impl Judged {
    /// The effect of a request that was allowed before in the same words.
    pub(crate) fn allowed(&self, words: Words<'_>) -> Option<Effect> {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        let one = allowed.get(&self.keys.hash_one(words))?;
        ((one.known, one.prove, one.method.as_str(), one.path.as_str(), one.body.as_str()) == words).then_some(one.effect)
    }

    /// Remembers one that is allowed.
    pub(crate) fn keep(&self, words: Words<'_>, effect: Effect) {
        let (known, prove, method, path, body) = words;
        if path.len() + body.len() > MAX_BYTES {
            return;
        }
        let one = Allowed {
            known,
            prove,
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.to_owned(),
            effect,
        };
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        if allowed.len() >= MAX {
            allowed.clear();
        }
        allowed.insert(self.keys.hash_one(words), one);
    }
}
