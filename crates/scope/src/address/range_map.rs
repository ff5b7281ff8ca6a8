//! A map from address ranges to values.

use std::collections::BTreeSet;

use vigie_model::address::AddressRange;

/// A map from address ranges to values. Where ranges overlap, the smallest one applies; among equals, the first.
#[derive(Clone, Debug)]
pub(crate) struct RangeMap<T> {
    /// Disjoint and in order, each with the index of its value.
    runs: Vec<(AddressRange, usize)>,
    values: Vec<T>,
}

impl<T> Default for RangeMap<T> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl<T> RangeMap<T> {
    /// Builds the map with one sweep over the ends of the ranges.
    pub(crate) fn build(entries: Vec<(AddressRange, T)>) -> Self {
        let mut starts: Vec<(u128, usize)> = Vec::with_capacity(entries.len());
        let mut ends: Vec<(u128, usize)> = Vec::with_capacity(entries.len());
        let (ranges, values): (Vec<AddressRange>, Vec<T>) = entries.into_iter().unzip();
        for (index, range) in ranges.iter().enumerate() {
            starts.push((range.first_key(), index));
            ends.push((range.last_key() + 1, index));
        }
        let mut points: Vec<u128> = starts.iter().chain(&ends).map(|(at, _)| *at).collect();
        points.sort_unstable();
        points.dedup();
        starts.sort_unstable();
        ends.sort_unstable();

        let (mut next_start, mut next_end) = (0, 0);
        let mut active: BTreeSet<(u128, usize)> = BTreeSet::new();
        let mut runs: Vec<(AddressRange, usize)> = Vec::new();
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            while let Some((_, index)) = ends.get(next_end).filter(|(at, _)| *at <= from) {
                active.remove(&(ranges[*index].size(), *index));
                next_end += 1;
            }
            while let Some((_, index)) = starts.get(next_start).filter(|(at, _)| *at <= from) {
                active.insert((ranges[*index].size(), *index));
                next_start += 1;
            }
            let Some((_, index)) = active.first() else { continue };
            match runs.last_mut() {
                Some((run, last)) if *last == *index && run.last_key() + 1 == from => {
                    *run = AddressRange::from_keys(run.first_key(), to - 1)
                }
                _ => runs.push((AddressRange::from_keys(from, to - 1), *index)),
            }
        }
        Self { runs, values }
    }

    /// The value at a key.
    pub(crate) fn get(&self, key: u128) -> Option<&T> {
        let at = self.runs.partition_point(|(run, _)| run.last_key() < key);
        let (run, index) = self.runs.get(at)?;
        if run.first_key() <= key { self.values.get(*index) } else { None }
    }

    /// Cuts a range into pieces, each with its value, if any.
    pub(crate) fn cut(&self, range: AddressRange) -> Vec<(AddressRange, Option<&T>)> {
        let mut pieces = Vec::new();
        let mut from = range.first_key();
        let start = self.runs.partition_point(|(run, _)| run.last_key() < range.first_key());
        for (run, index) in &self.runs[start..] {
            if run.first_key() > range.last_key() {
                break;
            }
            if run.first_key() > from {
                pieces.push((AddressRange::from_keys(from, run.first_key() - 1), None));
            }
            let last = run.last_key().min(range.last_key());
            pieces.push((AddressRange::from_keys(run.first_key().max(from), last), self.values.get(*index)));
            from = last + 1;
        }
        if from <= range.last_key() {
            pieces.push((AddressRange::from_keys(from, range.last_key()), None));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_map_agrees_with_a_linear_search(
            entries in prop::collection::vec((0u128..200, 0u128..40), 0..20),
            from in 0u128..200, length in 0u128..60,
        ) {
            let ranges: Vec<AddressRange> = entries.iter().map(|(f, l)| AddressRange::from_keys(*f, f + l)).collect();
            let map = RangeMap::build(ranges.iter().copied().zip(0usize..).collect());
            let expected = |key: u128| {
                ranges.iter().enumerate().filter(|(_, s)| s.first_key() <= key && key <= s.last_key())
                    .min_by_key(|(i, s)| (s.size(), *i)).map(|(i, _)| i)
            };
            for key in 0..260 {
                prop_assert_eq!(map.get(key).copied(), expected(key));
            }
            let whole = AddressRange::from_keys(from, from + length);
            let mut next = whole.first_key();
            for (piece, value) in map.cut(whole) {
                prop_assert_eq!(piece.first_key(), next);
                for key in piece.first_key()..=piece.last_key() {
                    prop_assert_eq!(value.copied(), expected(key));
                }
                next = piece.last_key() + 1;
            }
            prop_assert_eq!(next, whole.last_key() + 1);
        }
    }
}
