//! Who is blocked or slowed down, and until when.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use vigie_detect::Subject;

/// Subjects at once. More alerts than this block nobody else, and are still recorded.
const MOST: usize = 4_096;

/// What holds for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sanction {
    /// Nothing.
    None,
    /// It waits so long.
    Slow(Duration),
    /// It is refused.
    Block,
}

#[derive(Debug, Default)]
pub(super) struct Sanctions {
    /// How many there are: a request looks at this number alone while it is zero.
    count: AtomicUsize,
    all: RwLock<HashMap<Subject, Until>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Until {
    blocked: Option<Instant>,
    slow: Option<(Duration, Instant)>,
}

impl Until {
    fn now(self, now: Instant) -> Sanction {
        match (self.blocked, self.slow) {
            (Some(until), _) if now < until => Sanction::Block,
            (_, Some((wait, until))) if now < until => Sanction::Slow(wait),
            _ => Sanction::None,
        }
    }
}

impl Sanctions {
    /// What holds for a subject, which is only made if anything holds for anybody.
    pub(super) fn of(&self, subject: impl FnOnce() -> Subject) -> Sanction {
        if self.count.load(Ordering::Acquire) == 0 {
            return Sanction::None;
        }
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&subject()).map_or(Sanction::None, |until| until.now(Instant::now()))
    }

    pub(super) fn block(&self, subject: &Subject, time: Duration) -> bool {
        self.set(subject, |until, now| until.blocked = until.blocked.max(Some(now + time)))
    }

    pub(super) fn slow(&self, subject: &Subject, wait: Duration, time: Duration) -> bool {
        self.set(subject, |until, now| until.slow = Some((wait, now + time)))
    }

    fn set(&self, subject: &Subject, change: impl FnOnce(&mut Until, Instant)) -> bool {
        // Behind a proxy on this machine, loopback is everybody.
        if matches!(subject, Subject::Address(address) if address.is_loopback()) {
            return false;
        }
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(subject) {
            return false;
        }
        change(all.entry(subject.clone()).or_default(), Instant::now());
        self.count.store(all.len(), Ordering::Release);
        true
    }

    /// Forgets what has ended.
    pub(super) fn tidy(&self) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let now = Instant::now();
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, until| until.now(now) != Sanction::None);
        self.count.store(all.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_by_itself_and_the_number_is_bounded() {
        let sanctions = Sanctions::default();
        let key = |number: usize| Subject::Key(number.to_string());
        assert!(sanctions.block(&key(0), Duration::from_millis(50)));
        assert!(sanctions.slow(&key(1), Duration::from_secs(2), Duration::from_secs(60)));
        assert_eq!(sanctions.of(|| key(0)), Sanction::Block);
        assert_eq!(sanctions.of(|| key(1)), Sanction::Slow(Duration::from_secs(2)));
        assert_eq!(sanctions.of(|| key(2)), Sanction::None);
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(sanctions.of(|| key(0)), Sanction::None);
        sanctions.tidy();
        assert_eq!(sanctions.count.load(Ordering::Acquire), 1);
        for number in 0..MOST + 10 {
            sanctions.block(&key(number), Duration::from_secs(60));
        }
        assert_eq!(sanctions.count.load(Ordering::Acquire), MOST);
        assert!(!sanctions.block(&Subject::Address([127, 0, 0, 1].into()), Duration::from_secs(60)));
    }
}
