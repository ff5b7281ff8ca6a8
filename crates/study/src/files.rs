//! Tables read from lists of files instead of through delta-rs: for a cluster, and for lakes with unreadable files. Unreadable files are
//! skipped and reported, so that one bad disk block does not prevent a study.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::parquet::file::reader::{FileReader as _, SerializedFileReader};
use datafusion::prelude::{SessionContext, cast, col, ident};
use vigie_lake::{Lake, Table};

use crate::{Error, QueryEngine};

/// Which tables to read from lists of files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListedTables {
    /// Tables with an unreadable file.
    Broken,
    /// All tables.
    #[cfg(feature = "cluster")]
    All,
}

impl QueryEngine {
    /// Reads the Parquet footer of every file, and reopens the tables that have missing or truncated files without these. Returns a
    /// line for each such file.
    pub(crate) async fn skip_unreadable(&self, lake: &Lake) -> Result<Vec<String>, Error> {
        // An object in a store is whole or missing, and the store reports an error itself.
        if vigie_lake::is_in_a_store(lake.dir()) {
            return Ok(Vec::new());
        }
        self.read_files(lake, ListedTables::Broken).await
    }

    /// Replaces registered tables by tables over lists of files. Returns a line for each unreadable file.
    pub(crate) async fn read_files(&self, lake: &Lake, which: ListedTables) -> Result<Vec<String>, Error> {
        let in_a_store = vigie_lake::is_in_a_store(lake.dir());
        let mut unreadable = Vec::new();
        let mut tables: BTreeMap<Table, (Vec<PathBuf>, bool)> = BTreeMap::new();
        for file in lake.files().await? {
            let (sound, broken) = tables.entry(file.table).or_default();
            match if in_a_store { Ok(()) } else { readable(&file.path) } {
                Ok(()) => sound.push(file.path),
                Err(why) => {
                    *broken = true;
                    unreadable.push(format!("{}: {why}; its rows are missing", file.path.display()));
                }
            }
        }
        #[cfg(feature = "cluster")]
        if which == ListedTables::All {
            for table in Table::ALL {
                tables.entry(table).or_default();
            }
        }
        for (table, (sound, broken)) in tables {
            if broken || which != ListedTables::Broken {
                let provider = if sound.is_empty() {
                    self.store().empty(self.context(), table.name(), table.schema()).await?
                } else {
                    of_files(self.context(), table, &sound)?
                };
                self.context().deregister_table(table.name())?;
                self.context().register_table(table.name(), provider)?;
            }
        }
        Ok(unreadable)
    }
}

/// A table with today's columns over a list of files. A column that a file lacks is NULL in its rows.
fn of_files(context: &SessionContext, table: Table, files: &[PathBuf]) -> Result<Arc<dyn TableProvider>, Error> {
    let wanted = table.schema();
    let dated = table.dated_by();
    let stored: Vec<_> = wanted
        .fields()
        .iter()
        .filter(|field| !(dated.is_some() && field.name() == "date"))
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let urls = files.iter().map(|file| url(file)).collect::<Result<Vec<_>, _>>()?;
    let listed = listed(context, urls, Arc::new(Schema::new(stored)))?;
    let Some(instant) = dated else { return Ok(listed) };
    // Files do not have the partition column.
    let columns = wanted.fields().iter().map(|field| match field.name().as_str() {
        "date" => cast(col(instant), DataType::Date32).alias("date"),
        name => ident(name),
    });
    Ok(context.read_table(listed)?.select(columns.collect::<Vec<_>>())?.into_view())
}

/// A table over Parquet files, which may lack some of the columns.
pub(crate) fn listed(context: &SessionContext, files: Vec<ListingTableUrl>, schema: SchemaRef) -> Result<Arc<dyn TableProvider>, Error> {
    let state = context.state();
    let format = ParquetFormat::new().with_options(state.default_table_options().parquet);
    let options = ListingOptions::new(Arc::new(format));
    let config = ListingTableConfig::new_with_multi_paths(files)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// The URL of a file. Special characters in its name are not read as a pattern.
pub(crate) fn url(file: &Path) -> Result<ListingTableUrl, Error> {
    if vigie_lake::is_in_a_store(file) {
        return Ok(ListingTableUrl::parse(file.to_string_lossy())?);
    }
    let absolute = std::path::absolute(file)?;
    let url =
        url::Url::from_file_path(&absolute).map_err(|()| Error::Query(format!("{} cannot be written as a URL", absolute.display())))?;
    Ok(ListingTableUrl::try_new(url, None)?)
}

fn readable(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    let _rows = reader.metadata().file_metadata().num_rows();
    Ok(())
}
