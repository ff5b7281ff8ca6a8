//! The questions: one file each, with texts and SQL.

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};

use crate::macros::expand;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/questions");

static ALL: LazyLock<Vec<Question>> = LazyLock::new(|| {
    let mut all: Vec<Question> = FILES
        .files()
        .filter_map(|file| {
            let id = file.path().file_stem()?.to_str()?;
            // A test parses every file, so none is dropped here.
            Question::parse(id, file.contents_utf8()?).ok()
        })
        .collect();
    all.sort_by_key(|question| {
        (
            ORDER.iter().position(|id| *id == question.id).unwrap_or(usize::MAX),
            question.id.clone(),
        )
    });
    all
});

/// The order of the questions in the document: from counts to risks.
const ORDER: &[&str] = &[
    "totals",
    "observation-buckets",
    "persistent-core",
    "survival",
    "churn",
    "gaps",
    "identity",
    "countries",
    "networks",
    "products",
    "versions",
    "upgrades",
    "activity",
    "models-per-host",
    "models-by-month",
    "families",
    "family-pairs",
    "models",
    "parameters",
    "quantisation",
    "capabilities",
    "capability-sets",
    "posture",
    "open-tools",
    "residential-open",
    "retrieval",
    "remote-models",
    "running",
    "uncensored",
    "standard-prompts",
    "exposure",
    "advisories",
    "concentration",
    "systemic-risk",
    "deception",
    "confirmation",
    "gateway-keys",
    "gateway-models",
];

/// A language of the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    en: String,
    fr: String,
}

impl Text {
    /// The text in that language.
    #[must_use]
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Fr => &self.fr,
        }
    }

    /// Applies a change to both languages.
    #[must_use]
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self {
            en: change(&self.en),
            fr: change(&self.fr),
        }
    }
}

/// A share computed from two columns of counts: `name` = `part` / `whole`, with a confidence interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The column of the share; its interval is in `<name>_low` and `<name>_high`.
    pub name: String,
    /// The numerator's column.
    pub part: String,
    /// The denominator's column.
    pub whole: String,
    /// For a share of units of which a host has several (observations, models): the columns with the sums over hosts of y², xy and x²,
    /// and with the number of hosts. The interval then resamples hosts; without these columns it is Wilson's.
    pub sums: Option<[String; 4]>,
}

/// The chart of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Chart {
    /// No chart.
    #[default]
    None,
    /// Bars: the label column and the value columns.
    Bars(String, Vec<String>),
    /// Lines: the column of the x axis and the value columns.
    Line(String, Vec<String>),
    /// A world map: the country column and the value column.
    Map(String, String),
}

/// A question about a lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its id, which is its file's name.
    pub id: String,
    /// Its title.
    pub title: Text,
    /// The counted unit: `hosts`, `endpoints` …
    pub unit: String,
    /// The exact meaning of the figures and of their denominators.
    pub definition: Text,
    /// Why the figures matter.
    pub why: Text,
    /// The shares computed from the rows.
    pub shares: Vec<Share>,
    /// The name of the computation that follows the SQL.
    pub statistic: Option<String>,
    /// The chart.
    pub chart: Chart,
    /// The SQL of `denominator` and `unknown`.
    pub whole: String,
    /// The SQL of the rows.
    pub rows: String,
}

