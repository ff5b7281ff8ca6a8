//! How dates are written in scope files and opt-out lists.

use chrono::{Datelike as _, NaiveDate};

/// A date as `2027-01-31`, in four, two and two digits.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDate> {
    let date: NaiveDate = text.parse().ok()?;
    (date.to_string() == text && (1..10_000).contains(&date.year())).then_some(date)
}
