//! Where a lake is: in a folder, or under a prefix of an object store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri};
use futures_util::StreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _};
use url::Url;

use crate::{Error, Table};

/// How often a table is reloaded if one of its files has been removed in the meantime.
pub(crate) const RELOADS: u32 = 8;

/// URL schemes of object stores with the S3 protocol.
pub(crate) const STORES: [&str; 2] = ["s3://", "s3a://"];

/// Whether the location of a lake is the URL of an object store.
#[must_use]
pub fn is_in_a_store(place: &Path) -> bool {
    place
        .to_str()
        .is_some_and(|text| STORES.iter().any(|scheme| text.starts_with(scheme)))
}

/// The object store that a URL names; `None` for a folder.
///
/// # Errors
///
/// [`Error::NoStore`] if this vigie was built without object stores; [`Error::Store`] if the environment does not describe it.
pub fn store_of(place: &Path) -> Result<Option<Arc<dyn ObjectStore>>, Error> {
    if !is_in_a_store(place) {
        return Ok(None);
    }
    #[cfg(not(feature = "s3"))]
    return Err(Error::NoStore(place.to_owned()));
    #[cfg(feature = "s3")]
    {
        let wrap = |why: String| Error::Store(place.to_owned(), why);
        let url = url::Url::parse(&place.to_string_lossy()).map_err(|error| wrap(error.to_string()))?;
        let store = crate::store::open(&url).map_err(|error| wrap(error.to_string()))?;
        Ok(Some(Arc::new(store)))
    }
}

/// The folder for a cluster's temporary files, below a lake or another location. Its creator removes it.
pub const SCRATCH: &str = "_scratch";

/// Removes a folder, or every object below a URL; succeeds if there is none.
///
/// # Errors
///
/// [`Error::Disk`] or [`Error::Store`] if something could not be removed.
pub async fn remove(place: &Path) -> Result<(), Error> {
    let Some(store) = store_of(place)? else {
        return match std::fs::remove_dir_all(place) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::Disk {
                path: place.to_owned(),
                source,
            }),
            _ => Ok(()),
        };
    };
    let wrap = |error: object_store::Error| Error::Store(place.to_owned(), error.to_string());
    let below = prefix(place)?;
    let mut objects = store.list(Some(&below));
    while let Some(object) = objects.next().await {
        store.delete(&object.map_err(wrap)?.location).await.map_err(wrap)?;
    }
    Ok(())
}

/// A path below a folder or a URL.
#[must_use]
pub fn below(place: &Path, name: &str) -> PathBuf {
    if is_in_a_store(place) {
        PathBuf::from(format!("{}/{name}", place.to_string_lossy().trim_end_matches('/')))
    } else {
        place.join(name)
    }
}

/// The prefix in a URL: what follows the bucket.
fn prefix(place: &Path) -> Result<object_store::path::Path, Error> {
    let text = place.to_string_lossy();
    let behind = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(_, behind)| behind);
    object_store::path::Path::parse(behind.trim_end_matches('/')).map_err(|error| Error::Store(place.to_owned(), error.to_string()))
}

/// Rejects a folder whose path delta-rs, which uses URLs, would resolve to another folder: half of each table would be written there.
fn nameable(place: &Path) -> Result<(), Error> {
    let refused = |why: &'static str| Err(Error::Unnameable(place.to_owned(), why));
    if place.to_str().is_some_and(|text| text.contains("://")) {
        return refused("it is neither a folder nor a URL of an object store that vigie knows (s3://)");
    }
    // Symbolic links are resolved, as far as the path exists.
    let whole = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    let there = whole.ancestors().find_map(|part| Some((part, std::fs::canonicalize(part).ok()?)));
    let real = there.map_or_else(
        || whole.clone(),
        |(part, real)| real.join(whole.strip_prefix(part).unwrap_or(Path::new(""))),
    );
    for part in real.components() {
        let std::path::Component::Normal(part) = part else { continue };
        let Some(part) = part.to_str() else {
            return refused("a part of its path is not UTF-8");
        };
        if part.chars().any(|c| c.is_ascii_control()) {
            return refused("its path contains a control character");
        }
        if part.contains('\\') {
            return refused("its path contains a backslash");
        }
        let is_escape = |three: &[u8]| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
        if part.as_bytes().windows(3).any(is_escape) {
            return refused("its path contains a percent sign with two hexadecimal digits");
        }
    }
    Ok(())
}

