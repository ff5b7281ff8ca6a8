//! A study: the questions asked of a lake, their shares and how sure they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use serde::Serialize;
use serde_json::Value;
use vigie_assess::Knowledge;
use vigie_lake::Lake;

use crate::interval::{Sums, wilson};
use crate::prelude::{Prelude, some_hosts};
use crate::question::{Question, Share, Text};
use crate::rows::Rows;
use crate::statistics::{Given, Longs, compute};
use crate::{Engine, Error, Limits, Options};

/// A question's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answered {
    /// Of how many it is known: hosts, unless the question's unit says otherwise.
    pub denominator: i64,
    /// Of how many it is not.
    pub unknown: i64,
    /// The rows. `share` has its 95 % interval in `share_low` and `share_high`, and so has every other share.
    pub rows: Rows,
}

/// A question with its answers.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The question.
    pub question: &'static Question,
    /// Its definition, with the options put in.
    pub definition: Text,
    /// The SQL of the denominator and of the rows, with the options put in.
    pub sql: (String, String),
    /// With every host.
    pub all: Answered,
    /// Without the suspects; `None`: there are none.
    pub without_suspects: Option<Answered>,
    /// Seconds that the answer with every host took.
    pub seconds: f64,
    /// Those of them that its SQL took.
    pub sql_seconds: f64,
}

/// A lake made ready for questions.
pub struct Study<'a> {
    knowledge: &'a Knowledge,
    options: Options,
    prelude: Prelude,
}

