//! What the modules with a query engine share: a table as DataFusion reads it, the ids in a result, and errors.

use std::sync::Arc;

use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::catalog::{Session, TableProvider};
use deltalake_core::DeltaTable;

use crate::{Error, Table};

pub(crate) async fn provider(table: Table, delta: &DeltaTable, session: &dyn Session) -> Result<Arc<dyn TableProvider>, Error> {
    let wrap = |source| Error::Read {
        table,
        source: Box::new(source),
    };
    delta.update_datafusion_session(session).map_err(wrap)?;
    let provider = delta.table_provider().await.map_err(|error| wrap(error.into()))?;
    Ok(provider)
}

/// The distinct values of a column of ids.
pub(crate) async fn ids(rows: &datafusion::prelude::DataFrame, column: &str) -> Result<Vec<i64>, Error> {
    let distinct = rows
        .clone()
        .select_columns(&[column])
        .and_then(|rows| rows.distinct())
        .map_err(query_error)?;
    let mut ids = Vec::new();
    for batch in distinct.collect().await.map_err(query_error)? {
        ids.extend(batch.column(0).as_primitive::<Int64Type>().iter().flatten());
    }
    Ok(ids)
}

pub(crate) fn query_error(error: datafusion::error::DataFusionError) -> Error {
    Error::Read {
        table: Table::Observations,
        source: Box::new(error.into()),
    }
}
