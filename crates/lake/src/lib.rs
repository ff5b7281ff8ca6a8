//! Observations as Delta tables, on a local disk or in an object store.
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

mod gather;
mod hosts;
mod last;
#[cfg(feature = "upkeep")]
mod leftovers;
mod noted;
mod place;
mod read;
mod record;
mod rows;
mod schema;
#[cfg(feature = "s3")]
mod store;
#[cfg(feature = "upkeep")]
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(feature = "upkeep")]
mod upkeep;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deltalake_core::{DeltaTable, DeltaTableError};

use place::Place;
pub use place::{SCRATCH, below, is_in_a_store, remove, store_of};

pub use gather::Gathered;
pub use hosts::{Filter, Glimpse, Glimpses, HostRow};
pub use last::{LastLooks, Lineage, Look, Said};
pub use read::LakeFile;
pub use record::Scan;
pub use schema::Table;
#[cfg(feature = "upkeep")]
pub use upkeep::{Compacted, Forgotten, Removed};
pub use write::Committed;

/// Why the lake could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds no lake.
    #[error("no lake in {}: name another folder, or run a scan that writes one", .0.display())]
    NotALake(PathBuf),
    /// It is in an object store, and this build knows none.
    #[error("{} is in an object store; this vigie was built for folders: build it with --features s3", .0.display())]
    NoStore(PathBuf),
    /// The store cannot be used.
    #[error("the object store {}: {}", .0.display(), .1)]
    Store(PathBuf, String),
    /// The place has a name that would be read as another one's.
    #[error("{} cannot hold a lake: {}; name another folder", .0.display(), .1)]
    Unnameable(PathBuf, &'static str),
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
    place: Place,
    writer: tokio::sync::Mutex<write::Writer>,
    noted: std::sync::Mutex<noted::Noted>,
}

impl Lake {
    /// Opens a lake that is there: in a folder, or in an object store (`s3://bucket/prefix`; feature `s3`).
    ///
    /// # Errors
    ///
    /// [`Error::NotALake`] if the folder holds none.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let place = Place::at(dir.as_ref())?;
        if !place.holds_a_lake().await? {
            return Err(Error::NotALake(place.shown().to_owned()));
        }
        Ok(Self::over(place))
    }

    /// Opens a lake, or a folder that becomes one: each table is made with its first row.
    ///
    /// # Errors
    ///
    /// If there is no such folder and it cannot be made.
    pub async fn open_or_create(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let place = Place::at(dir.as_ref())?;
        // The tables are made when there is something for them.
        place.make()?;
        Ok(Self::over(place))
    }

    fn over(place: Place) -> Self {
        Self {
            writer: tokio::sync::Mutex::new(write::Writer::over(place.clone())),
            place,
            noted: std::sync::Mutex::default(),
        }
    }

    /// The folder, or the URL of a prefix in an object store (`s3://bucket/prefix`).
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.place.shown()
    }

    /// The tables that are there, as they are now.
    async fn tables(&self) -> Result<BTreeMap<Table, DeltaTable>, Error> {
        let mut tables = BTreeMap::new();
        for table in Table::ALL {
            if let Some(delta) = self.place.load(table).await? {
                tables.insert(table, delta);
            }
        }
        Ok(tables)
    }
}
