//! Published figures, compared with those of a lake.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::interval::{Interval, wilson};
use crate::question::{Lang, Question};
use crate::report::StudyReport;
use crate::study::QuestionAnswer;

/// Questions in which a host may count in several rows and be unknown for some of them: `known` holds for its row only.
const PARTLY_UNKNOWN: [&str; 2] = ["parameters", "quantisation"];

static FIGURES: LazyLock<Vec<Published>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        figure: Vec<Published>,
    }
    // A test parses the file, so the default is never used.
    toml::from_str::<File>(include_str!("../published.toml")).map_or_else(|_| Vec::new(), |file| file.figure)
});

/// A published figure, and the cell of a study that corresponds to it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Who published it, and when.
    pub source: String,
    what: String,
    what_fr: String,
    /// The question's id.
    pub question: String,
    /// The columns that select its row; empty: the only row.
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
    /// Every published figure.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &FIGURES
    }

    /// What the figure counts.
    #[must_use]
    pub fn what(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.what,
            Lang::Fr => &self.what_fr,
        }
    }

    /// A remark on the figure; often empty.
    #[must_use]
    pub fn note(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.note,
            Lang::Fr => &self.note_fr,
        }
    }

    /// Whether the figure is a share, from 0 to 1.
    #[must_use]
    pub fn is_share(&self) -> bool {
        self.field.ends_with("share")
    }

    /// The corresponding value of an answer, with its interval if it has one. A missing row is 0 if its denominator is known.
    #[must_use]
    pub fn find(&self, answer: &QuestionAnswer) -> Option<(f64, Option<(f64, f64)>)> {
        let rows = &answer.rows;
        let row = rows.rows.iter().find(|row| {
            self.row
                .iter()
                .all(|(name, value)| rows.column(name).is_some_and(|at| row[at] == value.as_str()))
        });
        let Some(row) = row else {
            return self.zero(answer);
        };
        let bound = |end: &str| rows.number(row, &format!("{}_{end}", self.field));
        Some((rows.number(row, &self.field)?, bound("low").zip(bound("high"))))
    }

    /// Zero, if the denominator of the missing row is known.
    fn zero(&self, answer: &QuestionAnswer) -> Option<(f64, Option<Interval>)> {
        let question = Question::get(&self.question)?;
        let rows = &answer.rows;
        let has_place = !self.row.is_empty() && self.row.keys().all(|name| rows.column(name).is_some());
        if answer.denominator <= 0 || !has_place || limit(question).is_some_and(|limit| rows.rows.len() >= limit) {
            return None;
        }
        let share = question
            .shares
            .iter()
            .find(|share| share.name == self.field || share.part == self.field)?;
        let of_hosts = share.sums.is_none();
        let partly_unknown = of_hosts && PARTLY_UNKNOWN.contains(&question.id.as_str());
        // The denominator follows from the other rows of the same view. For a partly unknown question, the hosts known not to have the
        // missing row are at least those known for another row that do not have that one.
        let in_view = |row: &[Value]| match (self.row.get("view"), rows.column("view")) {
            (Some(view), Some(at)) => row[at] == view.as_str(),
            _ => true,
        };
        let known = |row: &Vec<Value>| {
            let whole = rows.number(row, &share.whole)?;
            let had = if partly_unknown { rows.number(row, &share.part)? } else { 0.0 };
            Some(whole - had)
        };
        let whole = rows.rows.iter().filter(|row| in_view(row)).filter_map(known).fold(0.0, f64::max);
        let interval = if of_hosts && share.name == self.field {
            wilson(0.0, whole)
        } else {
            None
        };
        (whole > 0.0).then_some((0.0, interval))
    }
}

/// The LIMIT of a question's SQL. A row beyond it may not be zero.
fn limit(question: &Question) -> Option<usize> {
    let (_, limit) = question.rows.rsplit_once(" LIMIT ")?;
    limit.trim().parse().ok()
}

/// A published figure and that of a lake.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Who published it and when.
    pub source: String,
    /// What the figure counts.
    pub what: String,
    /// The question with the corresponding figure.
    pub question: String,
    /// The published value.
    pub published: f64,
    /// A remark on the published figure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The value of this lake; `None`: unknown.
    pub here: Option<f64>,
    /// The lower bound of its 95 % interval.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
    /// The value of this lake without suspected honeypots.
    pub without_suspects: Option<f64>,
    /// The value planted in a simulated population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planted: Option<f64>,
    /// Whether the figure is a share from 0 to 1; otherwise it is a count.
    pub share: bool,
}

