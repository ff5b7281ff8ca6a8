//! What both APIs of Censys share.

use serde::Deserialize;
use serde_json::Value;

use super::quotes::outside_quotes;
use crate::decode::{read, whole};
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

pub(super) fn total(value: &Value) -> Result<u64, ServiceFault> {
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
