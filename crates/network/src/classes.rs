//! The classes of autonomous systems, checked and compiled from a mapping file.

use std::collections::HashMap;

use chrono::NaiveDate;
use regex::RegexSet;

use crate::views::{AsType, Tier};

/// The longest prefix of a name that patterns are matched against, in bytes. It bounds the cost of a name.
pub(crate) const MAX_NAME: usize = 400;

/// The classes of autonomous systems: a checked and compiled mapping file.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    pub(crate) numbers: HashMap<u32, ClassEntry, ahash::RandomState>,
    pub(crate) words: HashMap<String, ClassEntry>,
    pub(crate) names: Vec<ClassEntry>,
    pub(crate) patterns: RegexSet,
    pub(crate) date: NaiveDate,
}

/// The classes that an entry gives.
#[derive(Clone, Debug)]
pub(crate) struct ClassEntry {
    pub(crate) as_type: Option<AsType>,
    pub(crate) tier: Option<Tier>,
    pub(crate) reason: String,
    pub(crate) date: NaiveDate,
    /// The organisation, the word or the pattern of the entry.
    pub(crate) what: String,
}

impl Classes {
    /// The date of the last review, according to the file.
    #[must_use]
    pub fn date(&self) -> NaiveDate {
        self.date
    }

    /// The autonomous systems that are listed, with their organisations.
    pub fn listed(&self) -> impl Iterator<Item = (u32, &str)> {
        self.numbers.iter().map(|(number, entry)| (*number, entry.what.as_str()))
    }

    /// The number of patterns for names.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.names.len()
    }
}
