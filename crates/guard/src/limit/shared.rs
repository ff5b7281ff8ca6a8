//! The accounts of all keys, shared by the threads of the gateway.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vigie_model::Timestamp;

use super::account::{Account, Over, Standing};
use super::clock::{Clock, Now};
use super::counts::Line;
use super::days::Days;
use super::limits::Limits;

/// Keys of different shards never wait for one another.
const SHARDS: usize = 64;

/// The accounts of one shard, by the ids of keys.
type Accounts = HashMap<Box<str>, Account>;

/// The accounts of all keys.
///
/// Keys without limits have one too: a limit that is set later counts what was used before.
#[derive(Debug)]
pub struct Limiter {
    clock: Clock,
    hasher: RandomState,
    shards: Box<[Mutex<Accounts>]>,
}

/// The place of a request that is under way. Dropped without [`Permit::settle`], it counts no tokens.
#[derive(Debug)]
pub struct Permit<'l> {
    limiter: &'l Limiter,
    key: Box<str>,
    /// When it was admitted.
    at: Duration,
    is_settled: bool,
}

/// What one key has used, as far as one gateway counted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) key: String,
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) today: u64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new(Clock::start())
    }
}

impl Limiter {
    /// A limiter where nothing was used yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The moment on the limiter's clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Admits a request of a key and counts it, or names the limit that it is over. `infers`: whether it needs tokens.
    ///
    /// # Errors
    ///
    /// The limit that is reached.
    pub fn admit(&self, key: &str, limits: &Limits, infers: bool, now: Now) -> (Result<Permit<'_>, Over>, Standing) {
        let (admitted, standing) = self.with(key, |account| account.admit(limits, infers, now));
        let permit = admitted.map(|()| Permit {
            limiter: self,
            key: key.into(),
            at: now.steady,
            is_settled: false,
        });
        (permit, standing)
    }

    /// Whether any request of a key would be refused now, whatever it asks for. Nothing is counted.
    #[must_use]
    pub fn full(&self, key: &str, limits: &Limits, now: Now) -> Option<(Over, Standing)> {
        let (over, standing) = self.with(key, |account| account.full(limits, now));
        over.map(|over| (over, standing))
    }

    /// What each key has used of its limits in the last minute and on this day, as far as this gateway counted it.
    pub(crate) fn shares(&self) -> Vec<Share> {
        let now = self.now();
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.iter_mut().filter_map(|(key, account)| {
                let share = Share {
                    key: key.to_string(),
                    requests: account.requests.sum(now.steady),
                    tokens: account.tokens.sum(now.steady),
                    today: account.days.on(now.wall),
                };
                (share.requests > 0 || share.tokens > 0 || share.today > 0).then_some(share)
            }));
        }
        all
    }

    /// Puts in what a key used on the last days, before the start.
    pub(crate) fn restore_days(&self, key: &str, days: &Days) {
        self.with(key, |account| account.days.at_least(days));
    }

    /// Puts in a request from before the start, in the order of the times; `ago`: how long it was before `now`.
    pub(crate) fn restore_request(&self, key: &str, requests: u64, now: Now, ago: Duration) {
        self.with(key, |account| account.requests.add(now.steady.saturating_sub(ago), requests));
    }

    /// Puts in tokens from before the start, in the order of the times; `ago`: how long it was before `now`.
    pub(crate) fn restore_tokens(&self, key: &str, tokens: u64, now: Now, ago: Duration) {
        self.with(key, |account| account.tokens.add(now.steady.saturating_sub(ago), tokens));
    }

    /// Counts what another process logged, now.
    pub(super) fn count_elsewhere(&self, line: &Line<'_>) {
        let Some((key, counted)) = line.counted() else { return };
        let now = self.now();
        self.with(key, |account| {
            account.requests.add(now.steady, counted.requests);
            account.tokens.add(now.steady, counted.tokens);
            account.days.add(counted.at(), counted.tokens);
        });
    }

    /// The keys with requests under way, and how many.
    pub(crate) fn under_way(&self) -> std::collections::BTreeMap<String, u64> {
        let mut all = std::collections::BTreeMap::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(
                shard
                    .iter()
                    .filter(|(_, account)| account.under_way() > 0)
                    .map(|(key, account)| (key.to_string(), account.under_way())),
            );
        }
        all
    }

    fn with<T>(&self, key: &str, act: impl FnOnce(&mut Account) -> T) -> T {
        let mut shard = self.shard(key);
        if let Some(account) = shard.get_mut(key) {
            return act(account);
        }
        act(shard.entry(key.into()).or_default())
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Accounts> {
        // The remainder is smaller than the number of shards.
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the shard")]
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Counts the tokens of the request and gives its place back; `at`: when it ended, on the wall clock.
    pub fn settle(mut self, tokens: u64, at: Timestamp) {
        self.give_back(tokens, at);
    }

    /// Counts the request as if it had never come: it was not passed on.
    pub fn cancel(mut self) {
        if !std::mem::replace(&mut self.is_settled, true) {
            self.limiter.with(&self.key, |account| account.cancel(self.at));
        }
    }

    fn give_back(&mut self, tokens: u64, at: Timestamp) {
        if !std::mem::replace(&mut self.is_settled, true) {
            let steady = self.limiter.clock.steady();
            self.limiter.with(&self.key, |account| account.settle(tokens, steady, at));
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.give_back(0, Timestamp::UNIX_EPOCH);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::Limit;
    use super::*;

    fn limits(all: &[&str]) -> Limits {
        all.iter().map(|text| Limit::parse(text).expect("it reads")).collect()
    }

    #[test]
    fn threads_share_a_limit() {
        let limiter = Limiter::default();
        let limits = limits(&["requests-per-minute=1000", "concurrent=3"]);
        let (admitted, under_way, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        if let (Ok(permit), _) = limiter.admit("key", &limits, true, limiter.now()) {
                            admitted.fetch_add(1, Ordering::SeqCst);
                            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            std::thread::yield_now();
                            under_way.fetch_sub(1, Ordering::SeqCst);
                            permit.settle(1, chrono::Utc::now());
                        }
                    }
                });
            }
        });
        let admitted = admitted.into_inner();
        assert!((100..=1_000).contains(&admitted), "{admitted}");
        assert!(most.into_inner() <= 3);
    }

    #[test]
    fn keys_do_not_share_a_limit_and_a_lost_permit_gives_its_place_back() {
        let limiter = Limiter::default();
        let limits = limits(&["concurrent=1"]);
        let first = limiter.admit("a", &limits, true, limiter.now()).0.expect("it is the first");
        assert!(limiter.admit("a", &limits, true, limiter.now()).0.is_err());
        assert!(limiter.admit("b", &limits, true, limiter.now()).0.is_ok());
        drop(first);
        assert!(limiter.admit("a", &limits, true, limiter.now()).0.is_ok());
    }

    #[test]
    fn a_request_that_is_not_passed_on_takes_no_place() {
        let limiter = Limiter::default();
        let limits = limits(&["requests-per-minute=1", "concurrent=1"]);
        for _ in 0..3 {
            let permit = limiter.admit("a", &limits, true, limiter.now()).0.expect("none was counted");
            permit.cancel();
        }
    }
}
