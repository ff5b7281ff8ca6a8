//! Observations as Delta tables, on a local disk.
//!
//! A lake is a folder with one Delta table per [`Table`]; every column is flat, so that the same SQL runs on every
//! engine. A value that may be unknown is NULL with its reason in `<column>_why` (and `<column>_detail`); a count of
//! zero and an empty list are *known none*. Verdicts and findings are not stored: they are computed with the catalogue
//! of the day.
//!
//! What an endpoint said is a *state*, kept once by its content; an observation is a slim row that points to it. An
//! append commits what observations point to first and the observations last, so a reader that follows observations
//! never meets half of one, whenever the writer was killed. Rows that no observation points to are passed over.
//!
//! Writers take turns: each commit carries the same application transaction, so of two that raced one is told, reads
//! what the other wrote and tries again with what is still missing. Thus nothing is stored twice and nothing is lost.

mod last;
mod noted;
mod read;
mod record;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
#[cfg(feature = "upkeep")]
mod upkeep;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri};

pub use last::{LastLooks, Lineage, Look, Said};
pub use read::{Filter, HostRow, LakeFile};
pub use record::Scan;
pub use schema::Table;
pub use write::Committed;

/// Why the lake could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds no lake.
    #[error("no lake in {}: name another folder, or run a scan that writes one", .0.display())]
    NotALake(PathBuf),
    /// A table could not be opened or created.
    #[error("open the table {} of the lake in {}: {source}", .table.name(), .dir.display())]
    Open {
        /// The lake's folder.
        dir: PathBuf,
        /// The table.
        table: Table,
        /// What delta-rs said.
        source: Box<DeltaTableError>,
    },
    /// A table could not be written.
    #[error("write to the table {} of the lake: {source}; nothing of this batch counts", .table.name())]
    Write {
        /// The table.
        table: Table,
        /// What delta-rs said.
        source: Box<DeltaTableError>,
    },
    /// A table could not be read.
    #[error("read the table {} of the lake: {source}", .table.name())]
    Read {
        /// The table.
        table: Table,
        /// What delta-rs said.
        source: Box<DeltaTableError>,
    },
    /// Other writers won every time.
    #[error("write to the table {} of the lake: other writers were first {attempts} times; try again", .table.name())]
    Busy {
        /// The table.
        table: Table,
        /// How often it was tried.
        attempts: u32,
    },
    /// A file could not be made durable.
    #[error("write {} to disk: {source}", .path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An observation could not be turned into rows.
    #[error("describe an observation: {0}")]
    Describe(#[from] serde_json::Error),
    /// The lake lacks what an observation points to.
    #[error("read an observation of {address}: the lake does not hold {missing}; restore the folder from a copy")]
    Broken {
        /// The endpoint's address.
        address: String,
        /// What is missing.
        missing: &'static str,
    },
}

/// A lake, open for reading and appending. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Lake {
    dir: PathBuf,
    writer: tokio::sync::Mutex<write::Writer>,
    noted: std::sync::Mutex<noted::Noted>,
}

impl Lake {
    /// Opens a lake that is there.
    ///
    /// # Errors
    ///
    /// [`Error::NotALake`] if the folder holds none.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        if !Table::ALL.into_iter().any(|table| log_of(dir, table).is_dir()) {
            return Err(Error::NotALake(dir.to_owned()));
        }
        Ok(Self::over(dir))
    }

    /// Opens a lake, or a folder that becomes one: each table is made with its first row.
    ///
    /// # Errors
    ///
    /// If there is no such folder and it cannot be made.
    pub async fn open_or_create(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        // The tables are made when there is something for them.
        std::fs::create_dir_all(dir).map_err(|source| Error::Disk {
            path: dir.to_owned(),
            source,
        })?;
        Ok(Self::over(dir))
    }

    fn over(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            writer: tokio::sync::Mutex::new(write::Writer::over(dir)),
            noted: std::sync::Mutex::default(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The tables that are there, as they are now.
    async fn tables(&self) -> Result<BTreeMap<Table, DeltaTable>, Error> {
        let mut tables = BTreeMap::new();
        for table in Table::ALL {
            if let Some(delta) = load(&self.dir, table).await? {
                tables.insert(table, delta);
            }
        }
        Ok(tables)
    }
}

fn log_of(dir: &Path, table: Table) -> PathBuf {
    dir.join(table.name()).join("_delta_log")
}

/// A table with its newest version, or `None` where it was not created yet.
async fn load(dir: &Path, table: Table) -> Result<Option<DeltaTable>, Error> {
    if !log_of(dir, table).is_dir() {
        return Ok(None);
    }
    let wrap = |source: DeltaTableError| Error::Open {
        dir: dir.to_owned(),
        table,
        source: Box::new(source),
    };
    let mut delta = unloaded(dir, table)?;
    match delta.load().await {
        Ok(()) => Ok(Some(delta)),
        // The folder of the log was made and its first entry not yet: another process is at it, or was killed.
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(source) => Err(wrap(source)),
    }
}

fn unloaded(dir: &Path, table: Table) -> Result<DeltaTable, Error> {
    let path = dir.join(table.name());
    ensure_table_uri(path.to_string_lossy())
        .and_then(DeltaTableBuilder::from_url)
        .and_then(DeltaTableBuilder::build)
        .map_err(|source| Error::Open {
            dir: dir.to_owned(),
            table,
            source: Box::new(source),
        })
}
