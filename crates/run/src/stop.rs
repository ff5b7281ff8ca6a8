//! The user's request to stop, shared by the code that receives it and the work that it stops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vigie_scan::Handle;

/// A request to stop. Its clones are the same request.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    asked: Arc<AtomicBool>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    scan: Option<Handle>,
}

/// What was running when a stop was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Work is under way, and stops cleanly.
    Stopping,
    /// No scan is under way.
    Idle,
    /// It was requested before.
    Again,
}

impl Stop {
    /// A request that was not made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests to stop.
    pub fn ask(&self) -> Asked {
        let state = self.0.lock();
        let before = self.0.asked.swap(true, Ordering::Relaxed);
        self.0.changed.notify_all();
        match &state.scan {
            Some(scan) if scan.stop() => Asked::Stopping,
            None if !before => Asked::Idle,
            _ => Asked::Again,
        }
    }

    /// Whether it was requested.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Waits that long, or until it is requested; returns whether it was.
    #[must_use]
    pub fn wait(&self, longest: Duration) -> bool {
        let mut state = self.0.lock();
        // A scan that has ended cannot be stopped.
        state.scan = None;
        let waited = self.0.changed.wait_timeout_while(state, longest, |_| !self.is_asked());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.is_asked()
    }

    /// The flag that is set with it.
    #[cfg(feature = "watch")]
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.asked)
    }

    /// A scan begins. If it was requested before, the scan stops at once.
    pub(crate) fn begin(&self, scan: Handle) {
        let mut state = self.0.lock();
        if self.is_asked() {
            scan.stop();
        }
        state.scan = Some(scan);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_ends_a_wait_and_the_second_is_known() {
        let stop = Stop::new();
        assert!(!stop.wait(Duration::from_millis(1)));
        let other = stop.clone();
        let waiting = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        assert_eq!(stop.ask(), Asked::Idle);
        assert!(waiting.join().expect("it ends") && stop.is_asked());
        assert_eq!(stop.ask(), Asked::Again);
    }
}
