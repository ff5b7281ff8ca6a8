//! The answers of a study: the content of the JSON form and of the document.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use vigie_model::Timestamp;

use crate::base_tables::{BaseTable, base_tables};
use crate::study::{AnsweredQuestion, QuestionAnswer};
use crate::{Error, Question, Study, StudyOptions};

/// The schema of the JSON form.
pub const SCHEMA: &str = "vigie.study/1";

/// Where a study comes from: program, time, lake, catalogue and advisories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// vigie's version.
    pub vigie: String,
    /// When the study was made.
    pub at: Timestamp,
    /// The lake, as named on the command line.
    pub lake: String,
    /// The catalogue's hash.
    pub catalog: String,
    /// The date of the advisories.
    pub advisories: String,
}

/// The answers to a list of questions.
#[derive(Clone, Debug)]
pub struct StudyReport {
    /// Where the study comes from.
    pub made: Provenance,
    /// The options of the study.
    pub options: StudyOptions,
    /// The first and the last day on which anything was seen; `None`: nothing was seen.
    pub window: Option<(chrono::NaiveDate, chrono::NaiveDate)>,
    /// The number of hosts, and of the suspects among them.
    pub hosts: (i64, i64),
    /// The base tables and their SQL.
    pub base_tables: Vec<BaseTable>,
    /// One line for each part of the lake that could not be read and is missing from the figures.
    pub unread: Vec<String>,
    /// The answers, in the order of the questions.
    pub entries: Vec<AnsweredQuestion>,
}

impl StudyReport {
    /// Answers questions one after the other. `progress` gets the id of each question before it is asked.
    ///
    /// # Errors
    ///
    /// The first question that fails.
    pub async fn make(
        study: &Study<'_>,
        questions: &[&'static Question],
        made: Provenance,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for question in questions {
            progress(&question.id);
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
            base_tables: base_tables(study.options()),
            unread: study.unread().to_vec(),
            entries,
        })
    }
}

impl Serialize for StudyReport {
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
        map.serialize_entry("prelude", &self.base_tables)?;
        map.serialize_entry("questions", &Questions(&self.entries))?;
        map.end()
    }
}

struct Questions<'a>(&'a [AnsweredQuestion]);

impl Serialize for Questions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct One<'a> {
            title: &'a str,
            unit: &'a str,
            definition: String,
            #[serde(flatten)]
            answer: &'a QuestionAnswer,
            without_suspects: Option<&'a QuestionAnswer>,
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