impl std::fmt::Debug for Study<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Study").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'a> Study<'a> {
    /// Opens a lake as it is now and makes the tables that the questions share. `told` hears what is being made.
    ///
    /// # Errors
    ///
    /// A lake that cannot be read.
    pub async fn open(
        lake: &Lake,
        knowledge: &'a Knowledge,
        options: Options,
        limits: Limits,
        told: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        let engine = Engine::open(lake, limits).await?;
        told("files");
        let unreadable = engine.pass_over_unreadable(lake).await?;
        Self::over(&engine, unreadable, knowledge, options, told).await
    }

    /// The same of a lake that a cluster reads and a cluster answers.
    ///
    /// # Errors
    ///
    /// As of [`Self::open`], and a cluster that fails.
    #[cfg(feature = "cluster")]
    pub async fn on(
        cluster: &crate::Cluster,
        lake: &Lake,
        knowledge: &'a Knowledge,
        options: Options,
        limits: Limits,
        told: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        told("files");
        let (engine, unreadable) = Engine::on(cluster, lake, limits).await?;
        Self::over(&engine, unreadable, knowledge, options, told).await
    }

    async fn over(
        engine: &Engine,
        unreadable: Vec<String>,
        knowledge: &'a Knowledge,
        options: Options,
        told: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        let mut prelude = Prelude::make(engine, &options, told).await?;
        prelude.unread.splice(0..0, unreadable);
        Ok(Self {
            knowledge,
            options,
            prelude,
        })
    }

    /// Days from 1970 of the first and the last day that anything was seen.
    #[must_use]
    pub fn window(&self) -> (i64, i64) {
        self.prelude.window
    }

    /// What could not be read, and is not in the answers: one line each.
    #[must_use]
    pub fn unread(&self) -> &[String] {
        &self.prelude.unread
    }

    /// Hosts, and how many of them are suspects.
    ///
    /// # Errors
    ///
    /// If they cannot be counted.
    pub async fn hosts(&self) -> Result<(i64, i64), Error> {
        let sql = "SELECT count(*) AS hosts, count(CASE WHEN suspect THEN 1 END) AS suspects FROM hosts";
        let batches = self.prelude.keep.collect(&self.prelude.all, sql).await?;
        match batches.iter().find(|batch| batch.num_rows() > 0) {
            Some(batch) => Ok((
                Longs::of(batch, "hosts")?.get(0).unwrap_or(0),
                Longs::of(batch, "suspects")?.get(0).unwrap_or(0),
            )),
            None => Ok((0, 0)),
        }
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The same study of some of its hosts, by their numbers: to see how far figures move from one sample to the next.
    ///
    /// # Errors
    ///
    /// If the tables cannot be made.
    pub async fn among(&self, hosts: &[i64]) -> Result<Self, Error> {
        let drawn: Int64Array = hosts.iter().copied().collect();
        let batch =
            RecordBatch::try_from_iter([("number", Arc::new(drawn) as ArrayRef)]).map_err(|error| Error::Query(error.to_string()))?;
        let from = &self.prelude.all;
        from.deregister_table("drawn")?;
        let keep = self.prelude.keep.clone();
        keep.put(from, "drawn", &batch).await?;
        let all = some_hosts(&keep, from, "h.host IN (SELECT number FROM drawn)").await?;
        Ok(Self {
            knowledge: self.knowledge,
            options: self.options.clone(),
            prelude: Prelude {
                keep,
                all,
                without_suspects: None,
                window: self.prelude.window,
                unread: Vec::new(),
            },
        })
    }

    /// Answers one question.
    ///
    /// # Errors
    ///
    /// If it cannot be answered: the SQL is ours, so the lake or the memory is at fault.
    pub async fn answer(&self, question: &'static Question) -> Result<Entry, Error> {
        let begun = Instant::now();
        let sql = (self.options.fill(&question.whole), self.options.fill(&question.rows));
        let (all, in_sql) = self.ask(&self.prelude.all, question, &sql).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let without_suspects = match &self.prelude.without_suspects {
            Some(context) => Some(self.ask(context, question, &sql).await?.0),
            None => None,
        };
        Ok(Entry {
            question,
            definition: question.definition.map(|text| self.options.fill(text)),
            sql,
            all,
            without_suspects,
            seconds,
            sql_seconds: in_sql.as_secs_f64(),
        })
    }

    /// The answer with every host and with the columns that only intervals need.
    pub(crate) async fn answer_with_sums(&self, question: &Question) -> Result<Answered, Error> {
        let sql = (self.options.fill(&question.whole), self.options.fill(&question.rows));
        Ok(self.ask_with_sums(&self.prelude.all, question, &sql).await?.0)
    }

    async fn ask(
        &self,
        context: &datafusion::prelude::SessionContext,
        question: &Question,
        sql: &(String, String),
    ) -> Result<(Answered, Duration), Error> {
        let (mut answered, in_sql) = self.ask_with_sums(context, question, sql).await?;
        answered.rows.drop_hidden();
        Ok((answered, in_sql))
    }

    /// The answer, and how long its SQL took.
    async fn ask_with_sums(
        &self,
        context: &datafusion::prelude::SessionContext,
        question: &Question,
        sql: &(String, String),
    ) -> Result<(Answered, Duration), Error> {
        let begun = Instant::now();
        let whole = self.prelude.keep.collect(context, &sql.0).await?;
        let count = |name: &str| -> Result<i64, Error> {
            match whole.iter().find(|batch| batch.num_rows() > 0) {
                Some(batch) => Ok(Longs::of(batch, name)?.get(0).unwrap_or(0)),
                None => Ok(0),
            }
        };
        let (denominator, unknown) = (count("denominator")?, count("unknown")?);
        let batches = self.prelude.keep.collect(context, &sql.1).await?;
        let in_sql = begun.elapsed();
        let mut rows = match &question.statistic {
            None => Rows::read(&batches)?,
            Some(name) => {
                let given = Given {
                    knowledge: self.knowledge,
                    denominator,
                    unknown,
                    window: self.prelude.window,
                };
                compute(name, &batches, &given)?
            }
        };
        for share in &question.shares {
            add_share(&mut rows, share);
        }
        let answered = Answered {
            denominator,
            unknown,
            rows,
        };
        Ok((answered, in_sql))
    }
}

/// Adds a share and its interval behind its numerator's denominator, or the last of its counts.
fn add_share(rows: &mut Rows, share: &Share) {
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
