//! Published figures beside a lake's own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::interval::{Interval, wilson};
use crate::question::{Lang, Question};
use crate::report::Report;
use crate::study::Answered;

/// Questions of which a host may have several rows, and be unknown for one: a row's `known` holds for that row alone.
const DOUBTED: [&str; 2] = ["parameters", "quantisation"];

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

    /// The value of that place in an answer, with its interval where it has one. A row that is not there because nothing was counted in
    /// it is none, if it is known of how many.
    #[must_use]
    pub fn find(&self, answer: &Answered) -> Option<(f64, Option<(f64, f64)>)> {
        let rows = &answer.rows;
        let row = rows.rows.iter().find(|row| {
            self.row
                .iter()
                .all(|(name, value)| rows.column(name).is_some_and(|at| row[at] == value.as_str()))
        });
        let Some(row) = row else {
            return self.none(answer);
        };
        let bound = |end: &str| rows.number(row, &format!("{}_{end}", self.field));
        Some((rows.number(row, &self.field)?, bound("low").zip(bound("high"))))
    }

    /// None, where that is known of anything.
    fn none(&self, answer: &Answered) -> Option<(f64, Option<Interval>)> {
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
        let doubted = of_hosts && DOUBTED.contains(&question.id.as_str());
        // The other rows of its view say of how many it would be a part. Where hosts are doubted, at least those are known for it that are
        // known for another row and do not have that.
        let in_view = |row: &[Value]| match (self.row.get("view"), rows.column("view")) {
            (Some(view), Some(at)) => row[at] == view.as_str(),
            _ => true,
        };
        let known = |row: &Vec<Value>| {
            let whole = rows.number(row, &share.whole)?;
            let had = if doubted { rows.number(row, &share.part)? } else { 0.0 };
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

/// How many rows a question gives at most; what it cut off may have been counted.
fn limit(question: &Question) -> Option<usize> {
    let (_, limit) = question.rows.rsplit_once(" LIMIT ")?;
    limit.trim().parse().ok()
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
    use serde_json::json;

    use super::*;
    use crate::Rows;

    /// The figure of that question and place.
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

    fn answer(denominator: i64, columns: &[&str], rows: &[Value]) -> Answered {
        let mut all = Rows::with(columns);
        all.rows = rows.iter().filter_map(|row| row.as_array().cloned()).collect();
        Answered {
            denominator,
            unknown: 0,
            rows: all,
        }
    }

    fn value(figure: &Published, answer: &Answered) -> Option<f64> {
        figure.find(answer).map(|(value, _)| value)
    }

    #[test]
    fn what_was_not_counted_is_none_only_where_something_is_known() {
        let china = figure("countries", &[("country", "CN")], "share");
        let columns = ["country", "hosts", "known", "share", "share_low", "share_high"];
        let some = answer(4, &columns, &[json!(["FR", 4, 4, 1.0, 0.5, 1.0])]);
        assert_eq!(china.find(&some), Some((0.0, wilson(0.0, 4.0))));
        assert_eq!(value(&figure("countries", &[("country", "FR")], "share"), &some), Some(1.0));
        assert_eq!(value(&figure("countries", &[("country", "CN")], "hosts"), &some), Some(0.0));
        // Neither a share nor its part, no such column, and nothing known.
        assert_eq!(value(&figure("countries", &[("country", "CN")], "networks"), &some), None);
        assert_eq!(value(&figure("countries", &[("city", "x")], "share"), &some), None);
        assert_eq!(value(&china, &answer(0, &columns, &[])), None);

        // Another view says nothing of this one.
        let columns = ["view", "class", "hosts", "known", "share"];
        let by_type = answer(4, &columns, &[json!(["as-type", "hyperscaler", 4, 4, 1.0])]);
        let telecom = |view| figure("networks", &[("view", view), ("class", "telecom-residential")], "share");
        assert_eq!(value(&telecom("as-type"), &by_type), Some(0.0));
        assert_eq!(value(&telecom("tier"), &by_type), None);
    }

    #[test]
    fn a_doubted_host_is_not_known_to_lack_what_was_not_counted() {
        let columns = ["parameters", "hosts", "known", "models", "models_known"];
        let size = figure("parameters", &[("parameters", "8-14B")], "share");
        // One host, with a model of which it is told and perhaps another.
        assert_eq!(value(&size, &answer(1, &columns, &[json!(["<1B", 1, 1, 1, 1])])), None);
        assert_eq!(value(&size, &answer(2, &columns, &[json!(["<1B", 1, 2, 1, 2])])), Some(0.0));
        let models = figure("parameters", &[("parameters", "8-14B")], "models_share");
        assert_eq!(value(&models, &answer(1, &columns, &[json!(["<1B", 1, 1, 1, 1])])), Some(0.0));
        for figure in Published::all() {
            let question = Question::get(&figure.question).expect("a question");
            let doubted = DOUBTED.contains(&question.id.as_str());
            assert_eq!(question.rows.contains("doubted"), doubted, "{}", question.id);
        }
    }

    #[test]
    fn what_a_question_cuts_off_is_not_none() {
        let pair = figure("family-pairs", &[("family", "llama"), ("other", "qwen2")], "share");
        let columns = ["family", "other", "hosts", "known"];
        let rows: Vec<Value> = (0..100).map(|nth| json!(["a", nth.to_string(), 1, 200])).collect();
        assert_eq!(value(&pair, &answer(200, &columns, &rows)), None);
        assert_eq!(value(&pair, &answer(200, &columns, &rows[..99])), Some(0.0));
    }

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
