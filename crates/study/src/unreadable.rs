//! Files of a lake that cannot be read: they are listed and passed over, so that one bad disk block does not keep a whole study from
//! being made.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use datafusion::parquet::file::reader::{FileReader as _, SerializedFileReader};
use datafusion::prelude::{DataFrame, ParquetReadOptions, lit};
use datafusion::scalar::ScalarValue;
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
            let mut whole: Option<DataFrame> = None;
            for path in sound {
                let mut rows = context
                    .read_parquet(path.to_string_lossy().into_owned(), ParquetReadOptions::default())
                    .await?;
                if table == Table::Observations {
                    rows = rows.with_column("date", lit(ScalarValue::Date32(day_of(&path))))?;
                }
                let rows = context.read_table(grown(context, rows.into_view(), &table.schema())?)?;
                whole = Some(match whole {
                    Some(others) => others.union_by_name(rows)?,
                    None => rows,
                });
            }
            context.deregister_table(table.name())?;
            let provider = match whole {
                Some(rows) => rows.into_view(),
                None => std::sync::Arc::new(datafusion::datasource::MemTable::try_new(table.schema(), vec![Vec::new()])?),
            };
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

/// The day in the name of a file's folder, `date=2026-11-22`.
fn day_of(path: &Path) -> Option<i32> {
    let folder = path.parent()?.file_name()?.to_str()?;
    let day: chrono::NaiveDate = folder.strip_prefix("date=")?.parse().ok()?;
    i32::try_from(day.signed_duration_since(chrono::NaiveDate::default()).num_days()).ok()
}
