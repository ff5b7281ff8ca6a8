//! What both APIs of Censys share.

use serde::Deserialize;
use serde_json::Value;

use super::quotes::outside_quotes;
use crate::api::{CountInfo, NextPage, PageInfo};
use crate::decode::{FirstValues, RecordCount, read, records, values, whole};
use crate::fault::ServiceFault;
use crate::kind::SplitField;

#[derive(Deserialize)]
struct Enveloped<T> {
    result: Option<T>,
}

#[derive(Deserialize)]
pub(crate) struct Bucket {
    #[serde(default)]
    pub(crate) key: Value,
    #[serde(default)]
    pub(crate) count: Value,
}

pub(super) fn result<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ServiceFault> {
    read::<Enveloped<T>>(body)?
        .result
        .ok_or_else(|| ServiceFault::Again("the reply has no result".to_owned()))
}

/// What a page says besides its records. The token of the next page is empty on the last one.
pub(super) fn page_info(found: &Value, hits: Option<RecordCount>, next: Option<String>) -> Result<PageInfo, ServiceFault> {
    Ok(PageInfo {
        total: total(found)?,
        records: records(hits)?,
        next: next.filter(|token| !token.is_empty()).map_or(NextPage::Nothing, NextPage::Token),
    })
}

/// The result of a count, with the records of each value if it was made by a field.
pub(super) fn count_info(found: &Value, buckets: Option<FirstValues<Bucket>>, by: Option<SplitField>) -> Result<CountInfo, ServiceFault> {
    let buckets = buckets.unwrap_or_default().0;
    Ok(CountInfo {
        total: total(found)?,
        values: by.map_or_else(Vec::new, |field| {
            values(field, buckets.iter().map(|bucket| (&bucket.key, &bucket.count)))
        }),
    })
}

fn total(value: &Value) -> Result<u64, ServiceFault> {
    whole(value).ok_or_else(|| ServiceFault::Again("the reply has no total".to_owned()))
}

/// Whether a query in one of Censys' languages restricts a field.
pub(crate) fn names(query: &str, field: SplitField) -> bool {
    let query = outside_quotes(query);
    match field {
        SplitField::Country => query.contains("country"),
        SplitField::Port => query
            .match_indices("port")
            .any(|(at, word)| query[at + word.len()..].trim_start().starts_with([':', '=', '<', '>', '{'])),
    }
}
