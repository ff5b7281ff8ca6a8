//! Storage and execution of a study's base tables: in this process, or by a cluster.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;

use crate::Error;
use crate::bit_count;

/// Where a study stores its base tables and runs its queries.
#[derive(Clone, Debug)]
pub enum TableStore {
    /// In this process's memory.
    Memory,
    /// By a cluster, as Parquet files that every executor reads.
    #[cfg(feature = "cluster")]
    Cluster(crate::Cluster),
}

impl TableStore {
    /// A new session without tables, with the limits of another.
    pub(crate) fn session(&self, like: &SessionContext) -> Result<SessionContext, Error> {
        let state = SessionStateBuilder::new()
            .with_config(like.copied_config())
            .with_runtime_env(like.runtime_env())
            .with_default_features()
            .build();
        match self {
            Self::Memory => {
                let session = SessionContext::new_with_state(state);
                session.register_udf(bit_count::native());
                Ok(session)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.session(state),
        }
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn collect(&self, context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        match self {
            Self::Memory => Ok(context.sql(sql).await?.collect().await?),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.collect(context, sql).await,
        }
    }

    /// Runs a statement in one session and registers its rows as a table of another.
    pub(crate) async fn create(&self, from: &SessionContext, to: &SessionContext, table: &str, sql: &str) -> Result<(), Error> {
        match self {
            Self::Memory => {
                let frame = from.sql(sql).await?;
                let schema = Arc::new(frame.schema().as_arrow().clone());
                let parts = frame.collect_partitioned().await?;
                // The plan may declare a column non-nullable where the rows do not, so the rows' schema is used.
                let schema = parts.iter().flatten().next().map_or(schema, RecordBatch::schema);
                to.register_table(table, Arc::new(MemTable::try_new(schema, parts)?))?;
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let provider = cluster.create(from, table, sql).await?;
                to.register_table(table, provider)?;
            }
        }
        Ok(())
    }

    /// Registers rows as a table of a session.
    pub(crate) async fn insert(&self, to: &SessionContext, table: &str, rows: &RecordBatch) -> Result<(), Error> {
        let provider = self.of_rows(to, table, rows).await?;
        to.register_table(table, provider)?;
        Ok(())
    }

    /// A table without rows, not registered.
    pub(crate) async fn empty(&self, context: &SessionContext, table: &str, schema: SchemaRef) -> Result<Arc<dyn TableProvider>, Error> {
        self.of_rows(context, table, &RecordBatch::new_empty(schema)).await
    }

    async fn of_rows(&self, context: &SessionContext, table: &str, rows: &RecordBatch) -> Result<Arc<dyn TableProvider>, Error> {
        match self {
            Self::Memory => {
                let _ = (context, table);
                Ok(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows.clone()]])?))
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.insert(context, table, rows).await,
        }
    }
}
