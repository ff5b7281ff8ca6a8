//! A study's answers together: what is written as JSON, and what the document is made of.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use vigie_model::Timestamp;

use crate::prelude::{Step, steps};
use crate::study::{Answered, Entry};
use crate::{Error, Options, Question, Study};

/// The schema of the JSON form.
pub const SCHEMA: &str = "vigie.study/1";

/// With what a study was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// vigie's version.
    pub vigie: String,
    /// When.
    pub at: Timestamp,
    /// The lake, as it was named.
    pub lake: String,
    /// The catalogue's hash.
    pub catalog: String,
    /// The date of the advisories.
    pub advisories: String,
}

/// The answers to some questions.
#[derive(Clone, Debug)]
pub struct Report {
    /// With what it was made.
    pub made: Made,
    /// The options.
    pub options: Options,
    /// The first and the last day that anything was seen; `None`: nothing was.
    pub window: Option<(chrono::NaiveDate, chrono::NaiveDate)>,
    /// Hosts, and how many of them are suspects.
    pub hosts: (i64, i64),
    /// The tables that the questions stand on, and how each is made.
    pub prelude: Vec<Step>,
    /// What could not be read, and is not in the figures.
    pub unread: Vec<String>,
    /// The answers, in the questions' order.
    pub entries: Vec<Entry>,
}

impl Report {
    /// Answers questions one after the other. `told` hears each one's id before it is asked.
    ///
    /// # Errors
    ///
    /// The first question that could not be answered.
    pub async fn make(study: &Study<'_>, questions: &[&'static Question], made: Made, told: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for question in questions {
            told(&question.id);
            entries.push(study.answer(question).await?);
        }
        let (first, last) = study.window();
        let hosts = study.hosts().await?;
        let day = |day: i64| chrono::DateTime::from_timestamp(day.saturating_mul(86_400), 0).map(|time| time.date_naive());
        Ok(Self {
            made,
            options: study.options().clone(),
            window: if hosts.0 > 0 { day(first).zip(day(last)) } else { None },
            hosts,
            prelude: steps(study.options()),
            unread: study.unread().to_vec(),
            entries,
        })
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Window {
            first: String,
            last: String,
        }
        #[derive(Serialize)]
        struct Hosts {
            all: i64,
            suspects: i64,
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", SCHEMA)?;
        map.serialize_entry("made", &self.made)?;
        map.serialize_entry("options", &self.options)?;
        let window = self.window.map(|(first, last)| Window {
            first: first.to_string(),
            last: last.to_string(),
        });
        map.serialize_entry("window", &window)?;
        map.serialize_entry(
            "hosts",
            &Hosts {
                all: self.hosts.0,
                suspects: self.hosts.1,
            },
        )?;
        map.serialize_entry("unread", &self.unread)?;
        map.serialize_entry("prelude", &self.prelude)?;
        map.serialize_entry("questions", &Questions(&self.entries))?;
        map.end()
    }
}

struct Questions<'a>(&'a [Entry]);

impl Serialize for Questions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct One<'a> {
            title: &'a str,
            unit: &'a str,
            definition: String,
            #[serde(flatten)]
            answer: &'a Answered,
            without_suspects: Option<&'a Answered>,
            sql: Sql<'a>,
            seconds: f64,
            sql_seconds: f64,
        }
        #[derive(Serialize)]
        struct Sql<'a> {
            denominator: &'a str,
            rows: &'a str,
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for entry in self.0 {
            let question = entry.question;
            map.serialize_entry(
                &question.id,
                &One {
                    title: question.title.get(crate::Lang::En),
                    unit: &question.unit,
                    definition: entry.definition.get(crate::Lang::En).to_owned(),
                    answer: &entry.all,
                    without_suspects: entry.without_suspects.as_ref(),
                    sql: Sql {
                        denominator: &entry.sql.0,
                        rows: &entry.sql.1,
                    },
                    seconds: entry.seconds,
                    sql_seconds: entry.sql_seconds,
                },
            )?;
        }
        map.end()
    }
}
