//! When the next round is due. The rounds in the lake are the schedule's only memory: no other file can contradict them.

use chrono::TimeDelta;
use vigie_lake::Scan;
use vigie_model::Timestamp;

/// The interval of rounds, by the system clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// From the start of a round to the start of the next.
    pub(super) every: TimeDelta,
    /// An additional delay, drawn anew for each round.
    pub(super) jitter: TimeDelta,
}

impl Schedule {
    /// When the round after one that began at `last` is due; without one, at once. A clock that went back does not make it wait longer
    /// than one interval.
    pub(super) fn due(&self, last: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let Some(last) = last else { return now };
        let due = |from: Timestamp| from.checked_add_signed(self.every + self.jitter).unwrap_or(Timestamp::MAX_UTC);
        due(last).min(due(now))
    }

    /// The number of rounds that were due between the last one and now, and were missed.
    pub(super) fn missed(&self, last: Option<Timestamp>, now: Timestamp) -> i64 {
        let Some(last) = last else { return 0 };
        let every = self.every.num_milliseconds().max(1);
        ((now - last).num_milliseconds() / every - 1).max(0)
    }
}

/// The completed rounds of a watch.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// The latest.
    pub(super) last: Option<Scan>,
}

impl Rounds {
    /// The rounds of a watch among the scans of a lake. An interrupted round does not count: it is repeated at once.
    pub(super) fn of(watch: &str, scans: Vec<Scan>) -> Self {
        let last = scans
            .into_iter()
            .filter(|scan| scan.watch.as_deref() == Some(watch) && scan.finished.is_some())
            .max_by_key(|scan| scan.finished);
        Self { last }
    }

    /// When the last one began.
    pub(super) fn began(&self) -> Option<Timestamp> {
        self.last.as_ref().map(|scan| scan.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-22T{text}Z").parse().expect("an instant")
    }

    #[test]
    fn one_round_is_due_however_long_the_pause_was() {
        let schedule = Schedule {
            every: TimeDelta::hours(6),
            jitter: TimeDelta::zero(),
        };
        assert_eq!(schedule.due(None, at("08:00:00")), at("08:00:00"), "the first at once");
        let last = Some(at("02:00:00"));
        assert_eq!(schedule.due(last, at("02:05:00")), at("08:00:00"));
        assert_eq!(schedule.missed(last, at("08:00:00")), 0);
        // The machine slept: the round is due, and once it has begun the next is an interval later.
        assert_eq!(schedule.due(last, at("21:00:00")), at("08:00:00"), "in the past: at once");
        assert_eq!(schedule.missed(last, at("21:00:00")), 2);
        assert_eq!(
            schedule.due(Some(at("21:00:00")), at("21:03:00")),
            at("21:00:00") + TimeDelta::hours(6)
        );
    }

    #[test]
    fn a_clock_that_went_back_delays_by_one_interval_at_most() {
        let schedule = Schedule {
            every: TimeDelta::hours(1),
            jitter: TimeDelta::minutes(5),
        };
        let last = Some(at("20:00:00"));
        assert_eq!(schedule.due(last, at("03:00:00")), at("04:05:00"));
        assert_eq!(schedule.missed(last, at("03:00:00")), 0);
    }
}
