//! The classes of autonomous systems, checked and compiled from a mapping file.

use std::collections::HashMap;

use chrono::NaiveDate;
use regex::RegexSet;

use crate::views::{AsType, Tier};

/// The longest name that patterns are tried on, in bytes, so that what a name costs is bounded.
pub(crate) const MAX_NAME: usize = 400;

/// A mapping file, checked and compiled.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    pub(crate) numbers: HashMap<u32, Entry, ahash::RandomState>,
    pub(crate) words: HashMap<String, Entry>,
    pub(crate) names: Vec<Entry>,
    pub(crate) patterns: RegexSet,
    pub(crate) date: NaiveDate,
}

/// What an entry says.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) as_type: Option<AsType>,
    pub(crate) tier: Option<Tier>,
    pub(crate) reason: String,
    pub(crate) date: NaiveDate,
    /// The organisation, the word, or the pattern.
    pub(crate) what: String,
}

impl Classes {
    /// When the mapping was last looked over, as the file says.
    #[must_use]
    pub fn date(&self) -> NaiveDate {
        self.date
    }

    /// The autonomous systems that it lists, and the organisation that it holds each to be.
    pub fn listed(&self) -> impl Iterator<Item = (u32, &str)> {
        self.numbers.iter().map(|(number, entry)| (*number, entry.what.as_str()))
    }

    /// How many patterns it has for names.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.names.len()
    }
}
