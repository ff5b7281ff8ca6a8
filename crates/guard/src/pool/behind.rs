//! Whether the server behind answers.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How often it is asked.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// How long it may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// When the server behind answered its harmless route last.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    answered: Mutex<Option<Instant>>,
}

impl Behind {
    /// It has been asked.
    pub(crate) fn asked(&self, answered: bool) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = answered.then(Instant::now);
    }

    /// Whether it answered within the last second: there is no need to ask again.
    pub(crate) fn is_fresh(&self) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|answered| answered.elapsed() <= Duration::from_secs(1))
    }

    /// Whether it answered when it was asked last, and that is not too long ago.
    pub(crate) fn is_up(&self) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|answered| answered.elapsed() <= INTERVAL + PATIENCE)
    }
}
