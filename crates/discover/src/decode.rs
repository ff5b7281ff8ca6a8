//! Reads replies: records are counted and not kept, lists are bounded.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use crate::api::PAGE;
use crate::fault::{ServiceFault, StopReason, excerpt};
use crate::kind::SplitField;

/// A page with more records is rejected: ten times what the services document.
const MOST_RECORDS: u64 = 10 * PAGE;
/// The most values of a field that are read from a count. The rest is missing from the sum, which the difference to the total shows.
const MOST_VALUES: usize = 10_000;

/// Parses a reply; an incomplete one may be requested again.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ServiceFault> {
    serde_json::from_slice(body).map_err(|error| {
        ServiceFault::Again(if error.is_eof() {
            format!("the reply was cut short after {} bytes", body.len())
        } else {
            "the reply does not have the documented form".to_owned()
        })
    })
}

/// The length of a list. The elements are skipped, so a long list takes no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordCount(u64);

impl<'de> Deserialize<'de> for RecordCount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Counting;
        impl<'de> Visitor<'de> for Counting {
            type Value = RecordCount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RecordCount, A::Error> {
                let mut count = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(RecordCount(count))
            }
        }
        from.deserialize_seq(Counting)
    }
}

/// The number of records on a page.
///
/// # Errors
///
/// More than [`MOST_RECORDS`].
pub(crate) fn records(list: Option<RecordCount>) -> Result<u64, ServiceFault> {
    match list.map_or(0, |list| list.0) {
        // A repeat would be charged again and give the same page.
        count if count > MOST_RECORDS => Err(ServiceFault::Stop(StopReason::Unreachable(format!(
            "a page holds {count} records; the service documents {PAGE} at most"
        )))),
        count => Ok(count),
    }
}

/// The first elements of a list, at most [`MOST_VALUES`].
#[derive(Debug)]
pub(crate) struct FirstValues<T>(pub(crate) Vec<T>);

impl<T> Default for FirstValues<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for FirstValues<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Taking<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Taking<T> {
            type Value = FirstValues<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FirstValues<T>, A::Error> {
                let mut few = Vec::new();
                while few.len() < MOST_VALUES {
                    match list.next_element()? {
                        Some(one) => few.push(one),
                        None => return Ok(FirstValues(few)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(FirstValues(few))
            }
        }
        from.deserialize_seq(Taking(PhantomData))
    }
}

/// The values of a field with their counts. Values that cannot be put into a query are left out, which the difference to the total
/// shows.
pub(crate) fn values<'v>(field: SplitField, counted: impl Iterator<Item = (&'v Value, &'v Value)>) -> Vec<(String, u64)> {
    counted
        .filter_map(|(value, count)| {
            let text = match value {
                Value::String(text) => text.clone(),
                other => whole(other)?.to_string(),
            };
            let count = whole(count)?;
            (field.sound(&text) && count > 0).then_some((text, count))
        })
        .collect()
}

/// A whole number; some services write 12.0.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        // Totals are far below 2^53, up to which a float holds every whole number exactly.
        (0.0..9e15).contains(&number).then_some(number as u64)
    })
}

/// The meaning of a status, unless the service has its own.
pub(crate) fn usual(status: u16, text: &str) -> ServiceFault {
    let text = excerpt(text);
    match status {
        401 => ServiceFault::Stop(StopReason::Key(text)),
        402 => ServiceFault::Stop(StopReason::Credits(text)),
        403 => ServiceFault::Stop(StopReason::Plan(text)),
        429 => ServiceFault::Slow,
        // No content, or part of it, where all of it was requested.
        200..=299 => ServiceFault::Again(format!("it answers {status} instead of 200 with a complete reply")),
        408 | 500..=599 => ServiceFault::Again(format!("it answers {status}: {text}")),
        300..=399 => ServiceFault::Stop(StopReason::Unreachable(format!(
            "it answers {status}, a redirect, which is not followed; is the base URL right?"
        ))),
        404 | 405 => ServiceFault::Stop(StopReason::Unreachable(format!("it answers {status}; is the base URL right?"))),
        _ => ServiceFault::Query(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oversized_page_is_rejected() {
        let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
        let count = |text: &str| records(read::<Option<RecordCount>>(text.as_bytes()).expect("a list"));
        assert_eq!(count("null"), Ok(0));
        assert_eq!(count("[{\"a\":[1,2]},\"b\"]"), Ok(2));
        assert_eq!(count(&list(1_000)), Ok(1_000));
        let refused = count(&list(800_000)).expect_err("it is too large");
        assert!(
            matches!(&refused, ServiceFault::Stop(StopReason::Unreachable(why)) if why.contains("800000 records")),
            "{refused:?}"
        );
        assert!(matches!(read::<RecordCount>(b"[1,2"), Err(ServiceFault::Again(why)) if why.contains("cut short")));
    }

    #[test]
    fn a_count_has_a_limited_number_of_values() {
        let few: FirstValues<u8> = read(format!("[{}1]", "1,".repeat(200_000)).as_bytes()).expect("a list");
        assert_eq!(few.0.len(), MOST_VALUES);
    }
}
