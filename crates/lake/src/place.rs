//! Where a lake is: in a folder, or under a prefix of an object store.

use std::path::{Path, PathBuf};

use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri};

use crate::{Error, Table};

/// Schemes of object stores that speak S3.
pub(crate) const STORES: [&str; 2] = ["s3://", "s3a://"];

/// Whether a lake's place is an object store's URL.
#[must_use]
pub fn is_in_a_store(place: &Path) -> bool {
    place
        .to_str()
        .is_some_and(|text| STORES.iter().any(|scheme| text.starts_with(scheme)))
}

/// A folder, or the URL of a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// As it was given; of a URL its text.
    shown: PathBuf,
    is_store: bool,
}

impl Place {
    /// # Errors
    ///
    /// [`Error::NoStore`] for a URL, where this vigie was built without stores.
    pub(crate) fn at(place: &Path) -> Result<Self, Error> {
        let is_store = is_in_a_store(place);
        if is_store {
            #[cfg(not(feature = "s3"))]
            return Err(Error::NoStore(place.to_owned()));
            #[cfg(feature = "s3")]
            crate::store::register();
        }
        Ok(Self {
            shown: place.to_owned(),
            is_store,
        })
    }

    /// As it was given.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// A table's folder on this machine; `None` for a store, which makes things durable itself.
    pub(crate) fn folder(&self, table: Table) -> Option<PathBuf> {
        (!self.is_store).then(|| self.shown.join(table.name()))
    }

    /// A table that nobody has read yet, whether it is there or not.
    pub(crate) fn unloaded(&self, table: Table) -> Result<DeltaTable, Error> {
        let uri = if self.is_store {
            format!("{}/{}", self.shown.to_string_lossy().trim_end_matches('/'), table.name())
        } else {
            self.shown.join(table.name()).to_string_lossy().into_owned()
        };
        ensure_table_uri(uri)
            .and_then(DeltaTableBuilder::from_url)
            .and_then(DeltaTableBuilder::build)
            .map_err(|source| self.cannot_open(table, source))
    }

    /// A table with its newest version, or `None` where it was not made yet.
    pub(crate) async fn load(&self, table: Table) -> Result<Option<DeltaTable>, Error> {
        if !self.may_hold(table) {
            return Ok(None);
        }
        let mut delta = self.unloaded(table)?;
        match delta.load().await {
            Ok(()) => Ok(Some(delta)),
            // The folder of the log was made and its first entry not yet: another process is at it, or was killed.
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(source) => Err(self.cannot_open(table, source)),
        }
    }

    /// Whether any table is there.
    pub(crate) async fn holds_a_lake(&self) -> Result<bool, Error> {
        for table in Table::ALL {
            if self.may_hold(table) && (!self.is_store || self.load(table).await?.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the folder; a prefix needs no making.
    pub(crate) fn make(&self) -> Result<(), Error> {
        if self.is_store {
            return Ok(());
        }
        std::fs::create_dir_all(&self.shown).map_err(|source| Error::Disk {
            path: self.shown.clone(),
            source,
        })
    }

    pub(crate) fn cannot_open(&self, table: Table, source: DeltaTableError) -> Error {
        Error::Open {
            dir: self.shown.clone(),
            table,
            source: Box::new(source),
        }
    }

    /// Without a log there is no table. Of a store only it itself can tell.
    fn may_hold(&self, table: Table) -> bool {
        self.folder(table).is_none_or(|folder| folder.join("_delta_log").is_dir())
    }
}
