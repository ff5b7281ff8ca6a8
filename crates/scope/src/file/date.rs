//! The notation of dates in scope files and opt-out lists.

use chrono::{Datelike as _, NaiveDate};

/// Parses a date as `2027-01-31`, with four, two and two digits.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDate> {
    let date: NaiveDate = text.parse().ok()?;
    (date.to_string() == text && (1..10_000).contains(&date.year())).then_some(date)
}
