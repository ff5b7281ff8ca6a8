//! Observations as Delta tables, on a local disk or in an object store.
//!
//! A lake is a folder with one Delta table per [`Table`]; every column is flat, so that the same SQL runs on every
//! engine. A value that may be unknown is NULL with its reason in `<column>_why` (and `<column>_detail`); a count of
//! zero and an empty list are *known none*. Verdicts and findings are not stored: they are computed with the current
//! catalogue when they are read.
//!
//! The contents of an endpoint's replies are a *state*, stored once under the hash of the content; an observation is a small row that
//! points to its state. An append commits the contents first and the observations last, so a reader that starts from observations finds
//! complete ones even if the writer was killed. Rows that no observation points to are ignored.
//!
//! Writers take turns: every commit carries the same application transaction, so if two race, one of them fails, reloads the table and
//! retries with the rows that are still missing. Nothing is stored twice and nothing is lost.

mod batch;
mod columns;
mod contents;
mod definition;
#[cfg(feature = "upkeep")]
mod engine;
#[cfg(feature = "upkeep")]
mod garbage;
mod gather;
mod hosts;
mod id_cache;
mod key;
mod last;
#[cfg(feature = "upkeep")]
mod leftovers;
mod location;
mod prepared;
mod read;
mod rows;
mod scan;
mod schema;
#[cfg(feature = "s3")]
mod store;
#[cfg(test)]
mod tests;
#[cfg(feature = "upkeep")]
mod upkeep;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deltalake_core::{DeltaTable, DeltaTableError};

use location::Location;
pub use location::{SCRATCH, below, is_in_a_store, remove, store_of};

pub use gather::Gathered;
pub use hosts::{Filter, Glimpse, Glimpses, HostRow};
pub use last::{LastObservations, Lineage, ObservedState, StateContents};
pub use read::LakeFile;
pub use scan::Scan;
pub use schema::Table;
#[cfg(feature = "upkeep")]
pub use upkeep::{Compacted, Forgotten, Removed};
pub use write::{Committed, CommittedRequests};

/// Why the lake could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds no lake.
    #[error("no lake in {}: name another folder, or run a scan that writes one", .0.display())]
    NotALake(PathBuf),
    /// The lake is in an object store, which this build does not support.
    #[error("{} is in an object store; this vigie was built for folders: build it with --features s3", .0.display())]
    NoStore(PathBuf),
    /// The store cannot be used.
    #[error("the object store {}: {}", .0.display(), .1)]
    Store(PathBuf, String),
    /// The Delta library would resolve the folder's name to another folder.
    #[error("{} cannot hold a lake: {}; name another folder", .0.display(), .1)]
    Unnameable(PathBuf, &'static str),
    /// A table could not be opened or created.
    #[error("open the table {} of the lake in {}: {source}", .table.name(), .dir.display())]
    Open {
        /// The lake's folder.
        dir: PathBuf,
        /// The table.
        table: Table,
        /// The error of delta-rs.
        source: Box<DeltaTableError>,
    },
    /// A table could not be written.
    #[error("write to the table {} of the lake: {source}; no observation of this batch was stored", .table.name())]
    Write {
        /// The table.
        table: Table,
        /// The error of delta-rs.
        source: Box<DeltaTableError>,
    },
    /// A table could not be read.
    #[error("read the table {} of the lake: {source}", .table.name())]
    Read {
        /// The table.
        table: Table,
        /// The error of delta-rs.
        source: Box<DeltaTableError>,
    },
    /// Other writers committed first in every attempt.
    #[error("write to the table {} of the lake: other writers committed first in all {attempts} attempts; try again", .table.name())]
    Busy {
        /// The table.
        table: Table,
        /// The number of attempts.
        attempts: u32,
    },
    /// A file could not be made durable.
    #[error("write {} to disk: {source}", .path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// An observation could not be turned into rows.
    #[error("serialise an observation: {0}")]
    Describe(#[from] serde_json::Error),
    /// Something that an observation points to is missing from the lake.
    #[error("read an observation of {address}: the lake lacks {missing}; restore the folder from a copy")]
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
    location: Location,
    writer: tokio::sync::Mutex<write::Writer>,
    ids: std::sync::Mutex<id_cache::IdCache>,
}

impl Lake {
    /// Opens an existing lake: in a folder, or in an object store (`s3://bucket/prefix`; feature `s3`).
    ///
    /// # Errors
    ///
    /// [`Error::NotALake`] if the folder holds none.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let location = Location::at(dir.as_ref())?;
        if !location.holds_a_lake().await? {
            return Err(Error::NotALake(location.shown().to_owned()));
        }
        Ok(Self::over(location))
    }

    /// Opens a lake, creating the folder if necessary. Each table is created with its first row.
    ///
    /// # Errors
    ///
    /// If the folder does not exist and cannot be created.
    pub async fn open_or_create(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let location = Location::at(dir.as_ref())?;
        location.make()?;
        Ok(Self::over(location))
    }

    fn over(location: Location) -> Self {
        Self {
            writer: tokio::sync::Mutex::new(write::Writer::over(location.clone())),
            location,
            ids: std::sync::Mutex::default(),
        }
    }

    /// The folder, or the URL of a prefix in an object store (`s3://bucket/prefix`).
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.location.shown()
    }

    /// The current versions of the existing tables.
    async fn tables(&self) -> Result<BTreeMap<Table, DeltaTable>, Error> {
        let mut tables = BTreeMap::new();
        for table in Table::ALL {
            if let Some(delta) = self.location.load(table).await? {
                tables.insert(table, delta);
            }
        }
        Ok(tables)
    }
}
