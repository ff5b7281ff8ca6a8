//! The tables that the questions read. A study builds them once from the lake's tables, with the SQL in `base-tables/`, in the order of
//! the files.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::SessionContext;
use include_dir::{Dir, include_dir};

use crate::macros::expand;
use crate::statistics::Integers;
use crate::table_store::TableStore;
use crate::{Error, QueryEngine, StudyOptions};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/base-tables");

/// A base table and its SQL.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BaseTable {
    /// The table's name.
    pub table: String,
    /// The SQL that builds it, with the options filled in.
    pub sql: String,
}

/// The base tables in the order in which they are built. `months` is built last, without SQL, and is not listed.
#[must_use]
pub fn base_tables(options: &StudyOptions) -> Vec<BaseTable> {
    let mut files: Vec<_> = FILES.files().collect();
    files.sort_by_key(|file| file.path());
    files
        .into_iter()
        .filter_map(|file| {
            let stem = file.path().file_stem()?.to_str()?;
            let (_, table) = stem.split_once('-')?;
            Some(BaseTable {
                table: table.to_owned(),
                sql: options.fill(&expand(file.contents_utf8()?)),
            })
        })
        .collect()
}

/// Tables with rows per host: a subset of the hosts has its own copy.
const PER_HOST: [&str; 8] = [
    "hosts",
    "endpoints",
    "endpoint_observations",
    "host_days",
    "host_models",
    "model_counts",
    "components",
    "marks",
];
/// Tables without rows per host: every subset of the hosts shares them.
const SHARED: [&str; 6] = ["models", "state_facts", "months", "unrecognised", "study_window", "requests"];

/// The base tables of a study, built.
pub(crate) struct BaseTables {
    /// The session with all hosts.
    pub(crate) all: SessionContext,
    /// The session without suspected honeypots; `None`: there are none.
    pub(crate) without_suspects: Option<SessionContext>,
    /// The first and the last day on which anything was seen, in days since 1970-01-01.
    pub(crate) window: (i64, i64),
    /// Where the tables are stored and the queries run.
    pub(crate) store: TableStore,
    /// One line for each part of the lake that is missing from the answers.
    pub(crate) unread: Vec<String>,
}

impl BaseTables {
    /// Builds the tables. `progress` gets the name of each table before it is built.
    pub(crate) async fn build(engine: &QueryEngine, options: &StudyOptions, progress: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        let context = engine.context().clone();
        let store = engine.store().clone();
        for BaseTable { table, sql } in base_tables(options) {
            progress(&table);
            if table == "selected_observations" {
                // Only one other table reads it, so it stays a view.
                let view = context.sql(&sql).await?.into_view();
                context.register_table(table.as_str(), view)?;
                continue;
            }
            store.create(&context, &context, &table, &sql).await?;
        }
        let sql = "SELECT max(s.first_day) AS first_day, max(s.last_day) AS last_day, count(*) FILTER (WHERE h.suspect) AS suspects \
                   FROM study_window AS s LEFT JOIN hosts AS h ON TRUE";
        let window = store.collect(&context, sql).await?;
        let one = |name: &str| -> Result<Option<i64>, Error> {
            match window.first() {
                Some(batch) if batch.num_rows() > 0 => Ok(Integers::of(batch, name)?.get(0)),
                _ => Ok(None),
            }
        };
        let days = (one("first_day")?.unwrap_or(0), one("last_day")?.unwrap_or(0));
        store.insert(&context, "months", &months(days)?).await?;
        let without_suspects = if one("suspects")?.unwrap_or(0) > 0 {
            progress("without suspects");
            Some(some_hosts(&store, &context, "h.suspect IS NOT TRUE").await?)
        } else {
            None
        };
        let unread = unread(&store, &context).await?;
        Ok(Self {
            store,
            unread,
            all: context,
            without_suspects,
            window: days,
        })
    }
}

/// A line for observations whose state is missing from the lake: they are counted, and their attributes are unknown.
async fn unread(store: &TableStore, context: &SessionContext) -> Result<Vec<String>, Error> {
    let sql = "SELECT CAST(sum(l.observations) AS BIGINT) AS observations \
               FROM observation_groups AS l LEFT JOIN state_facts AS s ON s.state = l.state WHERE s.state IS NULL";
    let batches = store.collect(context, sql).await?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(Vec::new());
    };
    Ok(match Integers::of(batch, "observations")?.get(0) {
        Some(lost) if lost > 0 => vec![format!(
            "{lost} observations refer to a state that is missing from the lake: their attributes are unknown"
        )],
        _ => Vec::new(),
    })
}

/// A session with the base tables of some hosts only; `which` is an SQL condition on `hosts AS h`.
pub(crate) async fn some_hosts(store: &TableStore, from: &SessionContext, which: &str) -> Result<SessionContext, Error> {
    let to = store.session(from)?;
    for table in PER_HOST {
        let sql = match table {
            "hosts" => format!("SELECT h.* FROM hosts AS h WHERE {which}"),
            table => format!("SELECT t.* FROM {table} AS t JOIN hosts AS h ON h.host = t.host WHERE {which}"),
        };
        store.create(from, &to, table, &sql).await?;
    }
    for table in SHARED {
        to.register_table(table, from.table_provider(table).await?)?;
    }
    Ok(to)
}

/// The longest window in days, a thousand years. A longer one comes from a wrong clock and is cut there.
pub(crate) const MAX_WINDOW_DAYS: i64 = 366_000;

/// A row per calendar month and block of 62 days of a window, with a mask of the block's days in that month.
fn months((first, last): (i64, i64)) -> Result<RecordBatch, Error> {
    const BLOCK: i64 = crate::statistics::BLOCK;
    let mut rows: Vec<(String, i64, i64)> = Vec::new();
    for day in first..=last.min(first + MAX_WINDOW_DAYS) {
        let Some(date) = chrono::DateTime::from_timestamp(day * 86_400, 0) else {
            continue;
        };
        let month = date.format("%Y-%m").to_string();
        let (block, bit) = (day.div_euclid(BLOCK), 1_i64 << day.rem_euclid(BLOCK));
        match rows.last_mut() {
            Some((name, of, mask)) if *name == month && *of == block => *mask |= bit,
            _ => rows.push((month, block, bit)),
        }
    }
    let schema = Arc::new(Schema::new(vec![
        Field::new("month", DataType::Utf8, true),
        Field::new("block", DataType::Int64, true),
        Field::new("mask", DataType::Int64, true),
    ]));
    RecordBatch::try_new(
        schema,
        vec![
            Arc::new(rows.iter().map(|(month, _, _)| Some(month.as_str())).collect::<StringArray>()),
            Arc::new(rows.iter().map(|(_, block, _)| *block).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|(_, _, mask)| *mask).collect::<Int64Array>()),
        ],
    )
    .map_err(|error| Error::Query(error.to_string()))
}
