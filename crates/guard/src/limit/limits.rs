//! The limits of a grant.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// The limits of a key; `None`: unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Requests in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<NonZeroU64>,
    /// Tokens of prompts and answers in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<NonZeroU64>,
    /// Tokens of prompts and answers in a calendar day, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<NonZeroU64>,
    /// Requests and streams under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<NonZeroU64>,
}

/// One kind of limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Requests in any 60 seconds.
    RequestsPerMinute,
    /// Tokens in any 60 seconds.
    TokensPerMinute,
    /// Tokens in a calendar day, UTC.
    TokensPerDay,
    /// Requests under way.
    Concurrent,
}

impl Limit {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::RequestsPerMinute, Self::TokensPerMinute, Self::TokensPerDay, Self::Concurrent];

    /// Its name in the key store, on the command line and in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests-per-minute",
            Self::TokensPerMinute => "tokens-per-minute",
            Self::TokensPerDay => "tokens-per-day",
            Self::Concurrent => "concurrent",
        }
    }

    /// Reads `requests-per-minute=60`.
    ///
    /// # Errors
    ///
    /// What to write instead.
    pub fn parse(text: &str) -> Result<(Self, NonZeroU64), String> {
        let (name, most) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?}: write LIMIT=MOST, such as requests-per-minute=60"))?;
        let limit = Self::ALL.into_iter().find(|limit| limit.word() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::word).join(", ");
            format!("unknown limit {name:?}; known limits: {known}")
        })?;
        let most = most
            .parse()
            .map_err(|_| format!("{text:?}: the limit is a whole number from 1 on; vigie guard key revoke stops a key"))?;
        Ok((limit, most))
    }
}

impl Limits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The most of one kind.
    #[must_use]
    pub fn get(&self, limit: Limit) -> Option<u64> {
        let most = match limit {
            Limit::RequestsPerMinute => self.requests_per_minute,
            Limit::TokensPerMinute => self.tokens_per_minute,
            Limit::TokensPerDay => self.tokens_per_day,
            Limit::Concurrent => self.concurrent,
        };
        most.map(NonZeroU64::get)
    }

    /// Sets the most of one kind.
    pub fn set(&mut self, limit: Limit, most: NonZeroU64) {
        *self.place(limit) = Some(most);
    }

    /// Removes the limit of one kind.
    pub fn clear(&mut self, limit: Limit) {
        *self.place(limit) = None;
    }

    fn place(&mut self, limit: Limit) -> &mut Option<NonZeroU64> {
        match limit {
            Limit::RequestsPerMinute => &mut self.requests_per_minute,
            Limit::TokensPerMinute => &mut self.tokens_per_minute,
            Limit::TokensPerDay => &mut self.tokens_per_day,
            Limit::Concurrent => &mut self.concurrent,
        }
    }
}

impl FromIterator<(Limit, NonZeroU64)> for Limits {
    fn from_iter<I: IntoIterator<Item = (Limit, NonZeroU64)>>(all: I) -> Self {
        let mut limits = Self::default();
        all.into_iter().for_each(|(limit, most)| limits.set(limit, most));
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_as_they_are_written() {
        let all = [
            "requests-per-minute=60",
            "tokens-per-minute=5",
            "tokens-per-day=100000",
            "concurrent=4",
        ];
        let limits: Limits = all.iter().map(|text| Limit::parse(text).expect("it reads")).collect();
        let text = serde_json::to_string(&limits).expect("JSON");
        assert_eq!(
            text,
            r#"{"requests-per-minute":60,"tokens-per-minute":5,"tokens-per-day":100000,"concurrent":4}"#
        );
        assert_eq!(serde_json::from_str::<Limits>(&text).expect("it reads"), limits);
        assert!(serde_json::from_str::<Limits>("{}").expect("it reads").is_none());
        for wrong in [r#"{"concurrent":0}"#, r#"{"requests-per-hour":1}"#, r#"{"concurrent":-1}"#] {
            assert!(serde_json::from_str::<Limits>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["concurrent", "concurrent=0", "concurrent=-1", "concurrent=1.5", "requests=1", "=1"] {
            assert!(Limit::parse(wrong).is_err(), "{wrong}");
        }
    }
}
