//! A study: answers questions over a lake, with shares and confidence intervals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use serde::Serialize;
use serde_json::Value;
use vigie_assess::Knowledge;
use vigie_lake::Lake;

use crate::base_tables::{BaseTables, some_hosts};
use crate::interval::{Sums, wilson};
use crate::question::{Question, Share, Text};
use crate::rows::AnswerRows;
use crate::statistics::{Inputs, Integers, compute};
use crate::table_store::TableStore;
use crate::{Error, QueryEngine, QueryLimits, StudyOptions};

/// A question's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuestionAnswer {
    /// The number of hosts, or of the question's other unit, for which the answer is known.
    pub denominator: i64,
    /// The number for which it is unknown.
    pub unknown: i64,
    /// The rows. The 95 % interval of `share` is in `share_low` and `share_high`; the same holds for every other share.
    pub rows: AnswerRows,
}

/// A question with its definition, its SQL and its answers.
#[derive(Clone, Debug)]
pub struct AnsweredQuestion {
    /// The question.
    pub question: &'static Question,
    /// Its definition, with the options filled in.
    pub definition: Text,
    /// The SQL of the denominator and of the rows, with the options filled in.
    pub sql: (String, String),
    /// The answer over all hosts.
    pub all: QuestionAnswer,
    /// The answer without suspected honeypots; `None`: there are none.
    pub without_suspects: Option<QuestionAnswer>,
    /// Seconds spent on the answer over all hosts.
    pub seconds: f64,
    /// Seconds of these spent in SQL.
    pub sql_seconds: f64,
}

/// A lake with its base tables built, ready for questions.
pub struct Study<'a> {
    knowledge: &'a Knowledge,
    options: StudyOptions,
    base: BaseTables,
}

