//! Files of a lake that cannot be read: they are listed and passed over, so that one bad disk block does not keep a whole study from
//! being made.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::datasource::MemTable;
use datafusion::parquet::file::reader::{FileReader as _, SerializedFileReader};
use datafusion::prelude::{ParquetReadOptions, cast, col};
use vigie_lake::{Lake, Table};

use crate::engine::grown;
use crate::{Engine, Error};

impl Engine {
    /// Looks at the end of every file, where Parquet says what is in it; tables with a file that is missing or cut short are read without
    /// it. Gives a line for each.
    ///
    /// # Errors
    ///
    /// If the lake cannot be listed.
    pub async fn pass_over_unreadable(&self, lake: &Lake) -> Result<Vec<String>, Error> {
        // A store tells itself what it cannot give, and an object in it is whole or not there.
        if vigie_lake::is_in_a_store(lake.dir()) {
            return Ok(Vec::new());
        }
        let mut said = Vec::new();
        let mut tables: BTreeMap<Table, (Vec<PathBuf>, bool)> = BTreeMap::new();
        for file in lake.files().await? {
            let (sound, broken) = tables.entry(file.table).or_default();
            match readable(&file.path) {
                Ok(()) => sound.push(file.path),
                Err(why) => {
                    *broken = true;
                    said.push(format!("{}: {why}; what it holds is missing", file.path.display()));
                }
            }
        }
        for (table, (sound, _)) in tables.into_iter().filter(|(_, (_, broken))| *broken) {
            let context = self.context();
            let paths: Vec<String> = sound.iter().map(|path| path.to_string_lossy().into_owned()).collect();
            let provider = if paths.is_empty() {
                Arc::new(MemTable::try_new(table.schema(), vec![Vec::new()])?)
            } else {
                let mut rows = context.read_parquet(paths, ParquetReadOptions::default()).await?;
                if table == Table::Observations {
                    // The day stands in the folder's name only; it is that of `seen`.
                    rows = rows.with_column("date", cast(col("seen"), DataType::Date32))?;
                }
                grown(context, rows.into_view(), &table.schema())?
            };
            context.deregister_table(table.name())?;
            context.register_table(table.name(), provider)?;
        }
        Ok(said)
    }
}

fn readable(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    let _rows = reader.metadata().file_metadata().num_rows();
    Ok(())
}
