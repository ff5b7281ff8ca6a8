//! Amounts per calendar day.

use chrono::{Days as Count, NaiveDate, NaiveTime, TimeDelta};
use serde::{Deserialize, Serialize};
use vigie_model::Timestamp;

/// The days that are kept.
const KEPT: usize = 4;
/// A clock that goes back by more days than this was wrong before: what was counted under its dates says nothing of the day at hand.
const BACK: Count = Count::new(2);

/// One count for each of the last days that the clock visited, UTC.
///
/// A count belongs to its date, not to "today": when the clock goes over midnight and back again, each day goes on with its count. A clock
/// that goes back by a day or two gives no further quota: the latest date goes on until the clock has come to it again.
/// The days are in the order of their last use, so that a clock that is far off for a while does not push out the day at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Days(Vec<(NaiveDate, u64)>);

impl Days {
    /// The count of the day of a time.
    pub(crate) fn on(&self, at: Timestamp) -> u64 {
        let day = self.day_of(at);
        self.0
            .iter()
            .find_map(|(kept, count)| (*kept == day).then_some(*count))
            .unwrap_or(0)
    }

    /// Adds to the day of a time.
    pub(crate) fn add(&mut self, at: Timestamp, amount: u64) {
        if amount > 0 {
            self.change(self.day_of(at), |count| count.saturating_add(amount));
        }
    }

    /// Adds the count of each day of another.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for (day, amount) in &other.0 {
            self.change(*day, |count| count.saturating_add(*amount));
        }
    }

    /// Takes the greater of both counts of each day.
    pub(crate) fn at_least(&mut self, other: &Self) {
        for (day, least) in &other.0 {
            self.change(*day, |count| count.max(*least));
        }
    }

    /// The date under which a time is counted.
    fn day_of(&self, at: Timestamp) -> NaiveDate {
        let day = at.date_naive();
        let near = day..=day.checked_add_days(BACK).unwrap_or(day);
        let later = self.0.iter().map(|(kept, _)| *kept).filter(|kept| near.contains(kept));
        later.max().unwrap_or(day)
    }

    fn change(&mut self, day: NaiveDate, change: impl FnOnce(u64) -> u64) {
        match self.0.iter().position(|(kept, _)| *kept == day) {
            Some(at) => self.0[at..].rotate_left(1),
            None => {
                if self.0.len() == KEPT {
                    self.0.remove(0);
                }
                self.0.push((day, 0));
            }
        }
        if let Some((_, count)) = self.0.last_mut() {
            *count = change(*count);
        }
    }
}

/// How long until the next day begins.
pub(crate) fn until_next(now: Timestamp) -> std::time::Duration {
    let next = now.date_naive().and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1);
    (next - now).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_clock_that_jumps_gives_no_second_quota_and_locks_nobody_out() {
        let mut days = Days::default();
        days.add(at("2026-03-01T23:59:59Z"), 90);
        days.add(at("2026-03-02T00:00:00Z"), 100);
        // Back over midnight, and by two days: the day that had begun goes on.
        for back in ["2026-03-01T23:00:00Z", "2026-02-28T12:00:00Z"] {
            assert_eq!(days.on(at(back)), 100, "{back}");
        }
        days.add(at("2026-02-28T12:00:00Z"), 5);
        assert_eq!(days.on(at("2026-03-02T12:00:00Z")), 105);
        assert_eq!(days.on(at("2026-03-03T00:00:00Z")), 0);
        // Forward by a day and back: that day is used up first, and not given again.
        let mut ahead = days.clone();
        ahead.add(at("2026-03-03T00:00:00Z"), 7);
        ahead.add(at("2026-03-02T12:00:00Z"), 50);
        assert_eq!(ahead.on(at("2026-03-03T12:00:00Z")), 57);
        // A clock that was a month ahead is no reason to lock somebody out.
        let mut far = days.clone();
        far.add(at("2026-04-03T00:00:00Z"), 1_000);
        assert_eq!(far.on(at("2026-03-02T12:00:00Z")), 105);
        // A clock that was far off for a while takes nothing from the days at hand.
        for year in 2040..2060 {
            days.add(at(&format!("{year}-01-01T00:00:00Z")), 1);
            days.add(at("2026-03-02T12:00:00Z"), 1);
        }
        assert_eq!(days.on(at("2026-03-02T12:00:00Z")), 125);
        assert!(days.0.len() <= KEPT);
    }

    #[test]
    fn days_are_utc() {
        assert_eq!(until_next(at("2026-03-01T23:59:58.500Z")), std::time::Duration::from_millis(1_500));
        assert_eq!(until_next(at("2026-03-01T00:00:00Z")), std::time::Duration::from_secs(86_400));
        let mut days = Days::default();
        days.add(at("2026-03-01T23:00:00-05:00"), 1);
        assert_eq!(serde_json::to_string(&days).expect("JSON"), r#"[["2026-03-02",1]]"#);
    }
}
