//! Something that happens once, and whoever waits for it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Something that happens once. Any thread sets it, tasks wait for it.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    is_set: AtomicBool,
    waiting: Notify,
}

impl Flag {
    /// Sets it; whether it was not set before.
    pub(crate) fn set(&self) -> bool {
        let was_set = self.is_set.swap(true, Ordering::SeqCst);
        self.waiting.notify_waiters();
        !was_set
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::SeqCst)
    }

    /// Waits until it is set.
    pub(crate) async fn wait(&self) {
        // The waiter is registered before the flag is read, so that it is not missed in between.
        let waited = self.waiting.notified();
        if !self.is_set() {
            waited.await;
        }
    }
}
