//! A query, or a part of one, and how much of it has been read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{CountInfo, NextPage, PAGE, PageInfo};
use crate::kind::SplitField;

/// The records tolerated beyond twice the total before a service is taken for one that returns pages without end.
const SPARE: u64 = 2 * PAGE;

/// A query, or one of the parts that it was split into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryPart {
    /// The query as it is sent.
    pub query: String,
    /// The fields that it was narrowed by, or cannot be narrowed by.
    pub by: Vec<SplitField>,
    /// The number of records according to a count.
    pub expected: Option<u64>,
    /// The total according to the first page.
    pub first: Option<u64>,
    /// The total according to the last page.
    pub total: Option<u64>,
    /// The number of records read.
    pub got: u64,
    /// The number of pages read.
    pub pages: u32,
    /// The token of the next page, where the service uses tokens.
    pub token: Option<String>,
    /// Hashes of the tokens used so far. A token that repeats means that the pages form a circle.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tokens: BTreeSet<u64>,
    /// Whether the service returns no page after these, whatever its total.
    pub capped: bool,
    /// Whether anything is left to request.
    #[serde(rename = "standing")]
    pub status: PartStatus,
    /// The number of records that cannot be read.
    pub missed: u64,
    /// Why they cannot be read, and other remarks.
    pub why: Option<String>,
}

/// Whether anything is left to request for a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartStatus {
    /// Something is left to request.
    Open,
    /// Its own parts are requested in its place.
    Split,
    /// Everything that can be read has been read.
    Done,
}

impl QueryPart {
    pub(crate) fn new(query: String, by: Vec<SplitField>, expected: Option<u64>) -> Self {
        Self {
            query,
            by,
            expected,
            first: None,
            total: None,
            got: 0,
            pages: 0,
            token: None,
            tokens: BTreeSet::new(),
            capped: false,
            status: PartStatus::Open,
            missed: 0,
            why: None,
        }
    }

    /// Records what a page says besides its records. `max_pages` is the number of pages after which a query is split.
    pub(crate) fn add_page(&mut self, page: &PageInfo, max_pages: u32) {
        self.first.get_or_insert(page.total);
        self.total = Some(page.total);
        self.pages += 1;
        self.got = self.got.saturating_add(page.records);
        let ended = match &page.next {
            NextPage::Token(_) if self.got > page.total.saturating_mul(2).saturating_add(SPARE) => {
                self.note(&format!(
                    "{} records arrived for a total of {}; no further pages were requested",
                    self.got, page.total
                ));
                true
            }
            NextPage::Token(token) if page.records > 0 => {
                let new = self.advance_to(token);
                if !new {
                    // Neither its pages nor those of its parts would end.
                    self.note(&format!(
                        "after page {} the service repeats a page token; no further pages were requested",
                        self.pages
                    ));
                }
                !new
            }
            NextPage::Nothing if page.records >= PAGE && self.got < page.total => {
                // The total promises more and there is no page of it: plans have limits of their own.
                self.capped = true;
                false
            }
            NextPage::Nothing | NextPage::Token(_) => true,
            NextPage::Number if u64::from(self.pages) * PAGE >= page.total => true,
            NextPage::Number => {
                self.capped |= page.records == 0;
                false
            }
        };
        if ended {
            self.finish(max_pages);
        }
    }

    /// Ends the part and notes what it lacks.
    pub(crate) fn finish(&mut self, max_pages: u32) {
        self.status = PartStatus::Done;
        self.token = None;
        let total = self.total.or(self.expected).unwrap_or(0);
        if let Some(first) = self.first.filter(|first| *first != total) {
            self.note(&format!("the total changed from {first} to {total} while the pages were read"));
        }
        let missing = total.saturating_sub(self.got);
        if missing > 0 {
            self.missed = self.missed.saturating_add(missing);
            let why = if self.capped {
                "the service returns no further page, and no field is left to split by".to_owned()
            } else if self.pages >= max_pages && u64::from(max_pages) * PAGE < total {
                format!("they lie past page {max_pages}, and no field is left to split by")
            } else {
                "the pages held fewer records than the total".to_owned()
            };
            self.note(&format!("{missing} of {total} records could not be read: {why}"));
        }
    }

    /// Splits the part: returns one part for each value of the field. `narrow` makes the query of a value.
    pub(crate) fn split(&mut self, field: SplitField, count: &CountInfo, narrow: impl Fn(&str, &str) -> String) -> Vec<Self> {
        let sum = count.values.iter().fold(0_u64, |sum, (_, records)| sum.saturating_add(*records));
        let mut by = self.by.clone();
        by.push(field);
        let parts = count
            .values
            .iter()
            .map(|(value, records)| Self::new(narrow(&self.query, value), by.clone(), Some(*records)))
            .collect();
        self.expected = Some(count.total);
        self.total = Some(count.total);
        self.status = PartStatus::Split;
        self.token = None;
        let rest = count.total.saturating_sub(sum);
        if rest > 0 {
            self.missed = self.missed.saturating_add(rest);
            self.note(&format!("{rest} of {} records have no {} to split by", count.total, field.word()));
        }
        parts
    }

    /// Ends the part because the service rejects its query.
    pub(crate) fn reject(&mut self, why: &str) {
        self.status = PartStatus::Done;
        self.missed = self.missed.saturating_add(self.expected.unwrap_or(0));
        self.note(&format!("the service rejected it: {why}"));
    }

    /// Starts again from the first page, because the service no longer knows the token.
    pub(crate) fn restart(&mut self) {
        (self.pages, self.got, self.token) = (0, 0, None);
        self.tokens.clear();
        self.note("the service no longer knew the page token of the earlier run; reading started again from page 1");
    }

    /// Moves on to the page of a token. Returns `false` if the token was used before.
    fn advance_to(&mut self, token: &str) -> bool {
        let new = self.token.as_deref() != Some(token) && self.tokens.insert(hash(token));
        if new {
            self.token = Some(token.to_owned());
        }
        new
    }

    /// Adds a remark.
    pub(crate) fn note(&mut self, text: &str) {
        let why = self.why.get_or_insert_with(String::new);
        if !why.is_empty() {
            why.push_str("; ");
        }
        why.push_str(text);
    }
}

/// 64-bit FNV-1a, which is the same in every version, because state files hold it.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_once() {
        let mut part = QueryPart::new("q".to_owned(), Vec::new(), None);
        let advanced: Vec<bool> = ["A", "B", "A", "B", "C"].iter().map(|token| part.advance_to(token)).collect();
        assert_eq!(advanced, [true, true, false, false, true]);
        // The state of a version that did not keep tokens.
        part.tokens.clear();
        assert!(!part.advance_to("C"));
        let text = serde_json::to_string(&part).expect("it serialises");
        assert!(!text.contains("tokens"), "{text}");
        assert_eq!(serde_json::from_str::<QueryPart>(&text).expect("it reads"), part);
    }
}
