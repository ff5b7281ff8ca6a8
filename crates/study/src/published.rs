//! Published figures beside a lake's own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::question::Lang;
use crate::report::Report;
use crate::study::Answered;

static FIGURES: LazyLock<Vec<Published>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        figure: Vec<Published>,
    }
    // A test reads the file; were it wrong there would be nothing to compare.
    toml::from_str::<File>(include_str!("../published.toml")).map_or_else(|_| Vec::new(), |file| file.figure)
});

/// A figure that someone published, and where its like stands in a study.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Who and when.
    pub source: String,
    what: String,
    what_fr: String,
    /// The question's id.
    pub question: String,
    /// The columns that single out its row; empty: the only one.
    #[serde(default)]
    pub row: BTreeMap<String, String>,
    /// The column.
    pub field: String,
    /// The figure: a count, or a share from 0 to 1.
    pub value: f64,
    #[serde(default)]
    note: String,
    #[serde(default)]
    note_fr: String,
}

impl Published {
    /// Every one.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &FIGURES
    }

    /// What it is.
    #[must_use]
    pub fn what(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.what,
            Lang::Fr => &self.what_fr,
        }
    }

    /// What to know of it; most often nothing.
    #[must_use]
    pub fn note(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.note,
            Lang::Fr => &self.note_fr,
        }
    }

    /// Whether it is a share, from 0 to 1.
    #[must_use]
    pub fn is_share(&self) -> bool {
        self.field.ends_with("share")
    }

    /// The value of that place in an answer, with its interval where it has one.
    #[must_use]
    pub fn find(&self, answer: &Answered) -> Option<(f64, Option<(f64, f64)>)> {
        let rows = &answer.rows;
        let row = rows.rows.iter().find(|row| {
            self.row
                .iter()
                .all(|(name, value)| rows.column(name).is_some_and(|at| row[at] == value.as_str()))
        })?;
        let bound = |end: &str| rows.number(row, &format!("{}_{end}", self.field));
        Some((rows.number(row, &self.field)?, bound("low").zip(bound("high"))))
    }
}

/// A published figure beside a lake's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Who published it and when.
    pub source: String,
    /// What it is.
    pub what: String,
    /// The question that gives its like.
    pub question: String,
    /// What was published.
    pub published: f64,
    /// What to know of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What this lake gives; `None`: it does not tell.
    pub here: Option<f64>,
    /// Its interval of 95 %.
    pub low: Option<f64>,
    /// See `low`.
    pub high: Option<f64>,
    /// The same without the suspects.
    pub without_suspects: Option<f64>,
    /// What was planted in a simulated population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planted: Option<f64>,
    /// A share from 0 to 1, or a count.
    pub share: bool,
}

/// Every published figure beside a report's. `planted` gives what was planted at that place, if anything was.
#[must_use]
pub fn compare(report: &Report, lang: Lang, planted: &dyn Fn(&Published) -> Option<f64>) -> Vec<Compared> {
    let mut out = Vec::new();
    for figure in Published::all() {
        let entry = report.entries.iter().find(|entry| entry.question.id == figure.question);
        let found = entry.and_then(|entry| figure.find(&entry.all));
        let interval = found.and_then(|(_, interval)| interval);
        out.push(Compared {
            source: figure.source.clone(),
            what: figure.what(lang).to_owned(),
            question: figure.question.clone(),
            published: figure.value,
            note: figure.note(lang).to_owned(),
            here: found.map(|(value, _)| value),
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            without_suspects: entry
                .and_then(|entry| entry.without_suspects.as_ref())
                .and_then(|answer| figure.find(answer))
                .map(|(value, _)| value),
            planted: planted(figure),
            share: figure.is_share(),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Question;

    #[test]
    fn every_figure_is_of_a_question() {
        assert!(Published::all().len() > 30);
        for figure in Published::all() {
            assert!(Question::get(&figure.question).is_some(), "{}", figure.question);
            assert_eq!(figure.note.is_empty(), figure.note_fr.is_empty(), "{}", figure.what);
            assert!(figure.value > 0.0 && (!figure.is_share() || figure.value < 1.0));
        }
    }
}
