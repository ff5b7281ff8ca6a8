//! Where the tables are kept that a study makes from the lake's: in memory, or in a folder that a cluster shares.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;

use crate::Error;
use crate::bits::bit_count;

/// Where they are kept.
#[derive(Clone)]
pub(crate) enum Keep {
    /// Here.
    Memory,
    /// As Parquet files that every executor reads.
    #[cfg(feature = "cluster")]
    Cluster(crate::Cluster),
}

impl Keep {
    /// Another session with the limits of one and no tables.
    pub(crate) fn session(&self, beside: &SessionContext) -> Result<SessionContext, Error> {
        let state = SessionStateBuilder::new()
            .with_config(beside.copied_config())
            .with_runtime_env(beside.runtime_env())
            .with_default_features()
            .build();
        match self {
            Self::Memory => {
                let session = SessionContext::new_with_state(state);
                session.register_udf(bit_count());
                Ok(session)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.session(state),
        }
    }

    /// Answers a statement of ours.
    pub(crate) async fn collect(&self, context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        match self {
            Self::Memory => Ok(context.sql(sql).await?.collect().await?),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.collect(context, sql).await,
        }
    }

    /// Answers in one session and keeps the rows as a table of another.
    pub(crate) async fn made(&self, from: &SessionContext, to: &SessionContext, table: &str, sql: &str) -> Result<(), Error> {
        match self {
            Self::Memory => {
                let frame = from.sql(sql).await?;
                let schema = Arc::new(frame.schema().as_arrow().clone());
                let parts = frame.collect_partitioned().await?;
                // What the plan promises never to be NULL is not promised by rows of another session.
                let schema = parts.iter().flatten().next().map_or(schema, RecordBatch::schema);
                to.register_table(table, Arc::new(MemTable::try_new(schema, parts)?))?;
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let provider = cluster.made(from, table, sql).await?;
                to.register_table(table, provider)?;
            }
        }
        Ok(())
    }

    /// Keeps rows that were made here as a table of a session.
    pub(crate) async fn put(&self, to: &SessionContext, table: &str, rows: &RecordBatch) -> Result<(), Error> {
        let provider = self.of_rows(to, table, rows).await?;
        to.register_table(table, provider)?;
        Ok(())
    }

    /// A table without rows.
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
            Self::Cluster(cluster) => cluster.put(context, table, rows).await,
        }
    }
}
