//! The pace of new connections.

use super::limits::{RateDecision, ScanLimits};

/// How far connections may be ahead of an even spacing, in nanoseconds.
const BURST: u64 = 100_000_000;

/// Spaces new connections evenly, with bursts of at most a tenth of a second of connections.
#[derive(Debug)]
pub struct Pace {
    /// Nanoseconds from one connection to the next.
    step: u64,
    /// When the next one is due, in nanoseconds.
    due: u64,
}

impl Pace {
    /// A pace of [`ScanLimits::connections_per_second`].
    #[must_use]
    pub fn new(limits: &ScanLimits) -> Self {
        Self {
            step: 1_000_000_000 / u64::from(limits.connections_per_second.max(1)),
            due: 0,
        }
    }

    /// Asks for a new connection at `now`, in microseconds of any monotonic clock.
    pub fn take(&mut self, now: u64) -> RateDecision {
        let now = now.saturating_mul(1_000);
        let earliest = self.due.saturating_sub(BURST.max(self.step) - self.step);
        if now < earliest {
            return RateDecision::Wait((earliest - now).div_ceil(1_000));
        }
        self.due = self.due.max(now) + self.step;
        RateDecision::Allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_keep_their_pace() {
        for per_second in [1, 7, 500, 1_000_000] {
            let mut pace = Pace::new(&ScanLimits {
                connections_per_second: per_second,
                ..ScanLimits::default()
            });
            let (mut now, mut opened) = (300_000_000, 0u32);
            let end = now + 3_000_000;
            while now < end {
                match pace.take(now) {
                    RateDecision::Allowed => opened += 1,
                    RateDecision::Wait(micros) => now += micros,
                }
            }
            let most = 3 * per_second + per_second / 10 + 1;
            assert!(
                (3 * per_second..=most).contains(&opened),
                "{opened} in 3 s at {per_second} a second"
            );
        }
    }
}
