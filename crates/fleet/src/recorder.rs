//! What the fleet was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigie_model::Timestamp;

use crate::{Judge, Ruling};

/// The most bytes of a body that are kept.
const MAX_BODY: usize = 16 * 1024;

/// One request that a server of the fleet got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When it had come whole.
    pub at: Timestamp,
    /// The server that got it.
    pub address: SocketAddr,
    /// What that server is; `None` for a honeypot and for a miss.
    pub product: Option<String>,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The body, at most 16 KiB of it; bytes that are no UTF-8 replaced.
    pub body: String,
    /// Whether the body was longer.
    pub cut: bool,
}

/// Keeps the requests that the fleet got, the newest up to a bound. Clones share one memory.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Inner {
    seen: VecDeque<Seen>,
    total: u64,
}

impl Recorder {
    /// A recorder that keeps so many requests.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            inner: Arc::default(),
            capacity,
        }
    }

    /// How many requests came, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lock().total
    }

    /// How many are no longer kept. A verdict over the whole scan needs 0 here.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let inner = self.lock();
        inner.total - inner.seen.len() as u64
    }

    /// The requests that are kept, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.iter().cloned().collect()
    }

    /// Forgets all, counts included.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// What of it no scan may send, and why; oldest first. Look at [`Recorder::lost`] too.
    #[must_use]
    pub fn forbidden(&self, judge: &Judge) -> Vec<(Seen, Ruling)> {
        self.seen()
            .into_iter()
            .filter_map(|seen| judge.ruling(&seen).map(|ruling| (seen, ruling)))
            .collect()
    }

    pub(crate) fn note(&self, address: SocketAddr, product: Option<&str>, method: &str, path: &str, body: &[u8]) {
        let seen = Seen {
            at: chrono::Utc::now(),
            address,
            product: product.map(str::to_owned),
            method: method.to_owned(),
            path: path.to_owned(),
            body: String::from_utf8_lossy(&body[..body.len().min(MAX_BODY)]).into_owned(),
            cut: body.len() > MAX_BODY,
        };
        let mut inner = self.lock();
        inner.total += 1;
        if inner.seen.len() >= self.capacity {
            inner.seen.pop_front();
        }
        if self.capacity > 0 {
            inner.seen.push_back(seen);
        }
    }

    /// A thread that panicked while it held the lock left a whole list behind: each change is one push.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
