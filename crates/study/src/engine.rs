//! DataFusion over a lake's tables.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext, cast, lit};
use datafusion::scalar::ScalarValue;
use vigie_lake::{Lake, Table};

use crate::bits::bit_count;
use crate::keep::Keep;
use crate::{Answer, Error};

/// What a question may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes; what needs more goes to temporary files.
    pub memory: usize,
    /// Threads.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 1536 * 1024 * 1024,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// A lake that can be asked.
#[derive(Clone)]
pub struct Engine {
    context: SessionContext,
    keep: Keep,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the tables of a lake as they are now; what is appended later is not seen.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn open(lake: &Lake, limits: Limits) -> Result<Self, Error> {
        let state = limited(limits)?;
        let context = SessionContext::new_with_state(state);
        context.register_udf(bit_count());
        let mut written = lake.providers(&context.state()).await?;
        for table in Table::ALL {
            let wanted = table.schema();
            match written.remove(&table) {
                Some(provider) => {
                    let provider = grown(&context, provider, &wanted)?;
                    context.register_table(table.name(), provider)?;
                }
                None => {
                    let empty = MemTable::try_new(wanted, vec![Vec::new()])?;
                    context.register_table(table.name(), Arc::new(empty))?;
                }
            }
        }
        Ok(Self {
            context,
            keep: Keep::Memory,
        })
    }

    /// Opens the tables of a lake as they are now for a cluster, which reads their files itself. Gives a line for each file that cannot
    /// be read.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read, or is in a folder that has no absolute path.
    #[cfg(feature = "cluster")]
    pub async fn on(cluster: &crate::Cluster, lake: &Lake, limits: Limits) -> Result<(Self, Vec<String>), Error> {
        let context = cluster.session(limited(limits)?)?;
        let engine = Self {
            context,
            keep: Keep::Cluster(cluster.clone()),
        };
        let unreadable = engine.read_files(lake, crate::files::Which::All).await?;
        Ok((engine, unreadable))
    }

    /// Answers a question in SQL. Statements that change something are refused.
    ///
    /// # Errors
    ///
    /// SQL that is wrong, or that would write; a lake that cannot be read.
    pub async fn ask(&self, sql: &str) -> Result<Answer, Error> {
        let plan = self.context.state().create_logical_plan(sql).await?;
        if let LogicalPlan::Statement(_) | LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) = plan {
            let first = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
            return Err(Error::NotAQuestion(first));
        }
        let only_reads = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        only_reads.verify_plan(&plan)?;
        let frame = self.context.execute_logical_plan(plan).await?;
        Ok(Answer::new(frame.execute_stream().await?))
    }

    /// Where the tables are kept that are made from the lake's.
    pub(crate) fn keep(&self) -> &Keep {
        &self.keep
    }

    /// DataFusion's own context, for what SQL alone does not do.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }
}

/// What a session may use.
fn limited(limits: Limits) -> Result<SessionState, Error> {
    let config = SessionConfig::new()
        .with_target_partitions(limits.threads)
        .with_information_schema(true)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        // Each thread groups its own rows first. Where that hardly makes them fewer, as with hosts, it stops after so many.
        .set_usize("datafusion.execution.skip_partial_aggregation_probe_rows_threshold", 10_000);
    let pool = TrackConsumersPool::new(FairSpillPool::new(limits.memory), std::num::NonZeroUsize::MIN);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory))
        .build_arc()?;
    Ok(SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .build())
}

/// A table with the columns that its writer did not know yet, as NULL, and in the order of today.
pub(crate) fn grown(
    context: &SessionContext,
    provider: Arc<dyn TableProvider>,
    wanted: &SchemaRef,
) -> Result<Arc<dyn TableProvider>, Error> {
    let has = provider.schema();
    let lacks = wanted.fields().iter().any(|field| has.column_with_name(field.name()).is_none());
    if !lacks {
        return Ok(provider);
    }
    let columns: Vec<Expr> = wanted
        .fields()
        .iter()
        .map(|field| match has.column_with_name(field.name()) {
            // Names are quoted by `ident`, so that none is read as an expression.
            Some(_) => datafusion::prelude::ident(field.name()),
            None => cast(lit(ScalarValue::Null), field.data_type().clone()).alias(field.name()),
        })
        .chain(
            // What a newer version wrote is there too.
            has.fields()
                .iter()
                .filter(|field| wanted.column_with_name(field.name()).is_none())
                .map(|field| datafusion::prelude::ident(field.name())),
        )
        .collect();
    Ok(context.read_table(provider)?.select(columns)?.into_view())
}
