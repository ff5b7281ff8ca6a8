//! Amounts in a window of 60 seconds that slides.

use std::collections::VecDeque;
use std::time::Duration;

/// The length of the window.
pub(crate) const SPAN: Duration = Duration::from_secs(60);
/// Amounts that come within this time share an entry, so that a window has at most 241 of them. An entry leaves the window when its last
/// amount does: never too early, and at most this much too late.
const GRAIN: Duration = Duration::from_millis(250);

/// What was counted in the last 60 seconds.
///
/// Times may come slightly out of order, from several threads: a time before the last one counts as the last one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    sum: u64,
    latest: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    first: Duration,
    last: Duration,
    amount: u64,
}

impl Window {
    /// The sum of the window that ends now.
    pub(crate) fn sum(&mut self, now: Duration) -> u64 {
        self.latest = self.latest.max(now);
        while let Some(entry) = self.entries.front().filter(|entry| entry.last + SPAN <= self.latest) {
            self.sum -= entry.amount;
            self.entries.pop_front();
        }
        self.sum
    }

    /// Counts an amount.
    pub(crate) fn add(&mut self, now: Duration, amount: u64) {
        let amount = amount.min(u64::MAX - self.sum(now));
        if amount == 0 {
            return;
        }
        let now = self.latest;
        self.sum += amount;
        match self.entries.back_mut() {
            Some(entry) if now - entry.first < GRAIN => {
                entry.last = now;
                entry.amount += amount;
            }
            _ => self.entries.push_back(Entry {
                first: now,
                last: now,
                amount,
            }),
        }
    }

    /// Takes back an amount that was counted at a time, as far as it is still in the window.
    pub(crate) fn take_back(&mut self, at: Duration, amount: u64) {
        let holds = |entry: &&mut Entry| entry.first <= at && entry.amount >= amount;
        if let Some(entry) = self.entries.iter_mut().rev().find(holds) {
            entry.amount -= amount;
            self.sum -= amount;
        }
    }

    /// How long until the sum is below a limit, if nothing is added.
    pub(crate) fn until_below(&self, limit: u64) -> Duration {
        let mut sum = self.sum;
        let mut wait = Duration::ZERO;
        for entry in &self.entries {
            if sum < limit {
                break;
            }
            sum -= entry.amount;
            wait = (entry.last + SPAN).saturating_sub(self.latest);
        }
        wait
    }

    /// How long until nothing is in the window, if nothing is added.
    pub(crate) fn until_empty(&self) -> Duration {
        self.until_below(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_amount_leaves_after_the_span() {
        let mut window = Window::default();
        window.add(ms(0), 3);
        window.add(ms(1_000), 4);
        assert_eq!(window.sum(ms(59_999)), 7);
        assert_eq!(
            (window.until_below(7), window.until_below(4), window.until_empty()),
            (ms(1), ms(1_001), ms(1_001))
        );
        assert_eq!(window.until_below(8), ms(0));
        assert_eq!(window.sum(ms(60_000)), 4);
        assert_eq!(window.sum(ms(61_000)), 0);
        window.add(ms(70_000), u64::MAX);
        window.add(ms(70_001), 5);
        assert_eq!(window.sum(ms(70_002)), u64::MAX, "sums do not overflow");
        window.add(ms(10), 1);
        assert_eq!(window.sum(ms(10)), u64::MAX, "an older time gives nothing back");
        assert_eq!(window.sum(ms(200_000)), 0);
    }

    #[test]
    fn what_is_taken_back_was_never_counted() {
        let mut window = Window::default();
        window.add(ms(0), 1);
        window.add(ms(1_000), 1);
        window.add(ms(2_000), 1);
        window.take_back(ms(1_000), 1);
        assert_eq!(window.sum(ms(2_000)), 2);
        assert_eq!(window.until_below(2), ms(58_000), "the first is the next to go");
        assert_eq!(window.sum(ms(60_000)), 1);
        window.take_back(ms(0), 1);
        assert_eq!(window.sum(ms(60_000)), 1, "it is gone already");
    }

    proptest! {
        #[test]
        fn never_less_than_the_exact_sum_and_little_more(gaps in proptest::collection::vec((0_u64..3_000, 1_u64..10), 1..400)) {
            let (mut window, mut all, mut now) = (Window::default(), Vec::new(), 0);
            for (gap, amount) in gaps {
                now += gap;
                window.add(ms(now), amount);
                all.push((now, amount));
                let within = |span: u64| all.iter().filter(|(at, _)| now - at < span).map(|(_, amount)| amount).sum::<u64>();
                let sum = window.sum(ms(now));
                prop_assert!(sum >= within(60_000));
                prop_assert!(sum <= within(60_250));
                prop_assert!(window.entries.len() <= 241);
            }
        }
    }
}
