//! Memory that stays bounded, whatever the stream is.

use std::collections::HashMap;
use std::hash::Hash;

/// How many subjects a detector remembers at most, half of them for sure.
pub(crate) const SUBJECTS: usize = 16_384;

/// A map that forgets what was not used for longest: it holds two halves, and when the younger is full the older is dropped.
#[derive(Debug)]
pub(crate) struct Memory<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash + Clone, V: Default> Memory<K, V> {
    pub(crate) fn new() -> Self {
        Self::of(SUBJECTS)
    }

    pub(crate) fn of(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (most / 2).max(1),
        }
    }

    /// What is remembered of a subject, or a new memory of it.
    pub(crate) fn of_subject(&mut self, key: &K) -> &mut V {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key).unwrap_or_default();
            if self.young.len() >= self.half {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key.clone(), value);
        }
        self.young.entry(key.clone()).or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// Counts in the last `N` slices of time.
#[derive(Clone, Debug)]
pub(crate) struct Window<const N: usize> {
    counts: [u32; N],
    /// The number of the last slice, counted from 1970.
    last: i64,
}

impl<const N: usize> Default for Window<N> {
    fn default() -> Self {
        Self { counts: [0; N], last: 0 }
    }
}

impl<const N: usize> Window<N> {
    /// Adds to the slice of a time, and returns the sum of all. A time before the last one counts as the last one.
    pub(crate) fn add(&mut self, seconds: i64, slice: i64, count: u32) -> u32 {
        let number = seconds.div_euclid(slice).max(self.last);
        let passed = usize::try_from(number.saturating_sub(self.last)).unwrap_or(N).min(N);
        for step in 1..=passed {
            let at = self.place(number - (passed - step) as i64);
            self.counts[at] = 0;
        }
        self.last = number;
        let at = self.place(number);
        self.counts[at] = self.counts[at].saturating_add(count);
        self.sum()
    }

    pub(crate) fn sum(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(crate) fn clear(&mut self) {
        self.counts = [0; N];
    }

    fn place(&self, number: i64) -> usize {
        usize::try_from(number.rem_euclid(N as i64)).unwrap_or(0)
    }
}

/// A few different values with the time of each; when it is full, the oldest goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Few<T, const N: usize>(Vec<(T, i64)>);

impl<T: PartialEq, const N: usize> Few<T, N> {
    /// Notes a value, and returns whether it is new.
    pub(crate) fn note(&mut self, value: T, seconds: i64) -> bool {
        if let Some(known) = self.0.iter_mut().find(|known| known.0 == value) {
            known.1 = known.1.max(seconds);
            return false;
        }
        if self.0.len() >= N {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, known)| known.1).map(|(at, _)| at);
            self.0.swap_remove(oldest.unwrap_or(0));
        }
        self.0.push((value, seconds));
        true
    }

    pub(crate) fn has(&self, value: &T) -> bool {
        self.0.iter().any(|known| known.0 == *value)
    }

    /// Forgets what was noted before a time.
    pub(crate) fn forget_before(&mut self, seconds: i64) {
        self.0.retain(|known| known.1 >= seconds);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn first(&self) -> Option<i64> {
        self.0.iter().map(|known| known.1).min()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|known| &known.0)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A hash of a text, for sets of what a subject used. It is not for disks or networks.
pub(crate) fn mark(text: &str) -> u64 {
    use std::hash::Hasher as _;
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_kept_and_the_rest_is_bounded() {
        let mut memory: Memory<u32, u32> = Memory::of(100);
        for number in 0..10_000 {
            *memory.of_subject(&7) += 1;
            *memory.of_subject(&number) += 1;
            assert!(memory.len() <= 101, "{}", memory.len());
        }
        assert!(*memory.of_subject(&7) >= 10_000);
        assert_eq!(*memory.of_subject(&20), 0, "it was forgotten");
    }

    #[test]
    fn a_window_forgets_and_time_does_not_run_backwards() {
        let mut window: Window<6> = Window::default();
        assert_eq!(window.add(1_000, 10, 5), 5);
        assert_eq!(window.add(1_049, 10, 1), 6);
        assert_eq!(window.add(900, 10, 1), 7);
        assert_eq!(window.add(1_060, 10, 1), 3);
        assert_eq!(window.add(9_000, 10, 1), 1);
        assert_eq!(window.add(i64::MAX, 10, 1), 1);
        assert_eq!(window.add(i64::MIN, 10, 1), 2);
    }

    #[test]
    fn few_values_stay_few() {
        let mut few: Few<u32, 3> = Few::default();
        assert!(few.note(1, 1) && few.note(2, 2) && !few.note(1, 5) && few.note(3, 3));
        assert!(few.note(4, 6) && !few.has(&2) && few.has(&1));
        few.forget_before(6);
        assert_eq!((few.len(), few.first()), (1, Some(6)));
    }
}
