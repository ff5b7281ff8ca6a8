//! What the services have in common.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use crate::client::ApiRequest;
use crate::fault::{Fault, StopReason, excerpt};
use crate::legacy::CensysLegacyApi;
use crate::platform::CensysApi;
use crate::secret::Secret;
use crate::shodan::ShodanApi;

/// Records on a page, of each service.
pub(crate) const PAGE: u64 = 100;

/// By what a query is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitField {
    /// ISO 3166 code.
    Country,
    /// TCP port.
    Port,
}

impl SplitField {
    /// In the order in which a query is split.
    pub(crate) const ALL: [Self; 2] = [Self::Country, Self::Port];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Port => "port",
        }
    }

    /// How many values there can be of it, which is how many are asked for.
    pub(crate) fn most(self) -> u64 {
        match self {
            Self::Country => 300,
            Self::Port => 1_000,
        }
    }

    /// A value that can stand in a query: nothing that a service answers gets there unchecked.
    pub(crate) fn sound(self, value: &str) -> bool {
        match self {
            Self::Country => value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase()),
            Self::Port => value.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == value),
        }
    }
}

/// One page of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PagePosition {
    /// From 1.
    pub(crate) page: u32,
    /// What the page before said of this one, where the service says such a thing.
    pub(crate) token: Option<String>,
}

/// What a page's reply says, besides its records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageInfo {
    pub(crate) total: u64,
    pub(crate) records: u64,
    pub(crate) next: NextPage,
}

/// How it goes on after a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextPage {
    /// With the next number, as long as the total says that there is more.
    Number,
    /// With this.
    Token(String),
    /// Not at all.
    Nothing,
}

/// What a count says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CountInfo {
    pub(crate) total: u64,
    pub(crate) values: Vec<(String, u64)>,
}

/// What a service is asked, and what its answers mean.
pub(crate) trait ServiceApi: Send + Sync {
    fn page(&self, query: &str, at: &PagePosition) -> ApiRequest;
    fn count(&self, query: &str, by: Option<SplitField>) -> ApiRequest;
    /// What is left in the account, where the service says so for nothing.
    fn balance(&self) -> Option<ApiRequest>;
    fn read_page(&self, body: &[u8]) -> Result<PageInfo, Fault>;
    fn read_count(&self, body: &[u8], by: Option<SplitField>) -> Result<CountInfo, Fault>;
    fn read_balance(&self, body: &[u8]) -> Option<u64>;
    /// What a status other than 200 means.
    fn refusal(&self, status: u16, body: &[u8]) -> Fault;
    fn narrow(&self, query: &str, by: SplitField, value: &str) -> String;
    /// Whether the query itself says something of the field; it is not split by it then.
    fn names(&self, query: &str, field: SplitField) -> bool;
    /// Whether counting costs nothing.
    fn counts_free(&self) -> bool;
    fn secrets(&self) -> Vec<Secret>;
}

/// A service and its keys.
pub struct Service {
    pub(crate) kind: ServiceKind,
    pub(crate) api: Box<dyn ServiceApi>,
}

impl Service {
    /// Shodan's REST API.
    #[must_use]
    pub fn shodan(key: Secret) -> Self {
        Self {
            kind: ServiceKind::Shodan,
            api: Box::new(ShodanApi { key }),
        }
    }

    /// The Censys Platform's API v3. Without an organisation the account's own credits count.
    #[must_use]
    pub fn censys(token: Secret, organization: Option<String>) -> Self {
        Self {
            kind: ServiceKind::Censys,
            api: Box::new(CensysApi { token, organization }),
        }
    }

    /// Censys Search v2, the Platform's forerunner.
    #[must_use]
    pub fn censys_legacy(id: Secret, secret: Secret) -> Self {
        Self {
            kind: ServiceKind::CensysLegacy,
            api: Box::new(CensysLegacyApi { id, secret }),
        }
    }

    /// Which one it is.
    #[must_use]
    pub fn kind(&self) -> ServiceKind {
        self.kind
    }
}

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// Shodan.
    Shodan,
    /// The Censys Platform.
    Censys,
    /// Censys Search v2.
    CensysLegacy,
}

