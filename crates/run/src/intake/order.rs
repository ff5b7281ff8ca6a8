//! The order in which the days of observations come.

use std::collections::HashSet;

use chrono::NaiveDate;
use vigie_model::Observation;

/// With fewer observations of a day than this, a file of their own costs more than gathering them.
const WORTH_A_FILE: usize = 1_000;

/// The days that were handed to the committer. The lake writes at least one file for each day of a commit, so days in no order would
/// become many small files.
#[derive(Default)]
pub(super) struct DayOrder {
    seen: HashSet<NaiveDate>,
    /// Whether observations are gathered, so that all of a day are written together.
    gathers: bool,
}

impl DayOrder {
    pub(super) fn gathers(&self) -> bool {
        self.gathers
    }

    /// Whether a batch would become files of a few observations each, of days that come again. With `last`, nothing follows it.
    pub(super) fn is_scattered(&mut self, batch: &[Observation], last: bool) -> bool {
        let mut days = HashSet::new();
        let mut returns = 0_usize;
        for run in batch.chunk_by(|one, next| one.seen.date_naive() == next.seen.date_naive()) {
            // Never empty: `chunk_by` gives no empty slice.
            returns += usize::from(!days.insert(run[0].seen.date_naive()));
        }
        let again = days.iter().filter(|day| self.seen.contains(day)).count();
        let is_thin = batch.len() < WORTH_A_FILE * days.len();
        // In ascending or descending order a day comes once, or twice where two batches meet. A day that returns within the last batch is
        // written together anyway.
        let comes_again = (returns > days.len() && !(last && self.seen.is_empty())) || 2 * again > days.len();
        self.seen.extend(days);
        let is_scattered = is_thin && comes_again;
        self.gathers |= is_scattered;
        is_scattered
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::observations;
    use super::*;

    #[test]
    fn days_in_order_are_committed_at_once() {
        for backwards in [false, true] {
            let mut order = DayOrder::default();
            for batch in 0..5_u32 {
                // A day that two batches share is no disorder.
                let mut days: Vec<u32> = (batch * 50..=batch * 50 + 50).flat_map(|day| [day; 3]).collect();
                if backwards {
                    days = days.into_iter().rev().map(|day| 1_000 - day).rev().collect();
                }
                assert!(!order.is_scattered(&observations(days), false), "{batch} {backwards}");
            }
            assert!(!order.gathers);
        }
        // Many of a day are worth a file each time.
        let mut order = DayOrder::default();
        for _ in 0..3 {
            assert!(!order.is_scattered(&observations((0..10_000).map(|number| number % 5)), false));
        }
    }

    #[test]
    fn days_that_come_again_are_gathered() {
        // Host by host, and shuffled.
        for step in [1, 37] {
            let mut order = DayOrder::default();
            assert!(
                order.is_scattered(&observations((0..600).map(|number| number * step % 100)), false),
                "{step}"
            );
            assert!(
                order.is_scattered(&observations((600..650).map(|number| number * step % 100)), true),
                "{step}"
            );
        }
        // One sorted file after another, each of which is a batch.
        let mut order = DayOrder::default();
        let sorted = || observations((0..100).flat_map(|day| [day; 3]));
        let scattered: Vec<bool> = (0..3).map(|_| order.is_scattered(&sorted(), false)).collect();
        assert_eq!(scattered, [false, true, true]);
        // If a batch is all there is, each of its days becomes one file in any case.
        assert!(!DayOrder::default().is_scattered(&observations((0..600).map(|number| number % 100)), true));
    }
}
