//! SQL queries over a lake's tables, with DataFusion.

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

use crate::bit_count;
use crate::table_store::TableStore;
use crate::{Error, RowStream};

/// Memory and threads that a query may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Memory in bytes; a query that needs more spills to temporary files.
    pub memory: usize,
    /// Number of threads.
    pub threads: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            memory: 1536 * 1024 * 1024,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// A lake opened for SQL queries.
#[derive(Clone)]
pub struct QueryEngine {
    context: SessionContext,
    store: TableStore,
}

impl std::fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryEngine").finish_non_exhaustive()
    }
}

impl QueryEngine {
    /// Opens the tables of a lake as they are now; later appends are not visible.
    ///
    /// # Errors
    ///
    /// A lake that cannot be read.
    pub async fn open(lake: &Lake, limits: QueryLimits) -> Result<Self, Error> {
        let state = limited(limits)?;
        let context = SessionContext::new_with_state(state);
        context.register_udf(bit_count::native());
        let mut written = lake.providers(&context.state()).await?;
        for table in Table::ALL {
            let wanted = table.schema();
            match written.remove(&table) {
                Some(provider) => {
                    let provider = with_missing_columns(&context, provider, &wanted)?;
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
            store: TableStore::Memory,
        })
    }

    /// Opens the readable files of a lake for a study, in `store`. Returns a line for each unreadable file.
    pub(crate) async fn open_readable(store: &TableStore, lake: &Lake, limits: QueryLimits) -> Result<(Self, Vec<String>), Error> {
        match store {
            TableStore::Memory => {
                let engine = Self::open(lake, limits).await?;
                let unreadable = engine.skip_unreadable(lake).await?;
                Ok((engine, unreadable))
            }
            #[cfg(feature = "cluster")]
            TableStore::Cluster(cluster) => {
                let engine = Self {
                    context: cluster.session(limited(limits)?)?,
                    store: store.clone(),
                };
                // The executors read the files, not delta-rs on this machine.
                let unreadable = engine.read_files(lake, crate::files::ListedTables::All).await?;
                Ok((engine, unreadable))
            }
        }
    }

    /// Runs an SQL query. A statement that would change anything is rejected.
    ///
    /// # Errors
    ///
    /// SQL that is invalid or would write; a lake that cannot be read.
    pub async fn ask(&self, sql: &str) -> Result<RowStream, Error> {
        let plan = self.context.state().create_logical_plan(sql).await?;
        if let LogicalPlan::Statement(_) | LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) = plan {
            let first = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
            return Err(Error::NotReadOnly(first));
        }
        let only_reads = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        only_reads.verify_plan(&plan)?;
        let frame = self.context.execute_logical_plan(plan).await?;
        Ok(RowStream::new(frame.execute_stream().await?))
    }

    /// The store of the tables derived from the lake's.
    pub(crate) fn store(&self) -> &TableStore {
        &self.store
    }

    /// The DataFusion session.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }
}

/// A session state with these limits.
fn limited(limits: QueryLimits) -> Result<SessionState, Error> {
    let config = SessionConfig::new()
        .with_target_partitions(limits.threads)
        .with_information_schema(true)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        // Each thread groups its own rows first. Where this hardly reduces them, as when grouping by host, it stops after this many rows.
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

/// A table in today's column order, with NULL for columns that older files do not have.
pub(crate) fn with_missing_columns(
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
            // Columns that only a newer version knows follow at the end.
            has.fields()
                .iter()
                .filter(|field| wanted.column_with_name(field.name()).is_none())
                .map(|field| datafusion::prelude::ident(field.name())),
        )
        .collect();
    Ok(context.read_table(provider)?.select(columns)?.into_view())
}
