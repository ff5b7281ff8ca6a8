//! Notices that a scan was suspended.

use std::time::{Duration, Instant, SystemTime};

/// The shortest interval between two turns that counts as a pause: the process was stopped, or the machine slept. Answers that arrived
/// meanwhile may be lost, because deadlines passed.
const PAUSE: Duration = Duration::from_secs(3);

/// Notices when the process was stopped or the machine slept: the next turn of a fast loop comes late then.
#[derive(Debug)]
pub(crate) struct Pauses {
    begun: (Instant, SystemTime),
    last: Instant,
    longest: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            begun: (now, SystemTime::now()),
            last: now,
            longest: Duration::ZERO,
        }
    }

    /// A turn of the loop begins.
    pub(crate) fn turn(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
    }

    /// Does work that may take long and is not a pause, because the scan goes on meanwhile.
    pub(crate) fn apart<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.turn();
        let done = work();
        self.last = Instant::now();
        done
    }

    /// The longest pause, if there was one.
    pub(crate) fn longest(&self) -> Option<String> {
        // While a machine sleeps, the system clock goes on and the monotonic one may not.
        let wall = self.begun.1.elapsed().unwrap_or_default();
        let slept = wall.saturating_sub(self.begun.0.elapsed());
        let longest = self.longest.max(slept);
        (longest >= PAUSE).then(|| format!("the scan was paused for {} seconds", longest.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_noticed_and_work_is_not_one() {
        let mut pauses = Pauses::new();
        pauses.turn();
        assert_eq!(pauses.longest(), None);
        let long = PAUSE + Duration::from_secs(4);
        let Some(earlier) = pauses.last.checked_sub(long) else { return };
        pauses.last = earlier;
        // The work takes no time; it was the turn that came late.
        pauses.apart(|| ());
        assert_eq!(pauses.longest().as_deref(), Some("the scan was paused for 7 seconds"));
        let mut busy = Pauses::new();
        busy.apart(|| std::thread::sleep(Duration::from_millis(30)));
        busy.turn();
        assert!(busy.longest < Duration::from_millis(30), "{:?}", busy.longest);
    }
}
