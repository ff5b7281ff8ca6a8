//! The counts of days, as the lines of the audit log add up to them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};
use vigie_model::Timestamp;

use super::days::Days;
use crate::log::Head;

/// The schema of the file.
const SCHEMA: &str = "vigie.guard-counts/1";

/// What the log says of each key, by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tally(pub(crate) BTreeMap<String, Days>);

impl Tally {
    /// Adds what a line of the log counted. Whether it counted anything.
    pub(crate) fn add(&mut self, line: &Line<'_>) -> bool {
        let Some((key, counted)) = line.counted() else { return false };
        self.count(key, counted.tokens, counted.at());
        true
    }

    /// Adds tokens of a key.
    pub(crate) fn count(&mut self, key: &str, tokens: u64, at: Timestamp) {
        match self.0.get_mut(key) {
            Some(days) => days.add(at, tokens),
            None => self.0.entry(key.to_owned()).or_default().add(at, tokens),
        }
    }

    /// Adds all that another has.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for (key, days) in &other.0 {
            self.0.entry(key.clone()).or_default().add_all(days);
        }
    }

    /// Takes the greater of both counts of each key and day.
    pub(crate) fn at_least(&mut self, other: &Self) {
        for (key, days) in &other.0 {
            self.0.entry(key.clone()).or_default().at_least(days);
        }
    }
}

/// `counts.json`: the sums up to one line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    schema: String,
    /// The line, and the hash of the chain there.
    pub(crate) seq: u64,
    pub(crate) hash: String,
    /// Tokens per day, UTC, by the ids of keys.
    pub(crate) tokens_per_day: Tally,
}

impl Counts {
    pub(crate) fn new(head: &Head, tally: Tally) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            seq: head.seq,
            hash: head.hash.clone(),
            tokens_per_day: tally,
        }
    }

    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// Why it does not read.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let counts: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match counts.schema == SCHEMA {
            true => Ok(counts),
            false => Err(format!("the schema is {:?}; this vigie reads {SCHEMA:?}", counts.schema)),
        }
    }

    pub(crate) fn to_text(&self) -> Vec<u8> {
        // Nothing in it is beyond JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A line of the log, as far as it matters for counts.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'l> {
    /// Milliseconds since 1970: when a request began.
    time: i64,
    /// Milliseconds.
    #[serde(default)]
    duration: f64,
    #[serde(borrow, default)]
    actor: Option<Actor<'l>>,
    /// In version 1 it was here.
    #[serde(borrow, default)]
    chain: Option<Place<'l>>,
    #[serde(borrow, default)]
    unmapped: Option<Unmapped<'l>>,
}

/// The line's place in the chain.
#[derive(Debug, Deserialize)]
pub(crate) struct Place<'l> {
    pub(crate) seq: u64,
    #[serde(borrow)]
    pub(crate) prev: Cow<'l, str>,
}

#[derive(Debug, Deserialize)]
struct Actor<'l> {
    #[serde(borrow, default)]
    user: Option<User<'l>>,
}

#[derive(Debug, Deserialize)]
struct User<'l> {
    #[serde(borrow)]
    uid: Cow<'l, str>,
}

#[derive(Debug, Deserialize)]
struct Unmapped<'l> {
    #[serde(default)]
    counted: Option<LineCounted>,
    #[serde(borrow, default)]
    chain: Option<Place<'l>>,
}

/// What a line counted.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct LineCounted {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    /// When the tokens were counted, in milliseconds since 1970.
    at: i64,
}

impl LineCounted {
    /// When the tokens were counted.
    pub(crate) fn at(&self) -> Timestamp {
        DateTime::from_timestamp_millis(self.at).unwrap_or_default()
    }
}

impl Line<'_> {
    /// The key, and what was counted for it.
    pub(crate) fn counted(&self) -> Option<(&str, LineCounted)> {
        let counted = self.unmapped.as_ref()?.counted?;
        Some((&self.actor.as_ref()?.user.as_ref()?.uid, counted))
    }

    /// Its place in the chain.
    pub(crate) fn place(&self) -> Option<&Place<'_>> {
        self.unmapped
            .as_ref()
            .and_then(|unmapped| unmapped.chain.as_ref())
            .or(self.chain.as_ref())
    }

    /// When the request began.
    pub(crate) fn began(&self) -> Timestamp {
        DateTime::from_timestamp_millis(self.time).unwrap_or_default()
    }

    /// When it ended.
    pub(crate) fn ended(&self) -> Timestamp {
        #[expect(clippy::cast_possible_truncation, reason = "`as` takes the nearest number of milliseconds")]
        let duration = TimeDelta::try_milliseconds(self.duration as i64).unwrap_or_default();
        let began = self.began();
        began.checked_add_signed(duration).unwrap_or(began)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_add_up() {
        let mut tally = Tally::default();
        let ms = |time: &str| time.parse::<Timestamp>().expect("a time").timestamp_millis();
        let line = |key: &str, counted: serde_json::Value| json!({"time": ms("2026-03-01T10:00:00Z"), "duration": 1.5, "actor": {"user": {"uid": key, "name": "x"}}, "chain": {"seq": 1, "prev": ""}, "unmapped": {"counted": counted, "event": "request"}});
        let counted = |tokens: u64, at: &str| json!({"requests": 1, "tokens": tokens, "estimated": false, "at": ms(at)});
        for (event, counts) in [
            (line("a", counted(3, "2026-03-01T10:00:01Z")), true),
            (line("a", counted(4, "2026-03-02T00:00:00Z")), true),
            (line("a", json!(null)), false),
            (json!({"time": 5, "chain": {"seq": 2, "prev": ""}, "signed": {}}), false),
            (line("b\"", counted(1, "2026-03-01T10:00:01Z")), true),
        ] {
            let text = event.to_string();
            assert_eq!(tally.add(&serde_json::from_str(&text).expect("it reads")), counts, "{text}");
        }
        let head = Head {
            seq: 9,
            hash: "x".to_owned(),
        };
        let counts = Counts::new(&head, tally);
        let text = String::from_utf8(counts.to_text()).expect("text");
        assert_eq!(
            text,
            r#"{"schema":"vigie.guard-counts/1","seq":9,"hash":"x","tokens_per_day":{"a":[["2026-03-01",3],["2026-03-02",4]],"b\"":[["2026-03-01",1]]}}"#
        );
        assert_eq!(Counts::parse(text.as_bytes()), Ok(counts));
        assert!(Counts::parse(text.replace("counts/1", "counts/2").as_bytes()).is_err());
    }
}