impl Question {
    /// Every question, in the document's order.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The question with this id.
    #[must_use]
    pub fn get(id: &str) -> Option<&'static Self> {
        ALL.iter().find(|question| question.id == id)
    }

    /// Parses a question's file: `-- key: value` lines, then two statements.
    ///
    /// # Errors
    ///
    /// What is wrong, in one line.
    pub fn parse(id: &str, text: &str) -> Result<Self, String> {
        let mut question = Self {
            id: id.to_owned(),
            title: Text::default(),
            unit: String::new(),
            definition: Text::default(),
            why: Text::default(),
            shares: Vec::new(),
            statistic: None,
            chart: Chart::None,
            whole: String::new(),
            rows: String::new(),
        };
        let head = text.lines().take_while(|line| line.starts_with("--"));
        let length: usize = head.clone().map(|line| line.len() + 1).sum();
        for line in head {
            let (key, value) = line
                .trim_start_matches('-')
                .split_once(':')
                .ok_or_else(|| format!("{id}: header line is not `-- key: value`: {line}"))?;
            question.set(key.trim(), value.trim()).map_err(|error| format!("{id}: {error}"))?;
        }
        let body = text.get(length..).unwrap_or_default();
        let (whole, rows) = body
            .split_once(";\n")
            .ok_or_else(|| format!("{id}: expected two statements, the first ending with a semicolon"))?;
        question.whole = expand(whole.trim());
        question.rows = expand(rows.trim().trim_end_matches(';'));
        for text in [&question.title, &question.definition, &question.why] {
            if text.en.is_empty() || text.fr.is_empty() {
                return Err(format!(
                    "{id}: title, definition and why are required, in English and with .fr in French"
                ));
            }
        }
        if question.unit.is_empty() || question.rows.is_empty() {
            return Err(format!("{id}: a unit and two statements are required"));
        }
        Ok(question)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let owned = || value.to_owned();
        match key {
            "title" => self.title.en = owned(),
            "title.fr" => self.title.fr = owned(),
            "definition" => self.definition.en = owned(),
            "definition.fr" => self.definition.fr = owned(),
            "why" => self.why.en = owned(),
            "why.fr" => self.why.fr = owned(),
            "unit" => self.unit = owned(),
            "statistic" => self.statistic = Some(owned()),
            "share" | "ratio" => self.shares.push(share(key, value)?),
            "chart" => self.chart = chart(value)?,
            other => return Err(format!("unknown key {other}")),
        }
        Ok(())
    }
}

fn share(kind: &str, value: &str) -> Result<Share, String> {
    let wrong = || format!("{kind}: expected `name = part / whole`: {value}");
    let (name, rest) = value.split_once('=').ok_or_else(wrong)?;
    let (part, rest) = rest.split_once('/').ok_or_else(wrong)?;
    let (whole, sums) = match rest.split_once('(') {
        None => (rest, None),
        Some((whole, sums)) => {
            let sums: Vec<String> = sums.trim().trim_end_matches(')').split_whitespace().map(str::to_owned).collect();
            (whole, Some(<[String; 4]>::try_from(sums).map_err(|_| wrong())?))
        }
    };
    if (kind == "ratio") != sums.is_some() {
        return Err(wrong());
    }
    Ok(Share {
        name: name.trim().to_owned(),
        part: part.trim().to_owned(),
        whole: whole.trim().to_owned(),
        sums,
    })
}

fn chart(value: &str) -> Result<Chart, String> {
    let mut words = value.split_whitespace().map(str::to_owned);
    let kind = words.next().unwrap_or_default();
    let label = words.next();
    let values: Vec<String> = words.collect();
    match (kind.as_str(), label) {
        ("none", None) => Ok(Chart::None),
        ("bars", Some(label)) if !values.is_empty() => Ok(Chart::Bars(label, values)),
        ("line", Some(label)) if !values.is_empty() => Ok(Chart::Line(label, values)),
        ("map", Some(label)) if values.len() == 1 => Ok(Chart::Map(label, values.concat())),
        _ => Err(format!("chart: expected none, bars, line or map with its columns: {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_parses() {
        for file in FILES.files() {
            let id = file.path().file_stem().and_then(|stem| stem.to_str()).expect("a name");
            if let Err(error) = Question::parse(id, file.contents_utf8().expect("text")) {
                panic!("{error}");
            }
            assert!(ORDER.contains(&id), "{id} is missing from ORDER");
        }
        assert_eq!(Question::all().len(), ORDER.len());
    }

    #[test]
    fn errors_name_the_fault() {
        for (text, says) in [
            ("-- title", "not `-- key: value`"),
            ("-- colour: red\n\nSELECT 1;\nSELECT 2", "unknown key colour"),
            ("-- title: a\n\nSELECT 1", "two statements"),
            ("-- title: a\n\nSELECT 1;\nSELECT 2", "in French"),
            ("-- share: a = b\n", "expected `name"),
            ("-- chart: pie a\n", "none, bars, line or map"),
        ] {
            let error = Question::parse("it", text).expect_err(text);
            assert!(error.contains(says), "{error}");
        }
    }
}
