//! What one key has used, and whether it may use more. Times are passed in.

use std::time::Duration;

use vigie_model::Timestamp;

use super::clock::Now;
use super::days::{Days, until_next};
use super::limits::{Limit, Limits};
use super::window::Window;

/// How long a client should wait when as many requests run as may: nobody knows when one ends.
const BUSY: Duration = Duration::from_secs(1);

/// What one key has used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) requests: Window,
    pub(crate) tokens: Window,
    pub(crate) days: Days,
    under_way: u64,
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Which; of several the one that lasts longest.
    pub limit: Limit,
    /// How long until a request would be admitted, if nothing else is sent.
    pub wait: Duration,
}

/// One limit as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// The most.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// How long until it is as if unused, if nothing is sent.
    pub reset: Duration,
}

/// The limits of a key as its client sees them; `None`: there is no such limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Requests per minute.
    pub requests: Option<Gauge>,
    /// Tokens per minute or per day, whichever has less left.
    pub tokens: Option<Gauge>,
}

impl Account {
    /// Admits a request and counts it, or names the limit that it is over. `infers`: whether it needs tokens.
    pub(crate) fn admit(&mut self, limits: &Limits, infers: bool, now: Now) -> (Result<(), Over>, Standing) {
        let over = self.over(limits, infers, now);
        if over.is_none() {
            self.requests.add(now.steady, 1);
            self.under_way += 1;
        }
        (over.map_or(Ok(()), Err), self.standing(limits, now))
    }

    /// Requests that are under way.
    pub(crate) fn under_way(&self) -> u64 {
        self.under_way
    }

    /// Whether any request at all would be refused now; nothing is counted.
    pub(crate) fn full(&mut self, limits: &Limits, now: Now) -> (Option<Over>, Standing) {
        (self.over(limits, false, now), self.standing(limits, now))
    }

    /// Counts the tokens of an admitted request that has ended; `at`: when it ended.
    pub(crate) fn settle(&mut self, tokens: u64, steady: Duration, at: Timestamp) {
        self.under_way = self.under_way.saturating_sub(1);
        self.tokens.add(steady, tokens);
        self.days.add(at, tokens);
    }

    /// Forgets an admitted request: it was not passed on. `admitted`: when it was counted.
    pub(crate) fn cancel(&mut self, admitted: Duration) {
        self.under_way = self.under_way.saturating_sub(1);
        self.requests.take_back(admitted, 1);
    }

    fn over(&mut self, limits: &Limits, infers: bool, now: Now) -> Option<Over> {
        let mut over = None::<Over>;
        let mut reached = |limit, wait| {
            if over.is_none_or(|over| over.wait < wait) {
                over = Some(Over { limit, wait });
            }
        };
        for limit in Limit::ALL {
            let Some(most) = limits.get(limit) else { continue };
            match limit {
                Limit::RequestsPerMinute if self.requests.sum(now.steady) >= most => reached(limit, self.requests.until_below(most)),
                Limit::TokensPerMinute if infers && self.tokens.sum(now.steady) >= most => reached(limit, self.tokens.until_below(most)),
                Limit::TokensPerDay if infers && self.days.on(now.wall) >= most => reached(limit, until_next(now.wall)),
                Limit::Concurrent if self.under_way >= most => reached(limit, BUSY),
                _ => {}
            }
        }
        over
    }

