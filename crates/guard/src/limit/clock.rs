//! The two clocks of the limits.

use std::time::{Duration, Instant};

use vigie_model::Timestamp;

/// How far before its start a [`Clock`] begins, so that what happened before the start has a time on it.
pub(crate) const BEFORE: Duration = Duration::from_secs(3_600);

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// On the monotonic clock, which no one sets: for windows.
    pub steady: Duration,
    /// On the wall clock: for days.
    pub wall: Timestamp,
}

/// Reads the clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The moment.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            steady: self.steady(),
            wall: chrono::Utc::now(),
        }
    }

    /// The moment on the monotonic clock.
    pub(crate) fn steady(&self) -> Duration {
        BEFORE + self.start.elapsed()
    }
}
