//! What is told at the end.

use std::io::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use vigie_discover::QueryState;
use vigie_export::grid::Column;
use vigie_export::text::clean;
use vigie_run::Failure;

use crate::args::TableOrJson;
use crate::failure::{print_json, written};
use crate::intake::Counts;

/// `vigie.discover/1`.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) schema: &'static str,
    pub(super) service: &'static str,
    pub(super) queries: Vec<Told>,
    pub(super) credits: Credits,
    /// Whether nothing is left to ask.
    pub(super) complete: bool,
    /// Why it ended before.
    pub(super) stopped: Option<String>,
    /// What to go on with.
    pub(super) resume: Option<PathBuf>,
    pub(super) errors: Option<PathBuf>,
    pub(super) confirm: Option<Confirmed>,
}

/// Credits, as they were counted beforehand.
#[derive(Serialize)]
pub(super) struct Credits {
    pub(super) spent: u64,
    pub(super) budget: u64,
    /// In the account before, where the service says so.
    pub(super) account: Option<u64>,
}

/// What a query gave in this run, but for `total`, `pages`, `records` and `missed`, which count earlier runs too.
#[derive(Serialize)]
pub(super) struct Told {
    query: String,
    product: Option<String>,
    done: bool,
    /// Why the service does not take it.
    refused: Option<String>,
    total: Option<u64>,
    pages: u64,
    records: u64,
    missed: u64,
    observations: u64,
    added: u64,
    duplicates: u64,
    bad: u64,
    not_open: u64,
    not_tcp: u64,
    not_recognised: u64,
    notes: Vec<String>,
}

/// What is asked of the endpoints themselves.
#[derive(Serialize)]
pub(super) struct Confirmed {
    pub(super) found: u64,
    pub(super) asked: u64,
    /// Not allowed by the scope.
    pub(super) left: u64,
    /// Why, each kind of reason once.
    pub(super) reasons: Vec<String>,
}

impl Told {
    pub(super) fn new(query: &QueryState, counts: Counts) -> Self {
        Self {
            query: query.query.clone(),
            product: query.product.clone(),
            done: query.done,
            refused: query.refused.clone(),
            total: query.total(),
            pages: query.pages(),
            records: query.got(),
            missed: query.missed(),
            observations: counts.observations,
            added: counts.added,
            duplicates: counts.duplicates,
            bad: counts.bad,
            not_open: counts.not_open,
            not_tcp: counts.not_tcp,
            not_recognised: counts.not_recognised,
            notes: query.notes().collect(),
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    fn row(&self) -> Vec<String> {
        let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let standing = match (&self.refused, self.done) {
            (Some(_), _) => "refused",
            (None, true) => "done",
            (None, false) if self.pages > 0 || self.total.is_some() => "begun",
            (None, false) => "not begun",
        };
        vec![
            clean(&self.query, 60),
            standing.to_owned(),
            count(self.total),
            self.records.to_string(),
            self.added.to_string(),
            self.duplicates.to_string(),
            self.missed.to_string(),
        ]
    }
}

impl Report {
    pub(super) fn print(&self, format: TableOrJson) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        if format == TableOrJson::Json {
            return print_json(&mut out, self);
        }
        let rows: Vec<Vec<String>> = self.queries.iter().map(Told::row).collect();
        let head = [
            Column::Text("query"),
            Column::Text("status"),
            Column::Token("in all"),
            Column::Token("read"),
            Column::Token("new"),
            Column::Token("duplicates"),
            Column::Token("not reached"),
        ];
        let mut text = vigie_export::grid::grid(&head, &rows, crate::verbs::width());
        text.push('\n');
        for told in &self.queries {
            if let Some(word) = &told.refused {
                text.push_str(&format!("Refused: {}: {}\n", clean(&told.query, 200), clean(word, 200)));
            }
            for note in &told.notes {
                text.push_str(&format!("Note: {}\n", clean(note, 400)));
            }
        }
        text.push_str(&format!(
            "Credits: {} of {}, as counted beforehand.",
            self.credits.spent, self.credits.budget
        ));
        if let Some(account) = self.credits.account {
            text.push_str(&format!(" The account had {account}."));
        }
        text.push('\n');
        if let Some(kept) = &self.errors {
            text.push_str(&format!("Bad records, each with the reason: {}\n", kept.display()));
        }
        if let Some(confirmed) = &self.confirm {
            text.push_str(&format!(
                "To be confirmed: {} of {} endpoints; {} are left alone.\n",
                confirmed.asked, confirmed.found, confirmed.left
            ));
            for reason in &confirmed.reasons {
                text.push_str(&format!("  {}\n", clean(reason, 400)));
            }
        }
        written(write!(out, "{text}"))
    }
}