    fn standing(&mut self, limits: &Limits, now: Now) -> Standing {
        // Most keys have few limits, and what is used of the others nobody asks.
        let gauge = |limit: u64, used: u64, reset: &dyn Fn() -> Duration| Gauge {
            limit,
            remaining: limit.saturating_sub(used),
            reset: if used == 0 { Duration::ZERO } else { reset() },
        };
        let requests = self.requests.sum(now.steady);
        let until = || self.requests.until_empty();
        let requests = limits.get(Limit::RequestsPerMinute).map(|limit| gauge(limit, requests, &until));
        let tokens = self.tokens.sum(now.steady);
        let until = || self.tokens.until_empty();
        let minute = limits.get(Limit::TokensPerMinute).map(|limit| gauge(limit, tokens, &until));
        let until = || until_next(now.wall);
        let day = limits
            .get(Limit::TokensPerDay)
            .map(|limit| gauge(limit, self.days.on(now.wall), &until));
        let tokens = minute
            .into_iter()
            .chain(day)
            .min_by_key(|gauge| (gauge.remaining, std::cmp::Reverse(gauge.reset)));
        Standing { requests, tokens }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(all: &[&str]) -> Limits {
        all.iter().map(|text| Limit::parse(text).expect("it reads")).collect()
    }

    fn at(seconds: u64) -> Now {
        Now {
            steady: Duration::from_secs(seconds),
            wall: "2026-03-01T12:00:00Z".parse::<Timestamp>().expect("a time")
                + chrono::TimeDelta::seconds(i64::try_from(seconds).expect("small")),
        }
    }

    #[test]
    fn each_limit_holds_and_says_when_to_come_again() {
        let mut account = Account::default();
        let two = limits(&["requests-per-minute=2", "concurrent=1"]);
        let (admitted, standing) = account.admit(&two, true, at(0));
        assert_eq!(admitted, Ok(()));
        assert_eq!(
            standing.requests,
            Some(Gauge {
                limit: 2,
                remaining: 1,
                reset: Duration::from_secs(60)
            })
        );
        assert_eq!(standing.tokens, None);
        let over = account.admit(&two, false, at(1)).0.expect_err("one is under way");
        assert_eq!((over.limit, over.wait), (Limit::Concurrent, Duration::from_secs(1)));
        account.settle(10, at(2).steady, at(2).wall);
        assert!(account.admit(&two, true, at(10)).0.is_ok());
        account.settle(5, at(12).steady, at(12).wall);
        let (over, standing) = account.admit(&two, true, at(20));
        let over = over.expect_err("two are in the minute");
        assert_eq!((over.limit, over.wait), (Limit::RequestsPerMinute, Duration::from_secs(40)));
        assert_eq!(standing.requests.map(|gauge| gauge.remaining), Some(0));
        assert!(account.admit(&two, true, at(60)).0.is_ok(), "what was refused took no place");
        account.settle(0, at(60).steady, at(60).wall);

        // 15 tokens since the second 2.
        let tokens = limits(&["tokens-per-minute=15", "tokens-per-day=1000"]);
        let over = account.admit(&tokens, true, at(61)).0.expect_err("none is left");
        assert_eq!((over.limit, over.wait), (Limit::TokensPerMinute, Duration::from_secs(1)));
        assert!(account.admit(&tokens, false, at(61)).0.is_ok(), "a list needs no tokens");
        account.settle(0, at(61).steady, at(61).wall);
        let (admitted, standing) = account.admit(&tokens, true, at(62));
        assert!(admitted.is_ok());
        assert_eq!(
            standing.tokens.map(|gauge| (gauge.limit, gauge.remaining)),
            Some((15, 10)),
            "the one with less left"
        );
        account.settle(5_000, at(63).steady, at(63).wall);
        let over = account.admit(&tokens, true, at(64)).0.expect_err("the day is over");
        assert_eq!(
            (over.limit, over.wait),
            (Limit::TokensPerDay, Duration::from_secs(12 * 3_600 - 64)),
            "of two the longest"
        );
        assert!(account.admit(&tokens, true, at(12 * 3_600)).0.is_ok(), "another day");
    }

    #[test]
    fn a_limit_that_is_lowered_waits_for_enough_room() {
        let mut account = Account::default();
        for second in 0..10 {
            assert!(account.admit(&Limits::default(), true, at(second)).0.is_ok());
        }
        let over = account
            .admit(&limits(&["requests-per-minute=3"]), true, at(10))
            .0
            .expect_err("ten are more than three");
        assert_eq!(over.wait, Duration::from_secs(57));
    }

    proptest! {
        /// Times come in any order, as clocks of threads and jumps may give them; the wall clock goes where it likes.
        #[test]
        fn no_window_has_more_than_the_limit(
            most in 1_u64..30,
            steps in proptest::collection::vec((-500_i64..8_000, -200_000_i64..200_000), 1..400),
        ) {
            let limits = limits(&[&format!("requests-per-minute={most}")]);
            let (mut account, mut clock, mut admitted) = (Account::default(), 1_000_i64, Vec::<Duration>::new());
            let (mut last, mut latest) = (None, Duration::ZERO);
            for (step, jump) in steps {
                clock = (clock + step).max(0);
                let now = Now {
                    steady: Duration::from_millis(clock.unsigned_abs()),
                    wall: Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(1_000_000 + jump),
                };
                latest = latest.max(now.steady);
                match account.admit(&limits, true, now).0 {
                    Ok(()) => {
                        admitted.push(latest);
                        let window = admitted.iter().filter(|at| latest - **at < super::super::window::SPAN).count();
                        prop_assert!(window as u64 <= most, "{window} of {most}");
                        last = None;
                    }
                    Err(over) => {
                        prop_assert!(over.wait <= Duration::from_secs(60), "no jump locks out");
                        // What a refusal promises holds, unless more is sent.
                        let promised = latest + over.wait;
                        if let Some(before) = last.replace(promised) {
                            prop_assert_eq!(before, promised);
                        }
                        let mut later = account.clone();
                        let then = Now { steady: promised, ..now };
                        prop_assert!(later.admit(&limits, true, then).0.is_ok());
                    }
                }
            }
        }
    }
}