impl std::fmt::Debug for Study<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Study").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'a> Study<'a> {
    /// Opens a lake as it is now and builds the base tables in `store`, which also runs the questions. `progress` gets the name of
    /// each step.
    ///
    /// # Errors
    ///
    /// A lake that cannot be read, or a cluster that fails.
    pub async fn open(
        store: &TableStore,
        lake: &Lake,
        knowledge: &'a Knowledge,
        options: StudyOptions,
        limits: QueryLimits,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        progress("files");
        let (engine, unreadable) = QueryEngine::open_readable(store, lake, limits).await?;
        let mut base = BaseTables::build(&engine, &options, progress).await?;
        base.unread.splice(0..0, unreadable);
        Ok(Self { knowledge, options, base })
    }

    /// The first and the last day on which anything was seen, in days since 1970-01-01.
    #[must_use]
    pub fn window(&self) -> (i64, i64) {
        self.base.window
    }

    /// One line for each part of the lake that could not be read and is missing from the answers.
    #[must_use]
    pub fn unread(&self) -> &[String] {
        &self.base.unread
    }

    /// The number of hosts, and of the suspects among them.
    ///
    /// # Errors
    ///
    /// A query that fails.
    pub async fn hosts(&self) -> Result<(i64, i64), Error> {
        let sql = "SELECT count(*) AS hosts, count(CASE WHEN suspect THEN 1 END) AS suspects FROM hosts";
        let batches = self.base.store.collect(&self.base.all, sql).await?;
        match batches.iter().find(|batch| batch.num_rows() > 0) {
            Some(batch) => Ok((
                Integers::of(batch, "hosts")?.get(0).unwrap_or(0),
                Integers::of(batch, "suspects")?.get(0).unwrap_or(0),
            )),
            None => Ok((0, 0)),
        }
    }

    /// The options of this study.
    #[must_use]
    pub fn options(&self) -> &StudyOptions {
        &self.options
    }

    /// The same study over a sample of its hosts, given by their numbers.
    ///
    /// # Errors
    ///
    /// A base table that cannot be built.
    pub async fn sample(&self, hosts: &[i64]) -> Result<Self, Error> {
        let drawn: Int64Array = hosts.iter().copied().collect();
        let batch =
            RecordBatch::try_from_iter([("number", Arc::new(drawn) as ArrayRef)]).map_err(|error| Error::Query(error.to_string()))?;
        let from = &self.base.all;
        from.deregister_table("drawn")?;
        let store = self.base.store.clone();
        store.insert(from, "drawn", &batch).await?;
        let all = some_hosts(&store, from, "h.host IN (SELECT number FROM drawn)").await?;
        Ok(Self {
            knowledge: self.knowledge,
            options: self.options.clone(),
            base: BaseTables {
                store,
                all,
                without_suspects: None,
                window: self.base.window,
                unread: Vec::new(),
            },
        })
    }

    /// Answers one question.
    ///
    /// # Errors
    ///
    /// A query that fails. The SQL is part of vigie, so the cause is the lake or the memory limit.
    pub async fn answer(&self, question: &'static Question) -> Result<AnsweredQuestion, Error> {
        let begun = Instant::now();
        let sql = (self.options.fill(&question.whole), self.options.fill(&question.rows));
        let (all, in_sql) = self.ask(&self.base.all, question, &sql).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let without_suspects = match &self.base.without_suspects {
            Some(context) => Some(self.ask(context, question, &sql).await?.0),
            None => None,
        };
        Ok(AnsweredQuestion {
            question,
            definition: question.definition.map(|text| self.options.fill(text)),
            sql,
            all,
            without_suspects,
            seconds,
            sql_seconds: in_sql.as_secs_f64(),
        })
    }

    /// The answer over all hosts, with the hidden columns that intervals need.
    pub(crate) async fn answer_with_sums(&self, question: &Question) -> Result<QuestionAnswer, Error> {
        let sql = (self.options.fill(&question.whole), self.options.fill(&question.rows));
        Ok(self.ask_with_sums(&self.base.all, question, &sql).await?.0)
    }

    async fn ask(
        &self,
        context: &datafusion::prelude::SessionContext,
        question: &Question,
        sql: &(String, String),
    ) -> Result<(QuestionAnswer, Duration), Error> {
        let (mut answered, in_sql) = self.ask_with_sums(context, question, sql).await?;
        answered.rows.drop_hidden();
        Ok((answered, in_sql))
    }

    /// The answer, and the time spent in SQL.
    async fn ask_with_sums(
        &self,
        context: &datafusion::prelude::SessionContext,
        question: &Question,
        sql: &(String, String),
    ) -> Result<(QuestionAnswer, Duration), Error> {
        let begun = Instant::now();
        let whole = self.base.store.collect(context, &sql.0).await?;
        let count = |name: &str| -> Result<i64, Error> {
            match whole.iter().find(|batch| batch.num_rows() > 0) {
                Some(batch) => Ok(Integers::of(batch, name)?.get(0).unwrap_or(0)),
                None => Ok(0),
            }
        };
        let (denominator, unknown) = (count("denominator")?, count("unknown")?);
        let batches = self.base.store.collect(context, &sql.1).await?;
        let in_sql = begun.elapsed();
        let mut rows = match &question.statistic {
            None => AnswerRows::read(&batches)?,
            Some(name) => {
                let given = Inputs {
                    knowledge: self.knowledge,
                    denominator,
                    unknown,
                    window: self.base.window,
                };
                compute(name, &batches, &given)?
            }
        };
        for share in &question.shares {
            add_share(&mut rows, share);
        }
        let answered = QuestionAnswer {
            denominator,
            unknown,
            rows,
        };
        Ok((answered, in_sql))
    }
}

/// Adds a share and its interval after the column of its denominator; at the end if there is no such column.
fn add_share(rows: &mut AnswerRows, share: &Share) {
    let names = [share.name.clone(), format!("{}_low", share.name), format!("{}_high", share.name)];
    rows.insert(&share.whole.clone(), &names, |rows, row| {
        let (Some(part), Some(whole)) = (rows.number(row, &share.part), rows.number(row, &share.whole)) else {
            return vec![Value::Null; 3];
        };
        if whole <= 0.0 {
            return vec![Value::Null; 3];
        }
        let interval = match &share.sums {
            None => wilson(part, whole),
            Some([yy, xy, xx, n]) => {
                let sum = |name: &String| rows.number(row, name).unwrap_or(0.0);
                Sums {
                    y: part,
                    x: whole,
                    yy: sum(yy),
                    xy: sum(xy),
                    xx: sum(xx),
                    n: sum(n),
                }
                .interval()
            }
        };
        let bound = |pick: fn((f64, f64)) -> f64| interval.map_or(Value::Null, |interval| pick(interval).into());
        vec![(part / whole).into(), bound(|(low, _)| low), bound(|(_, high)| high)]
    });
}
