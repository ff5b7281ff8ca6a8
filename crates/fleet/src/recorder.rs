//! Recorder of the requests that the fleet received.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigie_model::Timestamp;

use crate::{Judge, Ruling};

/// Maximum bytes kept of a request body.
const MAX_BODY: usize = 16 * 1024;

/// A request that a server of the fleet received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// When it was received completely.
    pub at: Timestamp,
    /// The address of the server.
    pub address: SocketAddr,
    /// The product of the server; `None` for a honeypot and for a server of no known product.
    pub product: Option<String>,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The body, at most 16 KiB; invalid UTF-8 is replaced.
    pub body: String,
    /// Whether the body was cut.
    pub cut: bool,
}

/// Keeps the newest requests, up to a limit. Clones share the same records.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Inner {
    seen: VecDeque<ReceivedRequest>,
    total: u64,
}

impl Recorder {
    /// A recorder for at most `capacity` requests.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            inner: Arc::default(),
            capacity,
        }
    }

    /// The number of requests received, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lock().total
    }

    /// The number of requests no longer kept. A verdict on a whole scan requires 0.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let inner = self.lock();
        inner.total - inner.seen.len() as u64
    }

    /// The kept requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.lock().seen.iter().cloned().collect()
    }

    /// Removes all requests and resets the counts.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// The kept requests that no scan may send, with the reason, oldest first. Check [`Recorder::lost`] too.
    #[must_use]
    pub fn forbidden(&self, judge: &Judge) -> Vec<(ReceivedRequest, Ruling)> {
        self.requests()
            .into_iter()
            .filter_map(|seen| judge.ruling(&seen).map(|ruling| (seen, ruling)))
            .collect()
    }

    pub(crate) fn note(&self, address: SocketAddr, product: Option<&str>, method: &str, path: &str, body: &[u8]) {
        let seen = ReceivedRequest {
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

    /// A poisoned lock is safe to use: every change is a single push.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
