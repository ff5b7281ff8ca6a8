//! Formatting of lists, numbers and durations for people.

use std::fmt::Write as _;

use vigie_model::Known;

pub(super) fn known_or(known: &Known<String>, otherwise: &str) -> String {
    known.known().map_or_else(|| otherwise.to_owned(), Clone::clone)
}

/// Joins the first `cap` items with commas, and adds the number of the others.
pub(super) fn listed(items: impl Iterator<Item = String>, cap: usize) -> String {
    let mut out = String::new();
    let mut rest = 0;
    for (index, item) in items.enumerate() {
        if index >= cap {
            rest += 1;
            continue;
        }
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&item);
    }
    if rest > 0 {
        let _ = write!(out, ", +{rest} more");
    }
    out
}

pub(super) fn more(count: usize) -> String {
    format!("{} more", thousands(count as u64))
}

/// Formats `65536` as `65,536`.
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a duration in milliseconds.
pub(super) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(65_536), "65,536");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(duration(3_250), "3.2 s");
        assert_eq!(duration(61_000), "1 min 1 s");
        assert_eq!(duration(7_260_000), "2 h 1 min");
    }
}
