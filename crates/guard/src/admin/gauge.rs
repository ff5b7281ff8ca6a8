//! A number that goes up and down, kept per thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many of something are open. One thread counts, any thread reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicI64>);

/// One that is open; it counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<AtomicI64>);

impl Gauge {
    /// Counts one until the result is dropped.
    pub(crate) fn open(&self) -> Open {
        self.0.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.0))
    }

    /// How many are open.
    pub(super) fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