/// Compares every published figure with a report. `planted` returns the value planted for a figure, if any.
#[must_use]
pub fn compare(report: &StudyReport, lang: Lang, planted: &dyn Fn(&Published) -> Option<f64>) -> Vec<Compared> {
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
    use serde_json::json;

    use super::*;
    use crate::AnswerRows;

    /// A figure of this question, row and column.
    fn figure(question: &str, row: &[(&str, &str)], field: &str) -> Published {
        Published {
            source: String::new(),
            what: String::new(),
            what_fr: String::new(),
            question: question.to_owned(),
            row: row.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            field: field.to_owned(),
            value: 0.5,
            note: String::new(),
            note_fr: String::new(),
        }
    }

    fn answer(denominator: i64, columns: &[&str], rows: &[Value]) -> QuestionAnswer {
        let mut all = AnswerRows::with(columns);
        all.rows = rows.iter().filter_map(|row| row.as_array().cloned()).collect();
        QuestionAnswer {
            denominator,
            unknown: 0,
            rows: all,
        }
    }

    fn value(figure: &Published, answer: &QuestionAnswer) -> Option<f64> {
        figure.find(answer).map(|(value, _)| value)
    }

    #[test]
    fn a_missing_row_is_zero_only_if_the_denominator_is_known() {
        let china = figure("countries", &[("country", "CN")], "share");
        let columns = ["country", "hosts", "known", "share", "share_low", "share_high"];
        let some = answer(4, &columns, &[json!(["FR", 4, 4, 1.0, 0.5, 1.0])]);
        assert_eq!(china.find(&some), Some((0.0, wilson(0.0, 4.0))));
        assert_eq!(value(&figure("countries", &[("country", "FR")], "share"), &some), Some(1.0));
        assert_eq!(value(&figure("countries", &[("country", "CN")], "hosts"), &some), Some(0.0));
        // Neither a share nor its numerator, no such column, and nothing known.
        assert_eq!(value(&figure("countries", &[("country", "CN")], "networks"), &some), None);
        assert_eq!(value(&figure("countries", &[("city", "x")], "share"), &some), None);
        assert_eq!(value(&china, &answer(0, &columns, &[])), None);

        // The rows of another view do not count.
        let columns = ["view", "class", "hosts", "known", "share"];
        let by_type = answer(4, &columns, &[json!(["as-type", "hyperscaler", 4, 4, 1.0])]);
        let telecom = |view| figure("networks", &[("view", view), ("class", "telecom-residential")], "share");
        assert_eq!(value(&telecom("as-type"), &by_type), Some(0.0));
        assert_eq!(value(&telecom("tier"), &by_type), None);
    }

    #[test]
    fn a_partly_unknown_host_is_not_known_to_lack_the_missing_row() {
        let columns = ["parameters", "hosts", "known", "models", "models_known"];
        let size = figure("parameters", &[("parameters", "8-14B")], "share");
        // One host, with a model of known size and perhaps another of unknown size.
        assert_eq!(value(&size, &answer(1, &columns, &[json!(["<1B", 1, 1, 1, 1])])), None);
        assert_eq!(value(&size, &answer(2, &columns, &[json!(["<1B", 1, 2, 1, 2])])), Some(0.0));
        let models = figure("parameters", &[("parameters", "8-14B")], "models_share");
        assert_eq!(value(&models, &answer(1, &columns, &[json!(["<1B", 1, 1, 1, 1])])), Some(0.0));
        for figure in Published::all() {
            let question = Question::get(&figure.question).expect("a question");
            let partly_unknown = PARTLY_UNKNOWN.contains(&question.id.as_str());
            assert_eq!(question.rows.contains("doubted"), partly_unknown, "{}", question.id);
        }
    }

    #[test]
    fn a_row_beyond_the_limit_is_not_zero() {
        let pair = figure("family-pairs", &[("family", "llama"), ("other", "qwen2")], "share");
        let columns = ["family", "other", "hosts", "known"];
        let rows: Vec<Value> = (0..100).map(|nth| json!(["a", nth.to_string(), 1, 200])).collect();
        assert_eq!(value(&pair, &answer(200, &columns, &rows)), None);
        assert_eq!(value(&pair, &answer(200, &columns, &rows[..99])), Some(0.0));
    }

    #[test]
    fn every_figure_belongs_to_a_question() {
        assert!(Published::all().len() > 30);
        for figure in Published::all() {
            assert!(Question::get(&figure.question).is_some(), "{}", figure.question);
            assert_eq!(figure.note.is_empty(), figure.note_fr.is_empty(), "{}", figure.what);
            assert!(figure.value > 0.0 && (!figure.is_share() || figure.value < 1.0));
        }
    }
}