impl ServiceKind {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shodan => "shodan",
            Self::Censys => "censys",
            Self::CensysLegacy => "censys-legacy",
        }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(self) -> &'static str {
        match self {
            Self::Shodan => "https://api.shodan.io",
            Self::Censys => "https://api.platform.censys.io",
            Self::CensysLegacy => "https://search.censys.io/api",
        }
    }

    /// What a page, and a count that is not free, takes at most, in credits.
    ///
    /// Shodan: 1 for each page past the first, and for the first where the query has a filter. Censys Platform: 1 with a Core, Search or
    /// Enterprise plan, 5 and more with a Starter plan. Search v2: one query each.
    #[must_use]
    pub fn cost(self) -> u64 {
        match self {
            Self::Shodan | Self::CensysLegacy => 1,
            Self::Censys => 8,
        }
    }

    /// The budget of a run that is given none, in credits.
    #[must_use]
    pub fn budget(self) -> u64 {
        match self {
            Self::Shodan | Self::CensysLegacy => 10,
            Self::Censys => 40,
        }
    }

    /// The pages of one query after which it is split.
    ///
    /// Shodan's deep pages were seen to fail near page 70 of the basic plan.
    #[must_use]
    pub fn pages(self) -> u32 {
        match self {
            Self::Shodan => 60,
            Self::Censys | Self::CensysLegacy => 100,
        }
    }
}

/// A whole number as a service writes it: some write 12.0.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        // A total is far below 2^53, where every whole number is a float of its own.
        (0.0..9e15).contains(&number).then_some(number as u64)
    })
}

/// A page with more records than this is none: what a service documents, with room to spare.
const MOST_RECORDS: u64 = 10 * PAGE;
/// Values that a count may tell of a field; the rest is left out, and so remains in the difference to the total.
const MOST_VALUES: usize = 10_000;

/// A list of whatever, of which only the length counts. It takes no memory, however long the list is.
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

/// How many records a page has, unless they are too many to be one.
pub(crate) fn records(told: Option<RecordCount>) -> Result<u64, Fault> {
    match told.map_or(0, |told| told.0) {
        // Asked again, it would only be paid for again.
        count if count > MOST_RECORDS => Err(Fault::Stop(StopReason::Unreachable(format!(
            "a page holds {count} records, where the service documents {PAGE}; it is not read"
        )))),
        count => Ok(count),
    }
}

/// The first of a list, as many as a count can have use for.
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

/// Reads a reply, or says that it is not whole.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        Fault::Again(if error.is_eof() {
            format!("the reply was cut short after {} bytes", body.len())
        } else {
            "the reply is not what the service documents".to_owned()
        })
    })
}

/// The values of a field with their counts; what cannot stand in a query is left out and so remains in the difference to the total.
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

/// A query without what stands in quotes.
pub(crate) fn outside_quotes(query: &str) -> String {
    query.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Whether a query in one of Censys' languages says something of a field.
pub(crate) fn names(query: &str, field: SplitField) -> bool {
    let query = outside_quotes(query);
    match field {
        SplitField::Country => query.contains("country"),
        SplitField::Port => query
            .match_indices("port")
            .any(|(at, word)| query[at + word.len()..].trim_start().starts_with([':', '=', '<', '>', '{'])),
    }
}

/// What the usual statuses mean, where a service has no word of its own for it.
pub(crate) fn usual(status: u16, word: &str) -> Fault {
    let word = excerpt(word);
    match status {
        401 => Fault::Stop(StopReason::Key(word)),
        402 => Fault::Stop(StopReason::Credits(word)),
        403 => Fault::Stop(StopReason::Plan(word)),
        429 => Fault::Slow,
        // Nothing, or a part of something, where the whole was asked for.
        200..=299 => Fault::Again(format!("it answers {status}, and not 200 with a whole reply")),
        408 | 500..=599 => Fault::Again(format!("it answers {status}: {word}")),
        300..=399 => Fault::Stop(StopReason::Unreachable(format!(
            "it answers {status}, a redirect, which is not followed; is the base URL right?"
        ))),
        404 | 405 => Fault::Stop(StopReason::Unreachable(format!("it answers {status}; is the base URL right?"))),
        _ => Fault::Query(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_no_more_records_than_a_page_can_have() {
        let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
        let count = |text: &str| records(read::<Option<RecordCount>>(text.as_bytes()).expect("a list"));
        assert_eq!(count("null"), Ok(0));
        assert_eq!(count("[{\"a\":[1,2]},\"b\"]"), Ok(2));
        assert_eq!(count(&list(1_000)), Ok(1_000));
        let refused = count(&list(800_000)).expect_err("it is no page");
        assert!(
            matches!(&refused, Fault::Stop(StopReason::Unreachable(why)) if why.contains("800000 records")),
            "{refused:?}"
        );
        assert!(matches!(read::<RecordCount>(b"[1,2"), Err(Fault::Again(why)) if why.contains("cut short")));
    }

    #[test]
    fn a_count_tells_a_limited_number_of_values() {
        let few: FirstValues<u8> = read(format!("[{}1]", "1,".repeat(200_000)).as_bytes()).expect("a list");
        assert_eq!(few.0.len(), MOST_VALUES);
    }
}