/// The URL of a folder, which is created if necessary. delta-rs itself would parse some paths as URLs of a store.
fn url_of(folder: &Path) -> Result<Url, DeltaTableError> {
    let refused = |why: &dyn std::fmt::Display| DeltaTableError::InvalidTableLocation(format!("{}: {why}", folder.display()));
    std::fs::create_dir_all(folder).map_err(|error| refused(&error))?;
    let folder = std::fs::canonicalize(folder).map_err(|error| refused(&error))?;
    let mut url = Url::from_directory_path(&folder).map_err(|()| refused(&"it has no file URL"))?;
    // A URL's path may contain these characters, a store's path may not.
    let path = url
        .path()
        .replace('[', "%5B")
        .replace(']', "%5D")
        .replace('^', "%5E")
        .replace('|', "%7C");
    url.set_path(&path);
    Ok(url)
}

/// Whether an error was caused by a missing file. Some layers keep only the text of the error.
pub(crate) fn has_vanished(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let names_missing_file = |text: &str| ["not found", "NotFound", "No such file"].iter().any(|sign| text.contains(sign));
        matches!(error.downcast_ref(), Some(object_store::Error::NotFound { .. })) || names_missing_file(&error.to_string())
    })
}

/// A folder, or the URL of a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// As given by the caller; the text of a URL.
    shown: PathBuf,
    is_store: bool,
}

impl Location {
    /// # Errors
    ///
    /// [`Error::NoStore`] for a URL, if this vigie was built without object stores; [`Error::Unnameable`] for a folder that delta-rs
    /// would look for elsewhere.
    pub(crate) fn at(place: &Path) -> Result<Self, Error> {
        let is_store = is_in_a_store(place);
        if !is_store {
            nameable(place)?;
        }
        if is_store {
            #[cfg(not(feature = "s3"))]
            return Err(Error::NoStore(place.to_owned()));
            #[cfg(feature = "s3")]
            crate::store::register(&STORES);
        }
        Ok(Self {
            shown: place.to_owned(),
            is_store,
        })
    }

    /// As given by the caller.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// A table's folder on this machine; `None` for an object store, which makes files durable itself.
    pub(crate) fn folder(&self, table: Table) -> Option<PathBuf> {
        (!self.is_store).then(|| self.shown.join(table.name()))
    }

    /// A path below the location.
    #[cfg(feature = "upkeep")]
    pub(crate) fn below(&self, name: &str) -> PathBuf {
        below(&self.shown, name)
    }

    /// A table that is not loaded yet, whether or not it exists.
    pub(crate) fn unloaded(&self, table: Table) -> Result<DeltaTable, Error> {
        let url = match self.folder(table) {
            Some(folder) => url_of(&folder),
            None => ensure_table_uri(below(&self.shown, table.name()).to_string_lossy()),
        };
        url.and_then(DeltaTableBuilder::from_url)
            .and_then(DeltaTableBuilder::build)
            .map_err(|source| self.cannot_open(table, source))
    }

    /// The newest version of a table; `None`: it does not exist yet.
    pub(crate) async fn load(&self, table: Table) -> Result<Option<DeltaTable>, Error> {
        if !self.may_hold(table) {
            return Ok(None);
        }
        let mut attempt = 1;
        loop {
            let mut delta = self.unloaded(table)?;
            match delta.load().await {
                Ok(()) => return Ok(Some(delta)),
                // Another process has created the folder of the log and not yet its first entry, or was killed in between.
                Err(DeltaTableError::NotATable(_)) => return Ok(None),
                // Another process removed old entries of the log between listing and reading them.
                Err(source) if has_vanished(&source) && attempt < RELOADS => attempt += 1,
                Err(source) => return Err(self.cannot_open(table, source)),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether any table exists.
    pub(crate) async fn holds_a_lake(&self) -> Result<bool, Error> {
        for table in Table::ALL {
            if self.may_hold(table) && (!self.is_store || self.load(table).await?.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Creates the folder; a prefix in a store needs none.
    pub(crate) fn make(&self) -> Result<(), Error> {
        if self.is_store {
            return Ok(());
        }
        let wrap = |source| Error::Disk {
            path: self.shown.clone(),
            source,
        };
        let is_new = !self.shown.is_dir();
        std::fs::create_dir_all(&self.shown).map_err(wrap)?;
        // After a power failure the folder must still be reachable from the root. A parent that may not be read cannot be synced.
        if is_new && cfg!(unix) {
            let whole = std::path::absolute(&self.shown).map_err(wrap)?;
            for above in whole.ancestors().skip(1) {
                match std::fs::File::open(above).and_then(|folder| folder.sync_all()) {
                    Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => break,
                    synced => synced.map_err(wrap)?,
                }
            }
        }
        Ok(())
    }

    pub(crate) fn cannot_open(&self, table: Table, source: DeltaTableError) -> Error {
        Error::Open {
            dir: self.shown.clone(),
            table,
            source: Box::new(source),
        }
    }

    /// Whether a table may exist: its folder has a log. For an object store always true, because only a request can tell.
    fn may_hold(&self, table: Table) -> bool {
        self.folder(table).is_none_or(|folder| folder.join("_delta_log").is_dir())
    }
}
