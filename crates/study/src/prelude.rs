//! The tables that the questions stand on, made once from the lake's: SQL of its own, in the order of its files.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::SessionContext;
use include_dir::{Dir, include_dir};

use crate::keep::Keep;
use crate::statistics::Longs;
use crate::{Engine, Error, Options};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/prelude");

/// A table of the prelude and the SQL that makes it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The table's name.
    pub table: String,
    /// Its SQL, with the options put in.
    pub sql: String,
}

/// Every table in the order in which they are made. `months` follows `presence` and is made without SQL.
#[must_use]
pub fn steps(options: &Options) -> Vec<Step> {
    let mut files: Vec<_> = FILES.files().collect();
    files.sort_by_key(|file| file.path());
    files
        .into_iter()
        .filter_map(|file| {
            let stem = file.path().file_stem()?.to_str()?;
            let (_, table) = stem.split_once('-')?;
            Some(Step {
                table: table.to_owned(),
                sql: options.fill(file.contents_utf8()?),
            })
        })
        .collect()
}

/// The tables that hosts can be left out of, and those that say nothing of single hosts.
const OF_HOSTS: [&str; 8] = [
    "hosts",
    "endpoints",
    "presence",
    "blocks",
    "shelves",
    "lists",
    "components",
    "marks",
];
const SHARED: [&str; 5] = ["models", "said", "months", "unrecognised", "span"];

/// The tables of the questions.
pub(crate) struct Prelude {
    /// With every host.
    pub(crate) all: SessionContext,
    /// Without the suspects; `None`: there are none.
    pub(crate) without_suspects: Option<SessionContext>,
    /// Days from 1970 of the first and the last day on which anything was seen.
    pub(crate) window: (i64, i64),
    /// Where they are kept, and who answers.
    pub(crate) keep: Keep,
    /// What is missing from the lake, and so from the answers.
    pub(crate) unread: Vec<String>,
}

impl Prelude {
    /// Makes them. `told` hears the name of each table before it is made.
    pub(crate) async fn make(engine: &Engine, options: &Options, told: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        let context = engine.context().clone();
        let keep = engine.keep().clone();
        for step in steps(options) {
            told(&step.table);
            if step.table == "sightings" {
                // A view: it is read once.
                let view = context.sql(&step.sql).await?.into_view();
                context.register_table(step.table.as_str(), view)?;
                continue;
            }
            keep.made(&context, &context, &step.table, &step.sql).await?;
        }
        let sql = "SELECT max(s.first_day) AS first_day, max(s.last_day) AS last_day, count(*) FILTER (WHERE h.suspect) AS suspects \
                   FROM span AS s LEFT JOIN hosts AS h ON TRUE";
        let window = keep.collect(&context, sql).await?;
        let one = |name: &str| -> Result<Option<i64>, Error> {
            match window.first() {
                Some(batch) if batch.num_rows() > 0 => Ok(Longs::of(batch, name)?.get(0)),
                _ => Ok(None),
            }
        };
        let days = (one("first_day")?.unwrap_or(0), one("last_day")?.unwrap_or(0));
        keep.put(&context, "months", &months(days)?).await?;
        let without_suspects = if one("suspects")?.unwrap_or(0) > 0 {
            told("without suspects");
            Some(some_hosts(&keep, &context, "h.suspect IS NOT TRUE").await?)
        } else {
            None
        };
        let unread = unread(&keep, &context).await?;
        Ok(Self {
            keep,
            unread,
            all: context,
            without_suspects,
            window: days,
        })
    }
}

/// Observations whose state the lake does not hold: they are counted, and what they said is unknown.
async fn unread(keep: &Keep, context: &SessionContext) -> Result<Vec<String>, Error> {
    let sql = "SELECT count(*) AS looks, CAST(sum(l.observations) AS BIGINT) AS observations \
               FROM looks AS l LEFT JOIN said AS s ON s.state = l.state WHERE s.state IS NULL";
    let batches = keep.collect(context, sql).await?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(Vec::new());
    };
    Ok(match Longs::of(batch, "observations")?.get(0) {
        Some(lost) if lost > 0 => vec![format!(
            "{lost} observations point to a state that the lake does not hold: what they said is unknown"
        )],
        _ => Vec::new(),
    })
}

/// The tables with some of the hosts only, in another session.
pub(crate) async fn some_hosts(keep: &Keep, from: &SessionContext, which: &str) -> Result<SessionContext, Error> {
    let to = keep.session(from)?;
    for table in OF_HOSTS {
        let sql = match table {
            "hosts" => format!("SELECT h.* FROM hosts AS h WHERE {which}"),
            table => format!("SELECT t.* FROM {table} AS t JOIN hosts AS h ON h.host = t.host WHERE {which}"),
        };
        keep.made(from, &to, table, &sql).await?;
    }
    for table in SHARED {
        to.register_table(table, from.table_provider(table).await?)?;
    }
    Ok(to)
}

/// Days of the longest window, a thousand years: a longer one is a clock gone wrong, and is told up to there.
pub(crate) const LONGEST: i64 = 366_000;

/// A row per calendar month and block of days of a window: the bits of the block that lie in the month.
fn months((first, last): (i64, i64)) -> Result<RecordBatch, Error> {
    const BLOCK: i64 = crate::statistics::BLOCK;
    let mut rows: Vec<(String, i64, i64)> = Vec::new();
    for day in first..=last.min(first + LONGEST) {
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
